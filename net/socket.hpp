#pragma once

#include "base/endpoint.hpp"
#include "base/result.hpp"
#include "net/fd.hpp"

#include <sys/socket.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace weir::net {

/// A socket address as the kernel takes it.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }

    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

/// @return nothing when the host is a name that must be resolved, or the path is too long for a
/// unix socket
[[nodiscard]] std::optional<SocketAddress> numeric_address(const Endpoint& endpoint);

/// The address of every unix socket.
inline constexpr std::string_view kUnixName = "unix";

/// What one end of a connection is called, numeric.
struct SocketName {
    std::string address;  ///< "127.0.0.1", "::1" or "unix"
    int port = 0;
};

[[nodiscard]] SocketName name_of(const SocketAddress& address);
/// @return where this socket is bound; host "" when it cannot be told
[[nodiscard]] Endpoint local_endpoint(int fd);
[[nodiscard]] SocketName peer_name(int fd);
[[nodiscard]] SocketName local_name(int fd);

/// @param fd a connected unix socket
/// @return whose process connected, as the kernel remembers it; nothing when it cannot say
[[nodiscard]] std::optional<uid_t> peer_user_id(int fd);

/// @return two ends of one connection within this process; closed ones where there are no
/// descriptors left
[[nodiscard]] std::pair<Fd, Fd> connected_pair();

/// @param error errno (positive) or libuv's UV_E* (negative)
/// @return what it means, for a person
[[nodiscard]] std::string error_text(int error);

/// How the kernel finds out that the other end of a TCP connection is gone. The kernel counts
/// keepalive in seconds: rounded up.
struct TcpOptions {
    std::chrono::milliseconds keepalive{0};  ///< silence before the first probe; zero = none
    std::chrono::milliseconds keepalive_interval{10'000};
    unsigned keepalive_count = 3;
    std::chrono::milliseconds user_timeout{0};  ///< for what was sent; zero = the kernel's own
};

/// No delay for small messages, and `options`. Unix sockets need neither.
void tune(int fd, const TcpOptions& options);

}  // namespace weir::net
