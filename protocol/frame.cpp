#include "protocol/frame.hpp"

#include "base/check.hpp"
#include "protocol/limits.hpp"

namespace weir::protocol {

FrameResult read_header(ByteView bytes) {
    if (bytes.size() < kHeaderBytes) {
        return {};
    }
    ByteReader reader{bytes.subspan(1)};
    const std::uint32_t length = *reader.u32();
    if (length < sizeof(length) || length > kMaxMessageBytes) {
        return {FrameStatus::Invalid, {}};
    }
    return {FrameStatus::Complete, {static_cast<char>(bytes.front()), length}};
}

ByteView body_of(ByteView bytes, const FrameHeader& header) {
    WEIR_ASSERT(bytes.size() >= header.frame_bytes());
    return bytes.subspan(kHeaderBytes, header.body_bytes());
}

}  // namespace weir::protocol
