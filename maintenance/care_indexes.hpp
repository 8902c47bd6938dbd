#pragma once

#include "maintenance/care_item.hpp"

namespace weir::maintenance {

/// Invalid indexes, which something interrupted has left: what REINDEX CONCURRENTLY leaves and what
/// another index does as well is dropped, others are built anew, or left to a person where that
/// would take long. Then B-trees of which more than maintenance.care.index_bloat is estimated to be
/// air.
[[nodiscard]] Answer<CarePlan> plan_reindex(JobContext& job);

/// Carries out plan_reindex(), one index at a time, always CONCURRENTLY.
[[nodiscard]] JobResult reindex_indexes(JobContext& job);

}  // namespace weir::maintenance
