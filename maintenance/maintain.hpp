#pragma once

#include "maintenance/job.hpp"

#include <functional>
#include <string>
#include <vector>

namespace weir::maintenance {

/// One part of a run of all maintenance.
struct MaintainStep {
    std::string name;  ///< "partitions", "analyze"
    std::function<JobResult(JobContext&)> run;
};

/// Runs them in this order; one that fails does not keep the others from being run. A line for each
/// is told as a note, and what failed as a warning.
/// @return Failed where one has, else Later or Standby where one has something left to be done
[[nodiscard]] JobResult maintain(JobContext& job, const std::vector<MaintainStep>& steps);

}  // namespace weir::maintenance
