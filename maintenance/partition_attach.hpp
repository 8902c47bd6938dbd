#pragma once

#include "maintenance/job.hpp"
#include "maintenance/partition_plan.hpp"

#include <functional>
#include <string>
#include <vector>

namespace weir::maintenance {

/// Makes one partition in steps that a crash may come between: the table by itself first, with all
/// that it needs, then ATTACH. What a crash has left is taken up, or made anew.
/// @return a problem where it cannot be made, or not now (SQLSTATE 55P03)
[[nodiscard]] Answer<void> make_partition(JobContext& job,
                                          const PartitionSet& set,
                                          const PlannedPartition& planned,
                                          conf::DefaultPartition policy);

/// @return storage parameters, replica identity and grants, as statements: LIKE and ATTACH carry
/// none of them over
[[nodiscard]] Answer<std::vector<std::string>> read_extras(JobContext& job,
                                                           const PartitionSet& set,
                                                           const Relation& child);

/// @return what gives a partition that has just been attached its REPLICA IDENTITY USING INDEX: the
/// index is there only then; nothing where the table has no such identity
[[nodiscard]] std::function<Answer<void>(JobContext&)> identity_by_index(const PartitionSet& set,
                                                                         const Relation& child);

/// Drops the CHECKs that a crash has left on DEFAULT.
[[nodiscard]] Answer<void> drop_guards(JobContext& job, const PartitionSet& set);

/// Finishes detaches that were interrupted: their rows are invisible already.
/// @return how many
[[nodiscard]] Answer<std::int64_t> finalize_pending(JobContext& job, const PartitionSet& set);

/// While clients may stand behind a step that waits, it waits no longer than this.
inline constexpr std::chrono::milliseconds kPartitionPatience{200};

}  // namespace weir::maintenance
