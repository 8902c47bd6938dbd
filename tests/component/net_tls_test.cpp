#include "tests/support/tls_support.hpp"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using weir::net::Pause;
using weir::net::Stream;
using weir::net::TlsChannel;

namespace {

constexpr std::size_t kBig = std::size_t{3} * 1024 * 1024;

/// One direction of a network that cuts what it carries into pieces, one a turn.
class Relay {
public:
    void turn(const net::Fd& from, const net::Fd& to, std::size_t piece) {
        waiting_ += heard(from);
        const std::string_view next = std::string_view{waiting_}.substr(0, piece);
        if (!next.empty() && tell(to, next)) {
            waiting_.erase(0, next.size());
        }
    }

private:
    std::string waiting_;
};

}  // namespace

TEST_SUITE_BEGIN("tls stream");

TEST_CASE("tls stream: both sides say what they agreed on") {
    TlsRig rig;
    REQUIRE(rig.shake_hands());
    CHECK(rig.server->tls()->description().find("TLSv1.3/TLS_") == 0);
    CHECK(rig.server->tls()->has_alpn());
    CHECK_FALSE(rig.server->tls()->is_peer_verified());
    CHECK(rig.server->tls()->server_end_point() == rig.client->tls()->server_end_point());
    CHECK(rig.server->tls()->server_end_point()->size() == 32);
    rig.server->write(as_bytes("hello"));
    rig.client->write(as_bytes("welcome"));
    CHECK(rig.until([&] {
        return rig.client_listener.received == "hello" && rig.server_listener.received == "welcome";
    }));
}

TEST_CASE("tls stream: what is written before the handshake is through waits for it") {
    TlsRig rig;
    rig.begin();
    rig.client->write(as_bytes("early"));
    CHECK(rig.until([&] { return rig.server_listener.received == "early"; }));
    CHECK(rig.server_listener.secured == 1);
}

TEST_CASE("tls stream: a handshake that arrives in pieces, also one begun before the stream knew") {
    for (const std::size_t piece : {1UL, 2UL, 5UL, 6UL, 100UL}) {
        CAPTURE(piece);
        SocketPair network = unix_pair();
        SocketPair pair = unix_pair();
        TlsRig rig{SocketPair{std::move(pair.ours), std::move(network.ours)}};
        const net::Fd server_end = std::move(pair.peer);
        const net::Fd client_end = std::move(network.peer);
        rig.client->start_tls(
            std::make_unique<TlsChannel>(client_context(), rig.client->fd(), net::TlsPeer{}));
        std::string first;
        REQUIRE(turn_until(rig.loop, [&] {
            rig.loop.run_pending();
            first += heard(client_end);
            return first.size() > piece;
        }));
        // The beginning has been read as if it were a startup packet; the rest comes by and by.
        const ByteView received = as_bytes(std::string_view{first}.substr(0, piece));
        rig.server->start_tls(
            std::make_unique<TlsChannel>(server_context(), rig.server->fd(), received));
        for (const char byte : first.substr(piece)) {
            REQUIRE(tell(server_end, std::string_view{&byte, 1}));
            rig.loop.run_pending();
        }
        Relay to_server;
        Relay to_client;
        for (int turns = 0; turns < 10000 &&
                            (rig.server_listener.secured == 0 || rig.client_listener.secured == 0);
             ++turns) {
            rig.loop.run_pending();
            to_server.turn(client_end, server_end, piece);
            to_client.turn(server_end, client_end, piece);
        }
        CHECK(rig.server_listener.secured == 1);
        CHECK(rig.client_listener.secured == 1);
    }
}

TEST_CASE("tls stream: a peer that goes in the middle of a handshake, at every byte") {
    std::string hello;
    {
        TlsRig rig{};
        SocketPair pair = unix_pair();
        Stream stream{rig.loop, std::move(pair.ours), rig.server_listener};
        stream.start_tls(
            std::make_unique<TlsChannel>(client_context(), stream.fd(), net::TlsPeer{}));
        rig.loop.run_pending();
        hello = heard(pair.peer);
    }
    REQUIRE(hello.size() > 100);
    for (std::size_t cut = 0; cut <= hello.size(); ++cut) {
        CAPTURE(cut);
        TlsRig rig;
        rig.server->start_tls(
            std::make_unique<TlsChannel>(server_context(), rig.server->fd(), ByteView{}));
        rig.client->write(as_bytes(std::string_view{hello}.substr(0, cut)));
        rig.client->close();
        REQUIRE(rig.until([&] { return rig.server_listener.closed == 1; }));
        CHECK(rig.server_listener.secured == 0);
    }
}

TEST_CASE("tls stream: what is no handshake ends the stream with a reason") {
    TlsRig rig;
    rig.server->start_tls(
        std::make_unique<TlsChannel>(server_context(), rig.server->fd(), ByteView{}));
    rig.client->write(as_bytes("GET / HTTP/1.1\r\n\r\n"));
    REQUIRE(rig.until([&] { return rig.server_listener.closed == 1; }));
    CHECK(rig.server_listener.why == ErrorCode::Network);
    CHECK(rig.server->tls()->problem() == "http request");
}

TEST_CASE("tls stream: much, with a reader that pauses, arrives whole and in order") {
    TlsRig rig;
    REQUIRE(rig.shake_hands());
    const std::string text = pattern(kBig);
    std::size_t reads = 0;
    rig.client_listener.take = [&](ByteView bytes) {
        if (++reads % 3 == 0) {
            rig.client->pause(Pause::PeerIsFull);
        }
        return reads % 5 == 0 ? bytes.size() / 2 : bytes.size();  // and some is left unused
    };
    rig.server->write(as_bytes(text));
    CHECK(rig.server->unsent() > 0);
    CHECK(rig.until([&] {
        rig.client->resume(Pause::PeerIsFull);
        rig.client->offer_unread();
        return rig.client_listener.received.size() == text.size();
    }));
    CHECK(rig.client_listener.received == text);
    CHECK(rig.server->unsent() == 0);
    CHECK(rig.server_listener.drained > 0);
}

TEST_CASE("tls stream: small pieces of one batch, and both directions at once") {
    TlsRig rig;
    REQUIRE(rig.shake_hands());
    const std::string text = pattern(200'000);
    for (std::size_t at = 0; at < text.size();) {
        net::WriteBatch batch;
        for (std::size_t size = 1; size < 9 && at < text.size(); ++size) {
            const std::size_t count = std::min(size * 997, text.size() - at);
            // Every other piece from elsewhere, so that they are not joined.
            batch.add(as_bytes(std::string_view{text}.substr(at, count)));
            at += count;
        }
        rig.server->write(batch);
        rig.client->write(batch);
    }
    CHECK(rig.until([&] {
        return rig.client_listener.received == text && rig.server_listener.received == text;
    }));
}

TEST_CASE("tls stream: what was left inside when reading paused is not forgotten") {
    TlsRig rig;
    REQUIRE(rig.shake_hands());
    rig.client->pause(Pause::Waiting);
    rig.server->write(as_bytes("said and done"));
    rig.server->close();
    turn_for(rig.loop, std::chrono::milliseconds{20});
    CHECK(rig.client_listener.received.empty());
    rig.client->resume(Pause::Waiting);
    CHECK(rig.until([&] { return rig.client_listener.closed == 1; }));
}

TEST_CASE("tls stream: a close with and without close_notify is a close") {
    for (const bool is_orderly : {true, false}) {
        CAPTURE(is_orderly);
        TlsRig rig;
        REQUIRE(rig.shake_hands());
        rig.server->write(as_bytes("last words"));
        if (is_orderly) {
            rig.server->close();
        } else {
            const net::DetachedStream dropped = rig.server->detach();  // its descriptor just goes
        }
        REQUIRE(rig.until([&] { return rig.client_listener.closed == 1; }));
        CHECK(rig.client_listener.received == "last words");
        CHECK(rig.client_listener.why == ErrorCode::Closed);
    }
}

TEST_CASE("tls stream: one that moves goes on where it was, unsent and unread bytes included") {
    TlsRig rig;
    REQUIRE(rig.shake_hands());
    const std::string text = pattern(kBig);
    rig.server->write(as_bytes(text));
    REQUIRE(rig.server->unsent() > 0);
    net::DetachedStream detached = rig.server->detach();
    REQUIRE(detached.tls != nullptr);
    SecuredListener listener;
    Stream moved{rig.loop, std::move(detached), listener};
    CHECK(rig.until([&] { return rig.client_listener.received == text; }));
    rig.client->write(as_bytes("answer"));
    CHECK(rig.until([&] { return listener.received == "answer"; }));
    moved.write(as_bytes("!"));
    CHECK(rig.until([&] { return rig.client_listener.received == text + "!"; }));
}

TEST_CASE("tls stream: a server's certificate is checked, and whom it is for") {
    struct Case {
        std::string host;
        bool is_fine;
    };

    for (const Case& example : {Case{"localhost", true},
                                Case{"127.0.0.1", true},
                                Case{"127.0.0.2", false},
                                Case{"elsewhere", false}}) {
        CAPTURE(example.host);
        TlsRig rig;
        rig.begin(server_context(),
                  client_context(net::TlsTrust::Required),
                  {example.host, net::TlsPeer::Name::Checked});
        REQUIRE(rig.until(
            [&] { return rig.client_listener.secured + rig.client_listener.closed == 1; }));
        CHECK((rig.client_listener.secured == 1) == example.is_fine);
    }
}

TEST_CASE("tls context: files that cannot be used are named with what is wrong") {
    const TestCertificate other;
    net::TlsProblem problem;
    net::TlsOptions options;
    options.cert_file = test_certificate().certificate;
    options.key_file = other.key;
    CHECK(net::TlsContext::for_server(options, net::TlsTrust::Ignored, problem) == nullptr);
    CHECK(problem.option == "key_file");
    CHECK(problem.text.find("is not the key of cert_file") != std::string::npos);
    options.key_file = options.cert_file;
    CHECK(net::TlsContext::for_server(options, net::TlsTrust::Ignored, problem) == nullptr);
    CHECK(problem.option == "key_file");
    options.cert_file = other.folder.file("missing");
    CHECK(net::TlsContext::for_server(options, net::TlsTrust::Ignored, problem) == nullptr);
    CHECK(problem.option == "cert_file");
    CHECK(problem.text.find("No such file") != std::string::npos);
    net::TlsOptions odd;
    odd.ciphers = "none of these";
    CHECK(net::TlsContext::for_client(odd, net::TlsTrust::Ignored, problem) == nullptr);
    CHECK(problem.option == "ciphers");
}

TEST_SUITE_END();
