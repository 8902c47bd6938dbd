#pragma once

#include "base/bytes.hpp"

namespace weir::pool {

/// Appends a Query after which nobody can know what random() will return: whoever had the backend
/// before may have set its seed. (SET, because every role may do that.)
/// @return how many ReadyForQuery will come back
[[nodiscard]] int write_reseed(ByteWriter& writer);

}  // namespace weir::pool
