#pragma once

#include "net/tls_channel.hpp"
#include "net/tls_context.hpp"
#include "tests/support/loop_support.hpp"
#include "tests/support/stream_support.hpp"

#include <cstdlib>
#include <memory>
#include <string>

/// Certificates made for one run, and both ends of a TLS connection on one loop.
namespace weir::test {

/// An authority that signed itself, and is the server's certificate too.
struct TestCertificate {
    TestCertificate() {
        const std::string command =
            "openssl req -x509 -newkey ec -pkeyopt "
            "ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost "
            "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout " +
            key + " -out " + certificate + " 2>/dev/null && chmod 600 " + key;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread of a test waits for children
        is_made = std::system(command.c_str()) == 0;
    }

    TemporaryFolder folder;
    std::string certificate = folder.file("cert.pem");
    std::string key = folder.file("key.pem");
    bool is_made = false;
};

inline const TestCertificate& test_certificate() {
    static const TestCertificate kMade;
    return kMade;
}

inline net::TlsContextPtr server_context() {
    net::TlsProblem problem;
    net::TlsOptions options;
    options.cert_file = test_certificate().certificate;
    options.key_file = test_certificate().key;
    return net::TlsContext::for_server(options, net::TlsTrust::Ignored, problem);
}

inline net::TlsContextPtr client_context(net::TlsTrust trust = net::TlsTrust::Ignored) {
    net::TlsProblem problem;
    net::TlsOptions options;
    options.ca_file = test_certificate().certificate;
    return net::TlsContext::for_client(options, trust, problem);
}

/// Notes that the handshake is through.
class SecuredListener final : public net::StreamListener {
public:
    std::size_t on_bytes(ByteView bytes) override {
        const std::size_t used = take ? take(bytes) : bytes.size();
        received.append(as_text(bytes.first(used)));
        return used;
    }

    void on_drained() override { ++drained; }

    void on_closed(const Error& reason) override {
        ++closed;
        why = reason.code();
    }

    void on_secured() override { ++secured; }

    std::function<std::size_t(ByteView)> take;
    std::string received;
    int drained = 0;
    int closed = 0;
    int secured = 0;
    std::optional<ErrorCode> why;
};

/// Two streams that talk to each other, both on one loop.
struct TlsRig {
    explicit TlsRig(SocketPair pair = unix_pair())
        : server{std::make_unique<net::Stream>(loop, std::move(pair.ours), server_listener)},
          client{std::make_unique<net::Stream>(loop, std::move(pair.peer), client_listener)} {}

    void begin(const net::TlsContextPtr& ours = server_context(),
               const net::TlsContextPtr& theirs = client_context(),
               net::TlsPeer peer = {}) const {
        server->start_tls(std::make_unique<net::TlsChannel>(ours, server->fd(), ByteView{}));
        client->start_tls(std::make_unique<net::TlsChannel>(theirs, client->fd(), std::move(peer)));
    }

    template <class Condition>
    [[nodiscard]] bool until(Condition&& holds) {
        return turn_until(loop, std::forward<Condition>(holds));
    }

    [[nodiscard]] bool shake_hands() {
        begin();
        return until([&] { return server_listener.secured == 1 && client_listener.secured == 1; });
    }

    net::EventLoop loop;
    SecuredListener server_listener;
    SecuredListener client_listener;
    std::unique_ptr<net::Stream> server;
    std::unique_ptr<net::Stream> client;
};

}  // namespace weir::test
