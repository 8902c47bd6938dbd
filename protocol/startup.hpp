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
/// @source PostgreSQL 18 manual, "Message Formats": StartupMessage, SSLRequest, GSSENCRequest and
///         CancelRequest
namespace weir::protocol {

/// The only major protocol version PostgreSQL has served since 7.4.
inline constexpr std::uint16_t kProtocolMajor = 3;
/// The newest minor version we speak: 3.2 has cancel secrets of up to 256 bytes. (3.1 was never
/// used.)
inline constexpr std::uint16_t kNewestProtocolMinor = 2;

/// Version numbers no PostgreSQL will ever have stand for other requests: major 1234, minors as in
/// PostgreSQL's pqcomm.h.
inline constexpr std::uint32_t kCancelRequestCode = (1234U << 16U) | 5678U;
inline constexpr std::uint32_t kSslRequestCode = (1234U << 16U) | 5679U;
inline constexpr std::uint32_t kGssEncRequestCode = (1234U << 16U) | 5680U;

enum class StartupKind : std::uint8_t { Startup, SslRequest, GssEncRequest, CancelRequest };

/// A decoded startup packet. Owns what it holds; which fields mean something is told by `kind`.
struct StartupPacket {
    StartupKind kind = StartupKind::Startup;
    // Startup:
    std::uint16_t major = 0;  ///< set for an unsupported version too: the refusal names it
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

/// @return whether PostgreSQL takes a parameter of this name, spelled exactly so, out of the
/// startup packet for itself: user, database, replication, options and whatever begins with
/// "_pq_.". Every other name is a setting's
[[nodiscard]] bool is_packet_word(std::string_view name);

/// Reads one startup packet from the beginning of what a client has sent.
///
/// @param bytes everything received and not yet consumed; no more than kMaxStartupBytes + 4 of
///        them are looked at
/// @return Complete: `packet`, and `packet.size` bytes are to be consumed; NeedMore: the packet is
///         not all there yet; Invalid: `error`, and `packet.major` and `packet.minor` when the
///         version is the reason
/// @errors ProtocolViolation 08P01 (length, layout); Unsupported 0A000 (another major version);
///         Rejected 28000 (no user); MessageTooLarge 54000 (more than kMaxStartupParameters pairs)
/// @cost   O(bytes) once the packet is complete, O(1) before
/// @thread any
[[nodiscard]] StartupResult read_startup(ByteView bytes);

}  // namespace weir::protocol
