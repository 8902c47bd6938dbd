#include "maintenance/governor.hpp"

#include <array>
#include <cstdio>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAskEvery{250};
constexpr milliseconds kCalm{2'000};

std::string number(double value) {
    std::array<char, 32> text{};
    const int length = std::snprintf(text.data(), text.size(), "%.1f", value);
    return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace

LoadGovernor::LoadGovernor(conf::GovernorSettings settings,
                           std::function<Load()> ask,
                           std::function<TimePoint()> now)
    : settings_{settings}, ask_{std::move(ask)}, now_{std::move(now)} {}

std::string LoadGovernor::excess(const Load& load) const {
    constexpr double kPercent = 100;
    const bool knows_p95 = load.p95_ms > 0 && load.usual_p95_ms > 0;
    if (settings_.max_p95_ratio > 0 && knows_p95 &&
        load.p95_ms > settings_.max_p95_ratio * load.usual_p95_ms) {
        return "p95 of clients " + number(load.p95_ms) + " ms, " +
               number(load.p95_ms / load.usual_p95_ms) + " times as much as usual";
    }
    if (settings_.max_replica_lag.count() > 0 && load.replica_lag > settings_.max_replica_lag) {
        return "a replica is " + std::to_string(load.replica_lag.count()) + " ms behind";
    }
    if (settings_.max_pool_usage > 0 && load.pool_usage > settings_.max_pool_usage) {
        return "a pool is used to " + std::to_string(static_cast<int>(load.pool_usage * kPercent)) +
               " %";
    }
    return "";
}

std::string LoadGovernor::why_wait() {
    const TimePoint now = now_();
    if (has_asked_ && now - asked_ < kAskEvery) {
        return why_;
    }
    has_asked_ = true;
    asked_ = now;
    if (std::string why = excess(ask_()); !why.empty()) {
        why_ = std::move(why);
        last_excess_ = now;
    } else if (!why_.empty() && now - last_excess_ >= kCalm) {
        why_.clear();
    }
    return why_;
}

std::function<Load()> load_of_replicas(Connection& db) {
    return [&db] {
        Load load;
        // replay_lag is of the last commit that was confirmed, and NULL where there is nothing to
        // catch up with.
        const Answer<Rows> rows = db.run(
            "SELECT coalesce(max(extract(epoch FROM replay_lag) * 1000), 0)::bigint "
            "FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'");
        if (rows) {
            load.replica_lag = milliseconds{rows->number(0, 0)};
        }
        return load;
    };
}

}  // namespace weir::maintenance
