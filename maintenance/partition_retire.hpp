#pragma once

#include "maintenance/job.hpp"
#include "maintenance/partition_set.hpp"

#include <functional>
#include <string>

namespace weir::maintenance {

/// Asked before a partition goes.
/// @return "" where it may go, else why not: "public.hourly has it only up to 2026-11-02"
using RetentionGuard = std::function<Answer<std::string>(
    JobContext&, const PartitionSet& set, const Partition& partition)>;

/// Detaches, archives and drops the partitions of one table that are older than retention.keep; one
/// runner at a time. Without retention.enforce it is only said what would go.
/// @param guard empty = nobody is asked
[[nodiscard]] JobResult retire_partitions(JobContext& job,
                                          const conf::PartitionSettings& settings,
                                          const RetentionGuard& guard);

}  // namespace weir::maintenance
