#pragma once

#include "maintenance/job.hpp"
#include "maintenance/partition_analyze.hpp"
#include "maintenance/partition_set.hpp"

#include <string>
#include <vector>

namespace weir::maintenance {

/// @return the same as PREPARE takes it, with $1, $2 … for literals; "" where it is nothing that
/// could be explained, or may be more than one statement
[[nodiscard]] std::string preparable(const std::string& shape);

/// Which of the statements read every partition of a table, by EXPLAIN of their generic plans:
/// nothing is run. Those that matter little, or cannot be explained as they stand, are left out.
[[nodiscard]] Answer<std::vector<PartitionFinding>> find_unpruned(
    JobContext& job, const PartitionSet& set, const std::vector<SeenStatement>& statements);

/// Whether a condition on the key alone makes the planner leave out the other partitions, by
/// EXPLAIN of one for each of the newest partitions, and whether somebody's settings forbid it.
/// Says how many are read.
[[nodiscard]] Answer<std::vector<PartitionFinding>> find_pruning_off(JobContext& job,
                                                                     const PartitionSet& set);

}  // namespace weir::maintenance
