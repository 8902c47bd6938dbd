#pragma once

#include "maintenance/job.hpp"

namespace weir::maintenance {

/// Gives the rows of a DEFAULT partition partitions of their own while clients work: where rows can
/// be told apart they are copied, and the copies take DEFAULT's place in one short transaction;
/// else they are moved slice by slice. What was DEFAULT stays beside it, as NAME_old. A run that
/// was interrupted begins again.
///
/// @param settings table, interval, ahead_max and name count
[[nodiscard]] JobResult empty_default(JobContext& job, const conf::PartitionSettings& settings);

}  // namespace weir::maintenance
