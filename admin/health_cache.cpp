// The part of health that is about the cache of results.

#include "admin/health.hpp"

namespace weir::admin {

namespace {

/// Of fewer, a share says little: a cache begins empty.
constexpr std::uint64_t kRequestsMin = 100;

}  // namespace

HealthCheck check_cache(const CommandInput& input) {
    HealthCheck check{"cache", {}, Health::Healthy, {}, {}};
    const CacheWork recent = input.history.recent(input.snapshot.cache);
    const std::uint64_t requests = recent.answered + recent.misses;
    check.detail = std::to_string(input.snapshot.cache.entries) + " results";
    if (requests < kRequestsMin) {
        return check;
    }
    const conf::Thresholds<double>& below = input.config.health.cache_hit_rate;
    const double rate = static_cast<double>(recent.answered) / static_cast<double>(requests);
    const policies::Verdict verdict =
        policies::judge({.name = "cache_hit_rate",
                         .unit = policies::Unit::Ratio,
                         .thresholds = {below.degraded, below.critical},
                         .value = rate,
                         .bad = policies::Bad::TooLittle});
    check.health = verdict.health;
    if (verdict.health != Health::Healthy) {
        check.detail = verdict.reason + "; " + check.detail;
        check.recommendation =
            "cache what is read often and written rarely (rules), for longer, or raise "
            "cache.max_size";
    }
    return check;
}

}  // namespace weir::admin
