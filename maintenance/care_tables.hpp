#pragma once

#include "maintenance/care_item.hpp"

namespace weir::maintenance {

/// Tables of which maintenance.care.modified_rows have changed since the last ANALYZE, or that
/// never had one; partitioned tables, which autovacuum leaves out, where that share of the rows of
/// their partitions has changed.
[[nodiscard]] Answer<CarePlan> plan_analyze(JobContext& job);
/// Tables older than maintenance.care.freeze_age, oldest first; then those with a share of dead
/// rows above maintenance.care.dead_rows, most dead rows first.
[[nodiscard]] Answer<CarePlan> plan_vacuum(JobContext& job);

/// Carries out plan_analyze().
[[nodiscard]] JobResult analyze_tables(JobContext& job);
/// Carries out plan_vacuum(), as gently as autovacuum would.
[[nodiscard]] JobResult vacuum_tables(JobContext& job);

}  // namespace weir::maintenance
