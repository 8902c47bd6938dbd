#pragma once

#include <cstddef>
#include <vector>

namespace weir::pool {

/// What it takes to ask about a statement once more when it has ended.
struct StatementRequest {
    /// Of it all: what is longer is not asked about.
    static constexpr std::size_t kBytesMax = std::size_t{64} * 1024;

    std::vector<std::byte> parse;  ///< the body of a Parse of it, without a name
    std::vector<std::byte> bind;   ///< the body of its Bind; empty: it had no parameters
    bool wants_bind = false;       ///< its Bind is yet to be added: nothing can be asked
};

}  // namespace weir::pool
