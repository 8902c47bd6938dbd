#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "protocol/frame_status.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The first thing a client says: it has no type byte, and its version field tells four requests
/// apart.
///
/// @source PostgreSQL 18 manual, "Message Formats": StartupMessage, SSLRequest, GSSENCRequest,
/// CancelRequest
namespace weir::protocol {

/// The only major protocol version PostgreSQL has served since 7.4.
inline constexpr std::uint16_t kProtocolMajor = 3;
/// The newest minor version we speak: 3.2 has cancel secrets of up to 256 bytes. (3.1 was never
/// used.)
inline constexpr std::uint16_t kNewestProtocolMinor = 2;

enum class StartupKind : std::uint8_t { Startup, SslRequest, GssEncRequest, CancelRequest };

/// A decoded startup packet. Owns what it holds; which fields mean something is told by `kind`.
struct StartupPacket {
    StartupKind kind = StartupKind::Startup;
    // Startup:
    std::uint16_t major =
        0;  ///< set for an unsupported version too, so that the refusal can name it
    std::uint16_t minor = 0;  ///< may be newer than we speak: answer with NegotiateProtocolVersion
    /// In order, every name once (the last value wins, as in PostgreSQL), without the "_pq_." ones.
    std::vector<std::pair<std::string, std::string>> parameters;
    std::vector<std::string> protocol_options;  ///< names that begin with "_pq_."
    // CancelRequest:
    std::uint32_t cancel_process_id = 0;
    std::vector<std::byte> cancel_secret;  ///< 4 to kMaxCancelSecretBytes bytes

    std::size_t size = 0;  ///< bytes of the whole packet

    /// @return the value of the parameter with exactly this name, or nullptr
    [[nodiscard]] const std::string* find(std::string_view name) const;
};

struct StartupResult {
    FrameStatus status = FrameStatus::NeedMore;
    StartupPacket packet;
    std::optional<Error> error;  ///< there when Invalid: PostgreSQL's text and SQLSTATE
};

/// Reads one startup packet from the beginning of what a client has sent.
///
/// @param bytes everything received and not yet consumed; at most kMaxStartupBytes + 4 of them are
/// looked at
/// @return Complete: `packet`, of which `packet.size` bytes are to be consumed. NeedMore: fewer
/// than the packet's bytes
///         are there. Invalid: `error`; `packet.major` and `packet.minor` are set when the version
///         is the reason
/// @errors ProtocolViolation 08P01 (length, layout); Unsupported 0A000 (major version other than
/// 3);
///         Rejected 28000 (no user); MessageTooLarge 54000 (more than kMaxStartupParameters pairs)
/// @cost   O(bytes) once the packet is complete, O(1) before
/// @thread any
[[nodiscard]] StartupResult read_startup(ByteView bytes);

}  // namespace weir::protocol
