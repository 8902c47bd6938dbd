#pragma once

#include "maintenance/connection.hpp"

#include <cstdint>
#include <string>

namespace weir::maintenance {

/// What a materialized view is computed from, at one moment.
struct ViewSources {
    /// Of all it reads: files and counters of the tables, definitions of the views, when the
    /// server was started and its statistics reset. Equal = nothing has changed between.
    std::string signature;
    std::int64_t changes = 0;  ///< rows inserted, updated and deleted in all of them so far
    /// Why that says nothing: "calls now()", "reads the foreign table shop.rates"; "" = it does.
    std::string unknown;
};

/// @param view its oid
[[nodiscard]] Answer<ViewSources> read_view_sources(Connection& db, std::uint32_t view);

/// @return how many materialized views that one reads, also through others: one that reads another
/// has a higher number
[[nodiscard]] Answer<std::int64_t> view_depth(Connection& db, std::uint32_t view);

}  // namespace weir::maintenance
