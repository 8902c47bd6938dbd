#pragma once

#include "maintenance/aggregate_chunk.hpp"
#include "maintenance/aggregate_control.hpp"
#include "maintenance/aggregate_source.hpp"

#include <functional>
#include <optional>
#include <string>

namespace weir::maintenance {

/// One run over an aggregate whose target and state are there: what is over, what has changed, what
/// is still to be done of the past. Every step is one transaction.
class AggregateRefresh {
public:
    /// @param table what is filled, in SQL
    AggregateRefresh(JobContext& job,
                     const AggregateDefinition& definition,
                     AggregateFence fence,
                     AggregateState state,
                     const std::string& table);

    /// Looks at what has happened to the source.
    [[nodiscard]] Answer<void> look();
    /// Moves the threshold to where buckets are over, and waits for those who may not have seen it.
    /// @return "" or who is in the way
    [[nodiscard]] Answer<std::string> raise_threshold();
    /// Does the buckets from the watermark to the threshold.
    [[nodiscard]] Answer<void> go_forward();
    /// Does the buckets that were marked one by one, then the marked stretches.
    [[nodiscard]] Answer<void> work_off_marks();
    /// Does what lies below the low mark, newest first.
    [[nodiscard]] Answer<void> go_back();

    /// Does `whole` from its end to its beginning.
    /// @param step what is done beside a chunk's buckets; the chunk is [low, high)
    [[nodiscard]] Answer<void> go_down(
        const std::string& phase,
        const BucketRange& whole,
        const std::function<ChunkStep(const BucketRange& chunk, bool is_last)>& step);

    /// @return the first bucket that the source has a row in; empty where it has none
    [[nodiscard]] Answer<std::optional<Label>> first_of_source();

    [[nodiscard]] const AggregateState& state() const { return state_; }

    [[nodiscard]] AggregateState& state() { return state_; }

    [[nodiscard]] const AggregateFence& fence() const { return fence_; }

    [[nodiscard]] std::int64_t rows() const { return chunks_.rows(); }

    [[nodiscard]] std::int64_t buckets() const { return buckets_; }

    /// @return whether it stopped at a border before all was done
    [[nodiscard]] bool is_cut_short() const { return is_cut_short_; }

private:
    [[nodiscard]] Answer<void> chunk(const ChunkStep& step);
    [[nodiscard]] Answer<std::optional<Label>> ask(const std::string& sql);
    [[nodiscard]] Answer<std::optional<Label>> first_of_both();
    [[nodiscard]] Answer<bool> work_off_buckets();
    [[nodiscard]] Answer<void> work_off_span(const DirtySpan& span);

    JobContext& job_;
    const AggregateDefinition& definition_;
    AggregateFence fence_;
    AggregateState state_;
    AggregateChunks chunks_;
    std::int64_t buckets_ = 0;
    bool is_cut_short_ = false;
};

}  // namespace weir::maintenance
