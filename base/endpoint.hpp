#pragma once

#include <cstdint>
#include <string>

namespace weir {

/// Where somebody listens: a TCP host and port, or a unix socket.
struct Endpoint {
    enum class Kind : std::uint8_t { Tcp, Unix };

    Kind kind = Kind::Tcp;
    std::string host;        ///< Tcp: a name or a numeric address, without brackets
    std::uint16_t port = 0;  ///< Tcp; for Unix the port its file is named after
    std::string path;  ///< Unix: the socket's whole path; "@name" is in the abstract namespace

    bool operator==(const Endpoint&) const = default;

    /// @return "host:port", "[::1]:port" or "unix:path", for people
    [[nodiscard]] std::string text() const {
        if (kind == Kind::Unix) {
            return "unix:" + path;
        }
        const bool is_v6 = host.find(':') != std::string::npos;
        return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
    }
};

}  // namespace weir
