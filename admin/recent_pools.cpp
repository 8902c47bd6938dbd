#include "admin/recent_pools.hpp"

#include <utility>

namespace weir::admin {

namespace {

/// Since the start.
PoolWork totals_of(const status::Pool& pool) {
    const std::uint64_t refused =
        pool.events[static_cast<std::size_t>(status::PoolEvent::AcquireFail)];
    return {.leases = pool.assignments,
            .wait_us = pool.wait_us,
            .statements = pool.statements + refused,
            .statement_us = pool.statement_us,
            .failures = pool.failures + refused};
}

CacheWork totals_of(const status::Cache& cache) {
    return {.answered = cache.answered(), .misses = cache.misses};
}

/// A counter that went back began anew: its pool had been forgotten.
std::uint64_t since(std::uint64_t before, std::uint64_t now) {
    return now >= before ? now - before : now;
}

}  // namespace

void RecentPools::sample(const status::Snapshot& snapshot, TimePoint now) {
    if (!samples_.empty() && now - samples_.back().at < period_ / kSteps) {
        return;
    }
    Sample& fresh = samples_.emplace_back();
    fresh.at = now;
    fresh.cache = totals_of(snapshot.cache);
    for (const status::Pool& pool : snapshot.pools) {
        fresh.totals.insert_or_assign({pool.database, pool.user, pool.member}, totals_of(pool));
    }
    while (samples_.size() > 1 && now - samples_[1].at >= period_) {
        samples_.pop_front();
    }
}

PoolWork RecentPools::of(const status::Pool& pool) const {
    const PoolWork now = totals_of(pool);
    if (samples_.empty()) {
        return now;
    }
    const auto& totals = samples_.front().totals;
    const auto found = totals.find({pool.database, pool.user, pool.member});
    const PoolWork before = found == totals.end() ? PoolWork{} : found->second;
    return {.leases = since(before.leases, now.leases),
            .wait_us = since(before.wait_us, now.wait_us),
            .statements = since(before.statements, now.statements),
            .statement_us = since(before.statement_us, now.statement_us),
            .failures = since(before.failures, now.failures)};
}

CacheWork RecentPools::of(const status::Cache& cache) const {
    const CacheWork now = totals_of(cache);
    const CacheWork before = samples_.empty() ? CacheWork{} : samples_.front().cache;
    return {.answered = since(before.answered, now.answered),
            .misses = since(before.misses, now.misses)};
}

}  // namespace weir::admin
