#pragma once

#include "admin/recent_pools.hpp"
#include "base/clock.hpp"
#include "base/status.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace weir::admin {

/// What SHOW STATS counts, in the order of its columns. Times are in microseconds.
enum class Stat : std::uint8_t {
    Assignments,
    Transactions,
    Queries,
    Received,
    Sent,
    TransactionTime,
    QueryTime,
    WaitTime,
    ClientParses,
    ServerParses,
    Binds,
    ClientLogins,
};
inline constexpr std::size_t kStats = 12;

/// One number per Stat.
using Stats = std::array<std::uint64_t, kStats>;

[[nodiscard]] inline std::uint64_t& at(Stats& stats, Stat stat) {
    return stats[static_cast<std::size_t>(stat)];
}

[[nodiscard]] inline std::uint64_t at(const Stats& stats, Stat stat) {
    return stats[static_cast<std::size_t>(stat)];
}

using StatsByDatabase = std::map<std::string, Stats>;

/// @return the totals since the start, summed over the pools of each database
[[nodiscard]] StatsByDatabase totals_by_database(const status::Snapshot& snapshot);

/// @return what PgBouncer shows as averages of `now - before`: counts, bytes and wait time per
/// second, transaction and
///         query time per transaction and query. A counter that went back (its pool is gone) counts
///         as unchanged.
[[nodiscard]] Stats averages_between(const Stats& before, const Stats& now, Duration elapsed);

/// Remembers the counters of a minute ago, so that SHOW STATS can tell rates, and what pools have
/// done since, by which their health is judged.
///
/// Whoever has a snapshot gives it to sample(); a period ends with the first sample that is kPeriod
/// after the one that began it. With rare samples the periods are longer and the rates still right.
/// Thread: any (one mutex, held for a walk over the databases).
class StatsHistory {
public:
    /// PgBouncer's default stats_period.
    static constexpr std::chrono::seconds kPeriod{60};

    /// @param period from now on; zero is taken for the default
    void set_period(Duration period);

    void sample(const status::Snapshot& snapshot, TimePoint now);

    /// @return the averages of the last finished period; empty before the first one is over
    [[nodiscard]] StatsByDatabase averages() const;
    /// @return the same over all databases together; zeros before
    [[nodiscard]] Stats overall() const;
    /// @param pool as it is now
    /// @return what it has done in the last period, up to now
    [[nodiscard]] PoolWork recent(const status::Pool& pool) const;
    /// @return the same of the cache of results
    [[nodiscard]] CacheWork recent(const status::Cache& cache) const;

private:
    void finish_period(const StatsByDatabase& totals, Duration elapsed);

    mutable std::mutex mutex_;
    Duration period_ = kPeriod;
    bool has_begun_ = false;
    TimePoint begin_{};
    StatsByDatabase at_begin_;
    StatsByDatabase averages_;
    Stats overall_{};
    RecentPools recent_{kPeriod};
};

}  // namespace weir::admin
