#pragma once

#include "maintenance/ladder.hpp"
#include "maintenance/partition_plan.hpp"

#include <cstdint>

namespace weir::maintenance {

/// ATTACH where there is a DEFAULT partition, which it locks and reads. Rows of DEFAULT that belong
/// into the new partition are moved in the same transaction while they are few; a CHECK proves that
/// there are none where reading DEFAULT would keep clients waiting.
/// @param attach what it is without DEFAULT
[[nodiscard]] Answer<void> attach_beside_default(JobContext& job,
                                                 const PartitionSet& set,
                                                 const PlannedPartition& planned,
                                                 LockedStep attach,
                                                 conf::DefaultPartition policy);

/// How many rows a table has: counted up to a border, estimated above.
struct RowCount {
    std::int64_t rows = 0;
    bool is_estimate = false;
};

[[nodiscard]] Answer<RowCount> count_rows(Connection& db, const Partition& partition);

}  // namespace weir::maintenance
