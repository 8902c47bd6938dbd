#pragma once

#include "maintenance/job.hpp"
#include "maintenance/partition_plan.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::maintenance {

/// A partition that is to be made, and what of DEFAULT goes there.
struct DefaultSlice {
    PlannedPartition planned;
    std::int64_t rows = 0;
};

/// Where the rows of a DEFAULT partition belong.
struct DefaultPlan {
    std::vector<DefaultSlice> slices;  ///< ascending, only where there are rows
    std::int64_t rows = 0;             ///< in all of them
    std::int64_t kept = 0;  ///< that no partition is made for: NULL, infinite, too far ahead
};

/// Reads DEFAULT once and keeps nobody waiting.
/// @param settings interval, ahead_max and name count
[[nodiscard]] Answer<DefaultPlan> plan_default(JobContext& job,
                                               const PartitionSet& set,
                                               const conf::PartitionSettings& settings);

/// @return what tells rows of DEFAULT apart: the columns, quoted, of its primary key, else of a
/// unique index without NULLs; none where there is neither
[[nodiscard]] Answer<std::vector<std::string>> default_key(Connection& db, const PartitionSet& set);

/// @return a problem where DEFAULT cannot be replaced by another table
[[nodiscard]] Answer<void> check_replaceable(Connection& db, const PartitionSet& set);

}  // namespace weir::maintenance
