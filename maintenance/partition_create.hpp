#pragma once

#include "maintenance/job.hpp"

#include <string>

namespace weir::maintenance {

/// Makes the partitions of one table that are missing; one runner at a time.
[[nodiscard]] JobResult ensure_partitions(JobContext& job, const conf::PartitionSettings& settings);

/// Makes, at once, the partition that holds a key, or finds it; refuses values that are absurdly
/// far away.
/// @param key_value as the server wrote it; "" = what is missing of the horizon
/// @return its name
[[nodiscard]] Answer<std::string> make_partition_for(JobContext& job,
                                                     const conf::PartitionSettings& settings,
                                                     const std::string& key_value);

}  // namespace weir::maintenance
