#pragma once

#include "maintenance/job.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir::maintenance {

/// How far one table is provided for.
struct PartitionState {
    std::string table;  ///< as the configuration has it
    std::size_t partitions = 0;
    /// From now to the end of the partitions that follow one another: 0 where none holds now,
    /// infinite where the last has no end; none where it is not known (integer keys).
    std::optional<double> horizon_seconds;
    std::optional<std::int64_t> horizon_ids;  ///< the same for integer keys
    bool has_default = false;
    std::int64_t default_rows = 0;
    bool is_default_estimated = false;  ///< more than are counted
    std::size_t gaps = 0;
    std::size_t pending = 0;  ///< half detached
    std::string first;        ///< where the first partition begins
    std::string last;         ///< where the last one ends
    std::string problem;      ///< why nothing is known; ""
};

/// @return one for each of `partitions`, in their order; what is wrong with one of them stands in
/// it
[[nodiscard]] Answer<std::vector<PartitionState>> partition_states(
    Connection& db,
    const conf::MaintenanceSettings& settings,
    const std::vector<conf::PartitionSettings>& partitions);

}  // namespace weir::maintenance
