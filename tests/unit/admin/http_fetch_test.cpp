#include "admin/http_fetch.hpp"

#include "admin/health_command.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

namespace weir::admin {

using namespace std::chrono_literals;

namespace {

/// A server of one client on a thread of its own.
class Peer {
public:
    enum class Then : std::uint8_t { Close, Stall, Drip };

    /// @param answer is sent as it is once a request has come
    Peer(std::string answer, Then then)
        : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}, answer_{std::move(answer)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
        REQUIRE(::listen(fd_, 1) == 0);
        socklen_t size = sizeof(address);
        REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        endpoint_ = {.kind = Endpoint::Kind::Tcp,
                     .host = "127.0.0.1",
                     .port = ntohs(address.sin_port),
                     .path = ""};
        thread_ = std::thread{[this, then] { serve(then); }};
    }

    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    Peer(Peer&&) = delete;
    Peer& operator=(Peer&&) = delete;

    ~Peer() {
        ::shutdown(fd_, SHUT_RDWR);  // nobody may have come
        thread_.join();
        ::close(fd_);
    }

    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

private:
    void serve(Then then) {
        const int client = ::accept(fd_, nullptr, nullptr);
        std::array<char, 4096> request{};
        if (client < 0 || ::recv(client, request.data(), request.size(), 0) <= 0) {
            return;
        }
        ::send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
        // Until the client has gone.
        pollfd polled{client, POLLIN, 0};
        while (then != Then::Close && ::poll(&polled, 1, then == Then::Drip ? 5 : -1) == 0) {
            ::send(client, " ", 1, MSG_NOSIGNAL);
        }
        ::close(client);
    }

    int fd_;
    std::string answer_;
    Endpoint endpoint_;
    std::thread thread_;
};

HttpReply ask(std::string answer, Peer::Then then = Peer::Then::Close, Duration limit = 30s) {
    const Peer peer{std::move(answer), then};
    return http_get(peer.endpoint(), "/api/health", "", limit);
}

}  // namespace

TEST_SUITE("admin http fetch") {
    TEST_CASE("fetch: an answer ends with its length, or with the connection") {
        const HttpReply counted =
            ask("HTTP/1.1 200 OK\r\nA: b\r\ncontent-LENGTH: 2\r\n\r\n{}", Peer::Then::Stall);
        CHECK(counted.problem.empty());
        CHECK(counted.status == 200);
        CHECK(counted.body == "{}");
        const HttpReply closed = ask("HTTP/1.1 401 Unauthorized\r\n\r\nno");
        CHECK(closed.problem.empty());
        CHECK(closed.status == 401);
        CHECK(closed.body == "no");
    }

    TEST_CASE("fetch: who stalls or drips is not waited for beyond the limit") {
        const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n";
        for (const auto& [answer, then] : {std::pair{head, Peer::Then::Stall},
                                           std::pair{head, Peer::Then::Drip},
                                           std::pair{std::string{}, Peer::Then::Stall},
                                           std::pair{std::string{"HTTP/1."}, Peer::Then::Drip}}) {
            CHECK(ask(answer, then, 100ms).problem == "no whole answer within 100 ms");
        }
    }

    TEST_CASE("fetch: half an answer is none") {
        CHECK(ask("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\"").problem ==
              "its answer ended after 4 of 10 bytes");
        CHECK(ask("HTTP/1.1 200 OK\r\n").problem == "closed the connection without an answer");
        CHECK(ask("").problem == "closed the connection without an answer");
        CHECK(ask("SSH-2.0-x\r\n\r\n").problem == "answered with no HTTP");
        CHECK(ask("HTTP/1.1 \r\n\r\n").problem == "answered with no HTTP");
    }

    TEST_CASE("fetch: who cannot be reached is a problem") {
        Endpoint gone;
        {
            const Peer peer{"", Peer::Then::Close};
            gone = peer.endpoint();
        }
        CHECK(http_get(gone, "/", "", 30s).problem == "Connection refused");
    }

    TEST_CASE("fetch: weir health is critical where the answer is not whole") {
        // Whole JSON, so that nothing but the length tells.
        const Peer peer{"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"overall\":\"healthy\"}",
                        Peer::Then::Close};
        conf::HttpSettings settings;
        settings.address = peer.endpoint();
        std::ostringstream out;
        std::ostringstream problems;
        CHECK(print_health(settings, HealthForm::Text, out, problems) == 2);
        CHECK(out.str().empty());
        CHECK(problems.str() ==
              peer.endpoint().text() + ": its answer ended after 21 of 99 bytes\n");
    }
}

}  // namespace weir::admin
