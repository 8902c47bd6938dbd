#pragma once

#include "base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

struct Shared;

/// What an order to drop results came to.
struct CacheClearing {
    /// A database as the cache knows it, and its tables; kWholeDatabase for all.
    struct Told {
        std::string database;
        std::vector<std::uint32_t> tables;
    };

    std::size_t count = 0;      ///< results, in this process
    bool is_everything = true;  ///< of one database at least
    std::vector<Told> told;     ///< what others are to drop; nothing: nobody knows such a table
};

/// Drops what was read from a table, or through a view.
/// @param table its name, perhaps with its schema and a dot in front
/// @thread any
[[nodiscard]] CacheClearing clear_table(Shared& shared, const std::string& table, TimePoint now);

/// @param pattern of the statements whose results go; "" = all
/// @thread any
[[nodiscard]] CacheClearing clear_all(Shared& shared, std::string_view pattern);

/// Has others drop the same; only where results are shared, because until Redis has heard of it
/// nothing of `told` is kept here either.
/// @thread any
void tell_cleared(Shared& shared, std::vector<CacheClearing::Told> told, TimePoint now);

}  // namespace weir::proxy
