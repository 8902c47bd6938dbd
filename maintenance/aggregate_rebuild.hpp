#pragma once

#include "maintenance/aggregate_control.hpp"
#include "maintenance/job.hpp"

namespace weir::maintenance {

/// Computes an aggregate anew in a table beside the target, and puts its rows into the target in
/// one transaction: the target stays the same table, with its grants and the views of it. Goes on
/// where an earlier one was stopped, as long as the definition is the same.
/// @param state as read under the runner's lock
[[nodiscard]] Answer<JobResult> rebuild(JobContext& job,
                                        const AggregateDefinition& definition,
                                        const AggregateState& state);

/// Gives up one that was begun for a definition that nobody wants any more. The stretch that was
/// noted when it began is still there, and is to be computed again.
/// @return "" or who is still writing: then it is to be tried again
[[nodiscard]] Answer<std::string> abandon_rebuild(JobContext& job,
                                                  const AggregateDefinition& definition,
                                                  const AggregateFence& fence);

}  // namespace weir::maintenance
