#pragma once

#include <cstdint>

namespace weir::pool {

/// What an operator has ordered a pool to do; clients wait meanwhile as they do for a backend.
enum class Hold : std::uint8_t {
    None,
    Paused,     ///< lends nothing, opens nothing, closes each backend that is not lent
    Suspended,  ///< lends nothing, opens nothing, reads nothing; what is open stays
};

}  // namespace weir::pool
