#pragma once

#include "protocol/backend_views.hpp"

#include <optional>
#include <string>

namespace weir::pool {

/// A row was to be written into a partitioned table that has no partition for it.
struct MissingPartition {
    std::string schema;
    std::string table;  ///< which has none; may itself be a partition
    std::string key;    ///< the row's, as the server wrote it; "" = it did not say
};

/// @return what such an error says; empty: it is another
[[nodiscard]] std::optional<MissingPartition> read_missing_partition(
    const protocol::ErrorView& error);

}  // namespace weir::pool
