#pragma once

#include "base/bytes.hpp"
#include "protocol/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::protocol {

/// Which prepared statement a Parse, Bind, Describe or Close is about.
struct StatementReference {
    enum class Kind : std::uint8_t {
        None,        ///< none, or it is malformed: the backend's business
        Unnamed,     ///< the one without a name
        Incomplete,  ///< cannot be said before more of the message is there
        Named,
        TooLong,  ///< longer than any name, or than any statement that is worth keeping
    };

    Kind kind = Kind::None;
    std::string_view portal;     ///< Bind's
    std::string_view name;       ///< of the statement
    std::size_t head_bytes = 0;  ///< of the frame, up to and with the name
};

/// A Parse with a name may be this long; it is kept whole for as long as a client uses it.
inline constexpr std::size_t kMaxDefinitionBytes = std::size_t{16} << 20U;

/// A Parse without a name is kept, and so waited for, up to this length; what is longer passes
/// through as it comes.
inline constexpr std::size_t kMaxUnnamedBytes = std::size_t{64} * 1024;

/// Reads as much of the message at the start of `rest` as it takes to say which statement it is
/// about. A Bind's parameters need not be there; the others are Incomplete until they are whole.
///
/// @cost O(length of the names); no allocation
/// @source PostgreSQL 15 manual, "Message Formats"
[[nodiscard]] StatementReference read_statement_reference(const FrameHeader& header, ByteView rest);

}  // namespace weir::protocol
