#pragma once

#include "maintenance/job.hpp"

#include <string>

namespace weir::maintenance {

/// Takes away all that an aggregate has beside its target: its triggers, its function, its state.
/// The target stays, a table like any other; its live view, too.
/// @param target "schema.table", as `weir aggregate list` has it
[[nodiscard]] JobResult forget_aggregate(JobContext& job, const std::string& target);

}  // namespace weir::maintenance
