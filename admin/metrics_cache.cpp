#include "admin/metric_table.hpp"

namespace weir::admin {

namespace {

using prometheus::MetricFamily;
using Type = prometheus::MetricType;
using Source = CommandInput;

constexpr double kMicrosecondsPerSecond = 1e6;

void fill_requests(const Source& source, MetricFamily& family) {
    const status::Cache& cache = source.snapshot.cache;
    add_sample(family, {{"outcome", "hit"}}, cache.hits);
    add_sample(family, {{"outcome", "miss"}}, cache.misses);
    add_sample(family, {{"outcome", "bypass"}}, cache.bypassed);
    add_sample(family, {{"outcome", "stale"}}, cache.stale);
    add_sample(family, {{"outcome", "coalesced"}}, cache.coalesced);
}

/// One number of the whole cache.
template <auto status::Cache::*value>
void fill(const Source& source, MetricFamily& family) {
    add_sample(family, {}, source.snapshot.cache.*value);
}

/// Nothing where there is no Redis.
void fill_redis_errors(const Source& source, MetricFamily& family) {
    for (const auto& [kind, count] : source.snapshot.cache.redis_errors) {
        add_sample(family, {{"kind", kind}}, count);
    }
}

void fill_redis_up(const Source& source, MetricFamily& family) {
    if (const auto state = source.snapshot.cache.redis; state != status::RedisState::Off) {
        add_sample(family, {}, std::uint64_t{state == status::RedisState::Up});
    }
}

template <auto status::Cache::*value>
void fill_redis(const Source& source, MetricFamily& family) {
    if (source.snapshot.cache.redis != status::RedisState::Off) {
        add_sample(family, {}, source.snapshot.cache.*value);
    }
}

constexpr Metric kMetrics[] = {
    {"weir_cache_requests_total",
     Type::Counter,
     "Reads meant for the cache: answered from it (hit), the same past its time (stale), with "
     "another client's read that was under way (coalesced), read from the server for it (miss) or "
     "without it, because a write was under way (bypass)",
     "outcome = hit | miss | bypass | stale | coalesced",
     fill_requests},
    {"weir_cache_bytes",
     Type::Gauge,
     "Memory taken by results kept for reuse",
     "",
     fill<&status::Cache::bytes>},
    {"weir_cache_entries",
     Type::Gauge,
     "Results kept for reuse",
     "",
     fill<&status::Cache::entries>},
    {"weir_cache_evictions_total",
     Type::Counter,
     "Results that made room for others",
     "",
     fill<&status::Cache::evictions>},
    {"weir_cache_saved_server_seconds_total",
     Type::Counter,
     "Time the server took for the results that were reused, once for each time",
     "",
     [](const Source& source, MetricFamily& family) {
         add_sample(family,
                    {},
                    static_cast<double>(source.snapshot.cache.saved_us) / kMicrosecondsPerSecond);
     }},
    {"weir_redis_up",
     Type::Gauge,
     "Whether Redis is heard, so that what is kept is trusted; nothing without cache.redis",
     "",
     fill_redis_up},
    {"weir_redis_errors_total",
     Type::Counter,
     "Commands to Redis that came to nothing, and connections that broke or were refused",
     "kind = away | timeout | closed | protocol | full | oom | loading | readonly | auth | "
     "noscript | refused",
     fill_redis_errors},
    {"weir_redis_hits_total",
     Type::Counter,
     "Results that another process, or this one earlier, had kept in Redis",
     "",
     fill_redis<&status::Cache::redis_hits>},
    {"weir_redis_misses_total",
     Type::Counter,
     "Looks for a result in Redis that found nothing that may be used",
     "",
     fill_redis<&status::Cache::redis_misses>},
    {"weir_redis_stored_total",
     Type::Counter,
     "Results kept in Redis",
     "",
     fill_redis<&status::Cache::redis_stored>},
    {"weir_redis_late_writes_total",
     Type::Counter,
     "Writes that Redis could not be told of in time: other processes learn of them later",
     "",
     fill_redis<&status::Cache::redis_late>},
};

}  // namespace

std::span<const Metric> cache_metrics() {
    return kMetrics;
}

}  // namespace weir::admin
