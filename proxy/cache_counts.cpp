#include "proxy/cache_counts.hpp"

#include <chrono>
#include <string>

namespace weir::proxy {

namespace {

constexpr std::chrono::milliseconds kNever{};

}  // namespace

void CacheCounts::Sums::add(const Sums& other) {
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        outcomes[i] += other.outcomes[i];
    }
    saved_us += other.saved_us;
}

void CacheCounts::renew(const conf::ConfigPtr& config) {
    if (config_ != nullptr && config_->rules != config->rules) {
        for (const Sums& sums : by_source_) {
            before_.add(sums);
        }
        by_source_.clear();
        ++rules_;
    }
    by_source_.resize(kOthers + config->rules.size());
    config_ = config;
}

status::CacheRule CacheCounts::row_of(std::size_t source) const {
    const Sums& sums = by_source_[source];
    status::CacheRule row;
    row.hits =
        sums.of(ReadOutcome::Hit) + sums.of(ReadOutcome::Stale) + sums.of(ReadOutcome::Coalesced);
    row.misses = sums.of(ReadOutcome::Miss);
    row.saved_us = sums.saved_us;
    const bool is_enabled = config_->cache.enabled;
    if (source == index_of(policies::kCacheByHint)) {
        row.source = "hint";
    } else if (source == index_of(policies::kCacheByDefault)) {
        row.source = "default_ttl";
        row.is_in_force = is_enabled && config_->cache.default_ttl > kNever;
    } else {
        row.source = "rule " + std::to_string(source);
        row.is_in_force =
            is_enabled && config_->rules[source - 1].set.cache_ttl.value_or(kNever) > kNever;
    }
    return row;
}

void CacheCounts::add_to(status::Cache& cache) const {
    Sums all = before_;
    for (const Sums& sums : by_source_) {
        all.add(sums);
    }
    cache.hits += all.of(ReadOutcome::Hit);
    cache.stale += all.of(ReadOutcome::Stale);
    cache.coalesced += all.of(ReadOutcome::Coalesced);
    cache.misses += all.of(ReadOutcome::Miss);
    cache.saved_us += all.saved_us;
    cache.bypassed += bypassed_;
    cache.skipped += skipped_;
    if (config_ == nullptr || cache.rules_version > rules_) {
        return;
    }
    if (cache.rules_version < rules_) {
        cache.rules_version = rules_;
        cache.rules.clear();
    }
    cache.rules.resize(by_source_.size());
    for (std::size_t i = 0; i < by_source_.size(); ++i) {
        cache.rules[i].add(row_of(i));
    }
}

}  // namespace weir::proxy
