#pragma once

#include <cstdint>

namespace weir {

/// What the cache of results had to do with a statement.
enum class CacheUse : std::uint8_t {
    None,
    Hit,   ///< it was answered from there: the server had nothing to do
    Miss,  ///< the server was asked, and the result is for the cache as well
};

}  // namespace weir
