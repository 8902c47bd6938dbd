#include "protocol/frame.hpp"

#include "base/check.hpp"

namespace weir::protocol {

ByteView body_of(ByteView bytes, const FrameHeader& header) {
    WEIR_ASSERT(bytes.size() >= header.frame_bytes());
    return bytes.subspan(kHeaderBytes, header.body_bytes());
}

}  // namespace weir::protocol
