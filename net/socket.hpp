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
[[nodiscard]] SocketName peer_name(int fd);
[[nodiscard]] SocketName local_name(int fd);

/// @param fd a connected unix socket
/// @return whose process connected, as the kernel remembers it; nothing when it cannot say
[[nodiscard]] std::optional<uid_t> peer_user_id(int fd);

/// @param error errno (positive) or libuv's UV_E* (negative)
/// @return what it means, for a person
[[nodiscard]] std::string error_text(int error);

/// No delay for small messages, and keepalive probes after `keepalive` of silence (0 = off). Unix
/// sockets need neither.
void tune(int fd, std::chrono::milliseconds keepalive);

}  // namespace weir::net
