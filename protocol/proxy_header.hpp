#pragma once

#include "base/bytes.hpp"
#include "protocol/frame_status.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace weir::protocol {

/// What a load balancer says about the connection it passes on, before the client's own first byte.
struct ProxyHeader {
    std::size_t size = 0;      ///< bytes of the whole header
    bool has_address = false;  ///< false: a check of its own, or a client that has no address
    std::string address;       ///< the client's, "192.0.2.7" or "2001:db8::7"
    std::uint16_t port = 0;
};

struct ProxyHeaderResult {
    FrameStatus status = FrameStatus::NeedMore;
    ProxyHeader header;  ///< when Complete
};

/// The longest header that is read: the addresses and a generous share of extensions, which are
/// skipped.
inline constexpr std::size_t kMaxProxyHeaderBytes = 2048;

/// Reads a header of the PROXY protocol, version 2, at the start of `bytes`.
///
/// @return Invalid: something else stands there, or it is longer than kMaxProxyHeaderBytes
/// @cost O(1)
/// @thread any
/// @source "The PROXY protocol", versions 1 & 2, section 2.2 (haproxy.org/download/2.6/doc)
[[nodiscard]] ProxyHeaderResult read_proxy_header(ByteView bytes);

}  // namespace weir::protocol
