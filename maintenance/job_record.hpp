#pragma once

#include "maintenance/connection.hpp"
#include "maintenance/job_timer.hpp"

#include <map>
#include <optional>
#include <string>

/// What all Weirs of a database know of its jobs: the table weir.job in it. Read and written by
/// whoever holds the job's RunnerLock, so that what one has run no other one runs again, and what
/// one has failed at another one does not try sooner.
namespace weir::maintenance {

/// Makes the table where it is not there.
/// @return a problem where the user may not
[[nodiscard]] Answer<void> prepare_job_records(Connection& connection);

/// @return by the jobs' names
[[nodiscard]] Answer<std::map<std::string, JobMemory>> read_job_records(Connection& connection);

/// @return nothing where there is none
[[nodiscard]] Answer<std::optional<JobMemory>> read_job_record(Connection& connection,
                                                               const std::string& job);

/// @param outcome and `text`: for people
[[nodiscard]] Answer<void> write_job_record(Connection& connection,
                                            const std::string& job,
                                            const JobMemory& memory,
                                            const JobResult& result);

}  // namespace weir::maintenance
