#pragma once

#include "base/clock.hpp"
#include "base/status.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>

namespace weir::admin {

/// What one pool has done in a while: counts, and sums in microseconds.
struct PoolWork {
    std::uint64_t leases = 0;
    std::uint64_t wait_us = 0;
    std::uint64_t statements = 0;  ///< those that got no server connection among them
    std::uint64_t statement_us = 0;
    std::uint64_t failures = 0;  ///< statements without, that lost it, or that met its troubles

    bool operator==(const PoolWork&) const = default;
};

/// What the cache of results has done in a while.
struct CacheWork {
    std::uint64_t answered = 0;  ///< reads that the server had nothing to do for
    std::uint64_t misses = 0;

    bool operator==(const CacheWork&) const = default;
};

/// The counters of the last period, so that one can tell what pools and the cache did in it, up to
/// the moment.
/// Plain state: its owner sees to threads.
class RecentPools {
public:
    /// The period moves on in so many steps: what is told is of the last period and at most one
    /// step more.
    static constexpr int kSteps = 6;

    /// @param period above zero, from now on
    explicit RecentPools(Duration period) : period_{period} {}

    void set_period(Duration period) { period_ = period; }

    /// To be called more often than once a step; what comes earlier than a step after the one
    /// before is not kept.
    void sample(const status::Snapshot& snapshot, TimePoint now);

    /// @param pool as it is now
    /// @return what it has done since the oldest sample kept, or since it began where that was
    /// later
    [[nodiscard]] PoolWork of(const status::Pool& pool) const;

    /// @param cache as it is now
    [[nodiscard]] CacheWork of(const status::Cache& cache) const;

private:
    using Name = std::tuple<std::string, std::string, std::string>;  // database, user, member

    struct Sample {
        TimePoint at;
        std::map<Name, PoolWork> totals;
        CacheWork cache;
    };

    Duration period_;
    std::deque<Sample> samples_;  // oldest first
};

}  // namespace weir::admin
