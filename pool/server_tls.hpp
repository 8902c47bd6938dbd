#pragma once

#include "base/endpoint.hpp"
#include "conf/model.hpp"
#include "net/stream.hpp"
#include "net/tls_context.hpp"

#include <cstdint>
#include <string>

namespace weir::pool {

/// How connections to one PostgreSQL are secured.
struct ServerTls {
    net::TlsContextPtr context;  ///< null: not at all
    conf::TlsMode mode = conf::TlsMode::Disable;
    std::string text;  ///< the settings as text: another one is another way to connect

    /// @return whether TLS may be spoken there at all
    [[nodiscard]] bool may_secure(const Endpoint& endpoint) const {
        return context != nullptr && endpoint.kind == Endpoint::Kind::Tcp &&
               mode != conf::TlsMode::Disable;
    }

    /// @return whether a connection without TLS is acceptable
    [[nodiscard]] bool may_go_plain() const { return mode <= conf::TlsMode::Prefer; }

    /// @return whether the first attempt asks for TLS
    [[nodiscard]] bool begins_secured(const Endpoint& endpoint) const {
        return may_secure(endpoint) && mode != conf::TlsMode::Allow;
    }
};

/// What a server says to SSLRequest.
enum class TlsAnswer : std::uint8_t {
    Yes,
    No,
    Injected,  ///< yes, and more behind it that nobody could have encrypted yet (CVE-2021-23222)
    Error,     ///< anything else; what it says is not shown, since anybody could have said it
};

/// @param bytes one or more, as they came
[[nodiscard]] TlsAnswer read_tls_answer(ByteView bytes);

/// Begins the handshake after a Yes.
void secure(net::Stream& stream, const ServerTls& tls, const Endpoint& endpoint);

}  // namespace weir::pool
