#pragma once

#include "maintenance/aggregate_control.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::maintenance {

/// A partition right below the source with all that is below it, or a plain table itself.
struct SourcePart {
    std::uint32_t oid = 0;
    BucketRange range{kEarliest, kLatest};  ///< its bounds, where these are of the time column
    std::string counters;                   ///< differ when rows have changed since
};

struct SourceLayout {
    std::vector<SourcePart> parts;
    std::string fingerprint;    ///< of the tables it is made of
    bool is_by_number = false;  ///< partitioned by ranges, and not of the time column
};

/// The statistics are read now: a change that they tell of is visible to every later snapshot. A
/// change that they do not tell of yet shows the next time.
[[nodiscard]] Answer<SourceLayout> read_layout(Connection& db,
                                               const AggregateDefinition& definition);
/// @return SQL for SourceLayout::fingerprint as the transaction sees it
[[nodiscard]] std::string fingerprint_sql(const Connection& db, const Relation& source);

/// Notes what has happened to the source since the last run: stretches to be computed again where
/// counters moved, stretches that are frozen where partitions are gone.
[[nodiscard]] Answer<void> note_changes(JobContext& job,
                                        const AggregateDefinition& definition,
                                        const AggregateFence& fence,
                                        const AggregateState& state,
                                        const SourceLayout& layout);

/// @return SQL that notes that nothing has marked what was changed through `table` until now
[[nodiscard]] std::string unwatched_sql(const AggregateDefinition& definition,
                                        const Relation& table);

/// Waits for those who hold a lock to write the source at this moment: they may not have seen the
/// threshold.
/// @return "" or who is still at it when patience (or the job) is at its end
[[nodiscard]] Answer<std::string> wait_for_writers(JobContext& job, const Relation& source);

}  // namespace weir::maintenance
