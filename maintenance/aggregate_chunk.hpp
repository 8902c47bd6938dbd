#pragma once

#include "maintenance/aggregate_control.hpp"
#include "maintenance/aggregate_source.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace weir::maintenance {

/// How many buckets one transaction does: twice as many while that is quick, half as many when it
/// is slow.
class ChunkSize {
public:
    [[nodiscard]] std::int64_t buckets() const { return buckets_; }

    void took(std::chrono::milliseconds time);

private:
    std::int64_t buckets_ = 1;
};

/// What one chunk is to do besides computing its buckets.
struct ChunkStep {
    BucketRange range;
    Label up_to = 0;       ///< the watermark there will be
    std::string change;    ///< of the state: "watermark = …"
    std::string expected;  ///< of the state before; "" = nothing but the owner
    std::string also;      ///< SQL in the same transaction, "" = none
    bool consumes = true;  ///< marks of these buckets are worked off by it
};

/// Computes buckets, each chunk in one transaction with one snapshot: the buckets, the marks that
/// are worked off and the state change together or not at all.
class AggregateChunks {
public:
    AggregateChunks(JobContext& job,
                    const AggregateDefinition& definition,
                    const AggregateFence& fence,
                    const std::string& target);

    /// Makes ready: to be called once, and whenever the layout has changed.
    [[nodiscard]] Answer<void> prepare(const SourceLayout& layout);

    /// Does one. Tried again a few times where it meets a lock or another transaction.
    /// @return a problem with SQLSTATE kLayoutChanged where prepare() is to be called again
    [[nodiscard]] Answer<void> run(const ChunkStep& step);

    [[nodiscard]] std::int64_t rows() const { return rows_; }

    [[nodiscard]] ChunkSize& size() { return size_; }

    [[nodiscard]] const AggregateSql& sql() const { return sql_; }

    /// Waits while clients suffer. @return whether the job is to end
    [[nodiscard]] bool is_over() const;

private:
    [[nodiscard]] Answer<std::int64_t> try_run(const ChunkStep& step);
    [[nodiscard]] Answer<std::int64_t> compute(const BucketRange& range, Label up_to);
    [[nodiscard]] Answer<void> hold_source();
    [[nodiscard]] Answer<void> consume(const BucketRange& range);

    JobContext& job_;
    const AggregateDefinition& definition_;
    const AggregateFence& fence_;
    AggregateSql sql_;
    ChunkSize size_;
    std::string fingerprint_;
    std::vector<BucketRange> frozen_;
    std::int64_t rows_ = 0;
};

/// Of no server: the source has other partitions than were known.
inline constexpr const char* kLayoutChanged = "WE001";

}  // namespace weir::maintenance
