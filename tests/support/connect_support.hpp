#pragma once

#include "base/endpoint.hpp"
#include "base/result.hpp"
#include "net/connector.hpp"
#include "net/listener.hpp"
#include "net/socket.hpp"
#include "tests/support/loop_support.hpp"

#include <doctest/doctest.h>

#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// For tests that listen and connect, on this machine only.
namespace weir::test {

[[nodiscard]] inline Endpoint tcp(const std::string& host, std::uint16_t port) {
    return {Endpoint::Kind::Tcp, host, port, {}};
}

[[nodiscard]] inline Endpoint unix_at(const std::string& path) {
    return {Endpoint::Kind::Unix, {}, 0, path};
}

/// Containers often come without ::1.
[[nodiscard]] inline bool has_ipv6() {
    const auto address = net::numeric_address(tcp("::1", 0));
    const net::Fd fd{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    return ::bind(fd.get(), address->get(), address->length) == 0;
}

/// How an attempt to connect ended; ErrorCode::Closed stands for success.
struct Outcome {
    ErrorCode code;
    int detail;

    bool operator==(const Outcome&) const = default;
};

/// A loop, and the outcome of one attempt to connect on it.
struct Attempt {
    void begin(const Endpoint& endpoint, Duration patience = kPatience) {
        connector = std::make_unique<net::Connector>(
            loop, endpoint, Clock::now() + patience, [this](Result<net::Fd> ended) {
                ++calls;
                result = std::move(ended);
                loop.defer_delete(std::move(connector));
            });
        CHECK(calls == 0);  // never from within the constructor
    }

    [[nodiscard]] bool until_done() {
        return turn_until(loop, [this] { return calls > 0; });
    }

    [[nodiscard]] Outcome outcome() const {
        REQUIRE(result.has_value());
        return *result ? Outcome{ErrorCode::Closed, 0}
                       : Outcome{result->error().code(), result->error().detail()};
    }

    net::EventLoop loop;
    std::optional<Result<net::Fd>> result;
    int calls = 0;
    std::unique_ptr<net::Connector> connector;
};

/// Listens, and puts whoever comes into `accepted`.
[[nodiscard]] inline std::unique_ptr<net::Listener> open_door(net::EventLoop& loop,
                                                              const Endpoint& endpoint,
                                                              std::vector<net::Fd>& accepted) {
    std::string problem;
    auto listener = net::Listener::open(
        loop,
        endpoint,
        {},
        [&accepted](net::Fd fd) { accepted.push_back(std::move(fd)); },
        problem);
    CAPTURE(problem);
    REQUIRE(listener != nullptr);
    return listener;
}

/// A port at which nobody listens: one that was free a moment ago.
[[nodiscard]] inline std::uint16_t free_port() {
    net::EventLoop loop;
    std::vector<net::Fd> none;
    return open_door(loop, tcp("127.0.0.1", 0), none)->endpoint().port;
}

/// Listens, never accepts, and its backlog is full: whoever knocks now gets no answer.
class FullDoor {
public:
    FullDoor()
        : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)},
          address_{*net::numeric_address(tcp("127.0.0.1", 0))} {
        CHECK(::bind(fd_.get(), address_.get(), address_.length) == 0);
        CHECK(::listen(fd_.get(), 0) == 0);
        ::getsockname(fd_.get(), address_.get(), &address_.length);
        for (int i = 0; i < 4; ++i) {  // the kernel takes one or two more than it was told
            waiting_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            static_cast<void>(::connect(waiting_.back().get(), address_.get(), address_.length));
        }
    }

    [[nodiscard]] Endpoint endpoint() const { return tcp("127.0.0.1", port()); }

    [[nodiscard]] std::uint16_t port() const {
        return static_cast<std::uint16_t>(net::name_of(address_).port);
    }

private:
    net::Fd fd_;
    net::SocketAddress address_;
    std::vector<net::Fd> waiting_;
};

}  // namespace weir::test
