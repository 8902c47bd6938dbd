#pragma once

#include "maintenance/aggregate_definition.hpp"
#include "maintenance/job.hpp"

namespace weir::maintenance {

/// Brings a target up to date: buckets that are over since the last run, buckets whose rows have
/// changed, and on a first run all that there is, newest first. May be killed at any instant: the
/// next run gives the same.
[[nodiscard]] JobResult run_aggregate(JobContext& job, const conf::AggregateSettings& settings);

/// Computes everything anew as the settings now say it, beside the target, and puts it there in one
/// transaction; then goes on as run_aggregate(). May be stopped and called again.
[[nodiscard]] JobResult rebuild_aggregate(JobContext& job, const conf::AggregateSettings& settings);

}  // namespace weir::maintenance
