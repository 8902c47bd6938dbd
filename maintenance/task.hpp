#pragma once

#include "maintenance/job.hpp"

namespace weir::maintenance {

/// Runs the SQL of a [[task]] in one go: several statements are one transaction, one that cannot be
/// in a transaction (VACUUM) works alone. Past its timeout it is cancelled. What it sets in the
/// session does not outlive it.
/// @return `rows`: how many its last statement touched
[[nodiscard]] JobResult run_task(JobContext& job, const conf::TaskSettings& task);

}  // namespace weir::maintenance
