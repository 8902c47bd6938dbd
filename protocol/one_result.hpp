#pragma once

#include "base/bytes.hpp"

namespace weir::protocol {

/// @param reply messages of a server, from outside
/// @return whether they are what a server says of one result, whole and nothing behind it. What
/// becomes of a transaction (ReadyForQuery), an error or a setting is none.
[[nodiscard]] bool is_one_result(ByteView reply);

}  // namespace weir::protocol
