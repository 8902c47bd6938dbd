#include "protocol/message_frame.hpp"

#include "base/check.hpp"
#include "protocol/limits.hpp"

#include <cstdint>

namespace weir::protocol {

MessageFrame::MessageFrame(ByteWriter& writer, BackendMessage type)
    : MessageFrame{writer, static_cast<char>(type)} {}

MessageFrame::MessageFrame(ByteWriter& writer, FrontendMessage type)
    : MessageFrame{writer, static_cast<char>(type)} {}

MessageFrame::MessageFrame(ByteWriter& writer, char type)
    : writer_{writer}, length_offset_{writer.size() + 1} {
    writer_.u8(static_cast<std::uint8_t>(type));
    writer_.u32(0);
}

MessageFrame::~MessageFrame() {
    const std::size_t length = writer_.size() - length_offset_;
    // A wrong length would let the peer read one message's bytes as another's.
    WEIR_CHECK(length <= kMaxMessageBytes);
    writer_.patch_u32(length_offset_, static_cast<std::uint32_t>(length));
}

}  // namespace weir::protocol
