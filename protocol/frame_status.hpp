#pragma once

#include <cstdint>

namespace weir::protocol {

/// What a decoder says about the bytes of a stream.
enum class FrameStatus : std::uint8_t {
    Complete,  ///< the result is there
    NeedMore,  ///< so far everything is possible
    Invalid,   ///< no further byte can help; the stream has lost its framing
};

}  // namespace weir::protocol
