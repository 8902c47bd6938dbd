#pragma once

#include "conf/model.hpp"
#include "maintenance/job.hpp"
#include "maintenance/job_timer.hpp"

#include <functional>
#include <string>
#include <vector>

namespace weir::maintenance {

/// One job that a configuration means.
struct JobSpec {
    std::string name;  ///< unique: "partition public.events", "analyze"
    std::string kind;  ///< its first word
    When when;
    std::function<JobResult(JobContext&)> run;
};

/// @param config outlives the jobs
/// @return what [maintenance], [[partition]], [[aggregate]], [[materialized_view]] and [[task]]
/// mean, in this order; none where maintenance is not enabled
[[nodiscard]] std::vector<JobSpec> jobs_of(const conf::Config& config);

}  // namespace weir::maintenance
