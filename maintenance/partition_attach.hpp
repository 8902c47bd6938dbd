#pragma once

#include "maintenance/job.hpp"
#include "maintenance/partition_plan.hpp"

#include <string>

namespace weir::maintenance {

/// Makes one partition in steps that a crash may come between: the table by itself first, with all
/// that it needs, then ATTACH. What a crash has left is taken up, or made anew.
/// @return a problem where it cannot be made, or not now (SQLSTATE 55P03)
[[nodiscard]] Answer<void> make_partition(JobContext& job,
                                          const PartitionSet& set,
                                          const PlannedPartition& planned,
                                          conf::DefaultPartition policy);

/// Drops the CHECKs that a crash has left on DEFAULT.
[[nodiscard]] Answer<void> drop_guards(JobContext& job, const PartitionSet& set);

/// Finishes detaches that were interrupted: their rows are invisible already.
/// @return how many
[[nodiscard]] Answer<std::int64_t> finalize_pending(JobContext& job, const PartitionSet& set);

/// While clients may stand behind a step that waits, it waits no longer than this.
inline constexpr std::chrono::milliseconds kPartitionPatience{200};

}  // namespace weir::maintenance
