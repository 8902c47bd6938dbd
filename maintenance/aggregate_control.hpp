#pragma once

#include "maintenance/aggregate_definition.hpp"
#include "maintenance/aggregate_sql.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir::maintenance {

/// What is known of an aggregate in its database (weir.aggregate): buckets from low_mark to
/// watermark are in the target, except those that are marked.
struct AggregateState {
    std::string definition;
    std::int64_t generation = 1;
    Label threshold = 0;  ///< triggers mark below it; never below the watermark
    Label watermark = 0;
    Label low_mark = 0;                          ///< kEarliest = all there is
    std::optional<std::string> next_definition;  ///< being rebuilt
    Label next_watermark = 0;
    Label next_low_mark = 0;

    [[nodiscard]] BucketRange range() const { return {low_mark, watermark}; }
};

/// A stretch whose buckets are to be computed again.
struct DirtySpan {
    std::int64_t id = 0;
    BucketRange range;
};

/// Makes the schema `weir` and its tables, or brings older ones up to date.
[[nodiscard]] Answer<void> ensure_control(JobContext& job);
/// @return whether the tables are there
[[nodiscard]] Answer<bool> has_control(Connection& db);

/// @return empty where there is none yet
[[nodiscard]] Answer<std::optional<AggregateState>> read_state(Connection& db,
                                                               const std::string& target);

/// The fence of an aggregate: whoever claimed it last, and nobody else, may change what it holds.
class AggregateFence {
public:
    /// Makes this run the owner.
    [[nodiscard]] static Answer<AggregateFence> claim(Connection& db, const std::string& target);

    /// Changes the state in the transaction under way, if it is still this run's.
    /// @param change "watermark = …"
    /// @param expected a further condition, "" = none
    /// @return a problem with SQLSTATE 40001 where it is not
    [[nodiscard]] Answer<void> advance(Connection& db,
                                       const std::string& change,
                                       const std::string& expected) const;

    [[nodiscard]] const std::string& target() const { return target_; }

private:
    AggregateFence(std::string target, std::string owner)
        : target_{std::move(target)}, owner_{std::move(owner)} {}

    std::string target_;
    std::string owner_;
};

/// Makes the first state: nothing is in the target, and everything below `high` is to come.
[[nodiscard]] Answer<void> create_state(Connection& db,
                                        const AggregateDefinition& definition,
                                        Label high);
/// Forgets an aggregate.
[[nodiscard]] Answer<void> drop_state(Connection& db, const std::string& target);

[[nodiscard]] Answer<std::vector<Label>> read_dirty(Connection& db,
                                                    const std::string& target,
                                                    std::int64_t most);
[[nodiscard]] Answer<std::vector<DirtySpan>> read_spans(Connection& db, const std::string& target);
/// @return stretches whose source is gone, in order
[[nodiscard]] Answer<std::vector<BucketRange>> read_frozen(Connection& db,
                                                           const std::string& target);

/// @return what is left of `range` without `gone`, latest first
[[nodiscard]] std::vector<BucketRange> without(const BucketRange& range,
                                               const std::vector<BucketRange>& gone);

}  // namespace weir::maintenance
