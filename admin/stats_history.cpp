#include "admin/stats_history.hpp"

#include <algorithm>
#include <utility>

namespace weir::admin {

namespace {

Stats stats_of(const status::Pool& pool) {
    return {pool.assignments,
            pool.transactions,
            pool.statements,
            pool.bytes_received,
            pool.bytes_sent,
            pool.transaction_us,
            pool.statement_us,
            pool.wait_us,
            pool.client_parses,
            pool.backend_parses,
            pool.binds,
            pool.logins};
}

/// Per what a Stat is averaged.
enum class Divisor : std::uint8_t { Second, Transaction, Query };

Divisor divisor_of(Stat stat) {
    switch (stat) {
        case Stat::TransactionTime: return Divisor::Transaction;
        case Stat::QueryTime: return Divisor::Query;
        case Stat::Assignments:
        case Stat::Transactions:
        case Stat::Queries:
        case Stat::Received:
        case Stat::Sent:
        case Stat::WaitTime:
        case Stat::ClientParses:
        case Stat::ServerParses:
        case Stat::Binds:
        case Stat::ClientLogins: break;
    }
    return Divisor::Second;
}

}  // namespace

StatsByDatabase totals_by_database(const status::Snapshot& snapshot) {
    StatsByDatabase totals;
    for (const status::Pool& pool : snapshot.pools) {
        const Stats stats = stats_of(pool);
        Stats& sum = totals[pool.database];
        for (std::size_t i = 0; i < kStats; ++i) {
            sum[i] += stats[i];
        }
    }
    return totals;
}

Stats averages_between(const Stats& before, const Stats& now, Duration elapsed) {
    Stats delta{};
    for (std::size_t i = 0; i < kStats; ++i) {
        delta[i] = now[i] > before[i] ? now[i] - before[i] : 0;
    }
    const double seconds = std::chrono::duration<double>(elapsed).count();
    Stats averages{};
    for (std::size_t i = 0; i < kStats; ++i) {
        double divisor = seconds;
        switch (divisor_of(static_cast<Stat>(i))) {
            case Divisor::Second: break;
            case Divisor::Transaction:
                divisor = static_cast<double>(at(delta, Stat::Transactions));
                break;
            case Divisor::Query: divisor = static_cast<double>(at(delta, Stat::Queries)); break;
        }
        averages[i] =
            divisor > 0 ? static_cast<std::uint64_t>(static_cast<double>(delta[i]) / divisor) : 0;
    }
    return averages;
}

void StatsHistory::set_period(Duration period) {
    const std::lock_guard lock{mutex_};
    period_ = period > Duration::zero() ? period : Duration{kPeriod};
    recent_.set_period(period_);
}

void StatsHistory::sample(const status::Snapshot& snapshot, TimePoint now) {
    const std::lock_guard lock{mutex_};
    recent_.sample(snapshot, now);
    if (has_begun_ && now - begin_ < period_) {
        return;
    }
    StatsByDatabase totals = totals_by_database(snapshot);
    if (has_begun_) {
        finish_period(totals, now - begin_);
    }
    has_begun_ = true;
    begin_ = now;
    at_begin_ = std::move(totals);
}

void StatsHistory::finish_period(const StatsByDatabase& totals, Duration elapsed) {
    averages_.clear();
    Stats sum_before{};
    Stats sum_now{};
    for (const auto& [database, now] : totals) {
        // A database that came meanwhile began with nothing.
        const auto found = at_begin_.find(database);
        const Stats before = found == at_begin_.end() ? Stats{} : found->second;
        averages_[database] = averages_between(before, now, elapsed);
        for (std::size_t i = 0; i < kStats; ++i) {
            sum_before[i] += std::min(before[i], now[i]);  // what went back counts as unchanged
            sum_now[i] += now[i];
        }
    }
    overall_ = averages_between(sum_before, sum_now, elapsed);
}

StatsByDatabase StatsHistory::averages() const {
    const std::lock_guard lock{mutex_};
    return averages_;
}

Stats StatsHistory::overall() const {
    const std::lock_guard lock{mutex_};
    return overall_;
}

PoolWork StatsHistory::recent(const status::Pool& pool) const {
    const std::lock_guard lock{mutex_};
    return recent_.of(pool);
}

CacheWork StatsHistory::recent(const status::Cache& cache) const {
    const std::lock_guard lock{mutex_};
    return recent_.of(cache);
}

}  // namespace weir::admin
