#pragma once

#include "maintenance/job.hpp"
#include "maintenance/partition_set.hpp"

#include <string>

namespace weir::maintenance {

/// Takes a partition out of its table: CONCURRENTLY where the server can, else by the ladder. Its
/// COMMENT says first when and what for.
[[nodiscard]] Answer<void> detach_partition(JobContext& job,
                                            const PartitionSet& set,
                                            const Partition& partition,
                                            conf::RetentionAction action);

/// Takes from partitions that are attached what says that they were detached: an attempt that was
/// ended has left it, or somebody has attached one again. If somebody detaches it, it is not ours.
[[nodiscard]] Answer<void> clear_marks(JobContext& job, const PartitionSet& set);

/// Moves a detached table to another schema, with the partitions that it has itself.
/// @return whether anything was not there yet
[[nodiscard]] Answer<bool> archive_table(JobContext& job,
                                         const Relation& table,
                                         const std::string& schema);

/// Drops a detached table, its foreign keys first, one by one; never CASCADE.
[[nodiscard]] Answer<void> drop_table(JobContext& job, const Relation& table);

[[nodiscard]] std::string name_of(conf::RetentionAction action);

}  // namespace weir::maintenance
