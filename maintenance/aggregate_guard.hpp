#pragma once

#include "conf/maintenance_settings.hpp"
#include "maintenance/partition_retire.hpp"

#include <vector>

namespace weir::maintenance {

/// Says whether an aggregate still needs the rows of a partition: what is dropped cannot be summed
/// up any more. Asked are all that were ever computed in this database, and those that are to be.
/// @param aggregates outlives what is returned
[[nodiscard]] RetentionGuard guard_of(const std::vector<conf::AggregateSettings>& aggregates);

}  // namespace weir::maintenance
