#pragma once

#include "base/bytes.hpp"
#include "protocol/frame_status.hpp"
#include "protocol/limits.hpp"

#include <cstddef>
#include <cstdint>

namespace weir::protocol {

/// Type byte and length field: what decides how the rest of a message is treated.
inline constexpr std::size_t kHeaderBytes = 5;

/// The five bytes every message after startup begins with.
struct FrameHeader {
    char type = 0;
    std::uint32_t length =
        0;  ///< as on the wire: body plus the four bytes of the length itself; 4..kMaxMessageBytes

    [[nodiscard]] std::size_t body_bytes() const { return length - sizeof(length); }

    [[nodiscard]] std::size_t frame_bytes() const { return std::size_t{length} + 1; }
};

struct FrameResult {
    FrameStatus status = FrameStatus::NeedMore;
    FrameHeader header;
};

/// Reads the header at the start of `bytes`.
///
/// @return Complete: `header` is valid (the body need not be there yet); NeedMore: fewer than
/// kHeaderBytes;
///         Invalid: length below 4 or above kMaxMessageBytes, the stream cannot be resynchronised
/// @cost O(1), no allocation
/// @thread any
/// @source PostgreSQL 15 manual, "Frontend/Backend Protocol", section "Messaging Overview"
[[nodiscard]] inline FrameResult read_header(ByteView bytes) {
    if (bytes.size() < kHeaderBytes) {
        return {};
    }
    const std::uint32_t length = load_u32(bytes.subspan(1));
    if (length < sizeof(length) || length > kMaxMessageBytes) {
        return {FrameStatus::Invalid, {}};
    }
    return {FrameStatus::Complete, {static_cast<char>(bytes.front()), length}};
}

/// @return the body of the frame at the start of `bytes`, which must hold all of it
[[nodiscard]] ByteView body_of(ByteView bytes, const FrameHeader& header);

}  // namespace weir::protocol
