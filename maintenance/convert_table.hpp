#pragma once

#include "maintenance/convert_facts.hpp"

namespace weir::maintenance {

/// Makes a partitioned table of a plain one while clients work on it: the table becomes the first
/// partition, up to a bound in the future, and new ones follow from there. No row is copied. What
/// a crash has left is taken up by the next run.
///
/// Skipped where the table is converted and no partition is missing; Later where it could not be
/// locked.
[[nodiscard]] JobResult convert_table(JobContext& job, const ConvertWish& wish);

}  // namespace weir::maintenance
