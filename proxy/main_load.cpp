#include "proxy/main_load.hpp"

#include <algorithm>

namespace weir::proxy {

void ClientLoad::sample(const status::Snapshot& snapshot, TimePoint now) {
    maintenance::Load load;
    for (const status::Pool& pool : snapshot.pools) {
        if (pool.size_max != 0) {
            load.pool_usage = std::max(
                load.pool_usage,
                static_cast<double>(pool.backends_active) / static_cast<double>(pool.size_max));
        }
    }
    for (const status::Member& member : snapshot.members) {
        if (member.is_up && !member.is_primary && member.lag_us > 0) {
            load.replica_lag = std::max(load.replica_lag,
                                        std::chrono::duration_cast<std::chrono::milliseconds>(
                                            std::chrono::microseconds{member.lag_us}));
        }
    }
    const Buckets& buckets = snapshot.totals.statement_buckets;
    seconds_.push_back({now, buckets});
    while (now - seconds_.front().when > kNow) {
        seconds_.pop_front();
    }
    load.p95_ms = p95_between(seconds_.front().buckets, buckets);
    if (minutes_.empty() || now - minutes_.back().when >= std::chrono::minutes{1}) {
        minutes_.push_back({now, buckets});
    }
    while (now - minutes_.front().when > kUsual) {
        minutes_.pop_front();
    }
    // Up to where that of now begins.
    load.usual_p95_ms = p95_between(minutes_.front().buckets, seconds_.front().buckets);
    const std::lock_guard lock{mutex_};
    load_ = load;
}

maintenance::Load ClientLoad::load() const {
    const std::lock_guard lock{mutex_};
    return load_;
}

double ClientLoad::p95_between(const Buckets& before, const Buckets& after) {
    constexpr double kShare = 0.95;
    constexpr double kUsOfMs = 1000;
    Buckets counts{};
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        // A worker that has gone takes its counts along.
        counts[i] = after[i] - std::min(before[i], after[i]);
        all += counts[i];
    }
    if (all < kStatementsMin) {
        return 0;
    }
    double left = kShare * static_cast<double>(all);
    for (std::size_t i = 0; i + 1 < counts.size(); ++i) {
        const auto count = static_cast<double>(counts[i]);
        if (left <= count) {
            // Buckets are wide: within one it is as far as its share of the statements.
            const double low =
                i == 0 ? 0 : static_cast<double>(DurationHistogram::border_us(i - 1));
            const double high = static_cast<double>(DurationHistogram::border_us(i));
            return (low + (high - low) * left / count) / kUsOfMs;
        }
        left -= count;
    }
    return static_cast<double>(DurationHistogram::border_us(counts.size() - 2)) / kUsOfMs;
}

}  // namespace weir::proxy
