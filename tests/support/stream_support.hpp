#pragma once

#include "net/fd.hpp"
#include "net/socket.hpp"
#include "net/stream.hpp"
#include "tests/support/loop_support.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// Streams on real sockets, with the other end in the test's hands.
namespace weir::test {

struct SocketPair {
    net::Fd ours;
    net::Fd peer;
};

[[nodiscard]] inline SocketPair unix_pair() {
    std::array<int, 2> ends{-1, -1};
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data());
    return {net::Fd{ends[0]}, net::Fd{ends[1]}};
}

/// Over TCP, which unlike a unix socket can be reset.
[[nodiscard]] inline SocketPair tcp_pair() {
    const net::Fd door{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    auto address = net::numeric_address({Endpoint::Kind::Tcp, "127.0.0.1", 0, {}});
    static_cast<void>(::bind(door.get(), address->get(), address->length));
    ::listen(door.get(), 1);
    ::getsockname(door.get(), address->get(), &address->length);
    net::Fd peer{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    static_cast<void>(::connect(peer.get(), address->get(), address->length));
    net::Fd ours{::accept4(door.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    return {std::move(ours), std::move(peer)};
}

/// Sends all of it, blocking no one: for what fits into the socket.
inline bool tell(const net::Fd& peer, std::string_view text) {
    return ::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(text.size());
}

/// @return what has arrived at the other end so far
inline std::string heard(const net::Fd& peer) {
    std::string result;
    std::array<char, 65536> chunk{};
    ssize_t got = 0;
    while ((got = ::recv(peer.get(), chunk.data(), chunk.size(), MSG_DONTWAIT)) > 0) {
        result.append(chunk.data(), static_cast<std::size_t>(got));
    }
    return result;
}

/// @return whether the other end has seen the end of the stream (and nothing before it)
inline bool hung_up(const net::Fd& peer) {
    char scrap = 0;
    return ::recv(peer.get(), &scrap, 1, MSG_DONTWAIT) == 0;
}

/// Text in which every place is told apart from its neighbours, so that a lost, doubled or swapped
/// piece shows.
[[nodiscard]] inline std::string pattern(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<char>((i * 2654435761U) >> 13U);
    }
    return text;
}

/// Keeps what a stream says; takes all bytes unless told otherwise.
class RecordingListener final : public net::StreamListener {
public:
    std::size_t on_bytes(ByteView bytes) override {
        ++offers;
        last_offer = std::string{as_text(bytes)};
        const std::size_t used = take ? take(bytes) : bytes.size();
        received.append(as_text(bytes.first(used)));
        return used;
    }

    void on_drained() override {
        ++drained;
        if (when_drained) {
            when_drained();
        }
    }

    void on_closed(const Error& reason) override {
        ++closed;
        why = reason.code();
        if (when_closed) {
            when_closed();
        }
    }

    std::function<std::size_t(ByteView)> take;
    std::function<void()> when_drained;
    std::function<void()> when_closed;
    std::string received;
    std::string last_offer;
    int offers = 0;
    int drained = 0;
    int closed = 0;
    std::optional<ErrorCode> why;
};

/// A stream on a loop, its listener, and the other end.
struct StreamRig {
    explicit StreamRig(SocketPair pair = unix_pair())
        : peer{std::move(pair.peer)}, stream{loop, std::move(pair.ours), listener} {}

    template <class Condition>
    [[nodiscard]] bool until(Condition&& holds) {
        return turn_until(loop, std::forward<Condition>(holds));
    }

    /// Turns the loop until `text` has arrived.
    [[nodiscard]] bool until_received(std::string_view text) {
        return until([&] { return listener.received == text; });
    }

    net::EventLoop loop;
    RecordingListener listener;
    net::Fd peer;
    net::Stream stream;
};

}  // namespace weir::test
