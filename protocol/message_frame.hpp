#pragma once

#include "base/bytes.hpp"
#include "protocol/message_type.hpp"

#include <cstddef>

namespace weir::protocol {

/// One message under construction: writes the type byte and room for the length, and fills the
/// length in when it goes out of scope. What is written to the ByteWriter meanwhile is the body.
/// Frames do not nest.
class MessageFrame {
public:
    MessageFrame(ByteWriter& writer, BackendMessage type);
    MessageFrame(ByteWriter& writer, FrontendMessage type);
    MessageFrame(const MessageFrame&) = delete;
    MessageFrame& operator=(const MessageFrame&) = delete;
    MessageFrame(MessageFrame&&) = delete;
    MessageFrame& operator=(MessageFrame&&) = delete;
    ~MessageFrame();

private:
    MessageFrame(ByteWriter& writer, char type);

    ByteWriter& writer_;
    std::size_t length_offset_;
};

}  // namespace weir::protocol
