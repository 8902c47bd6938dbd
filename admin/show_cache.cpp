#include "admin/show.hpp"

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kCacheColumns[] = {
    {"enabled", Int4},      {"entries", Int8},    {"max_entries", Int8},  {"bytes", Int8},
    {"max_bytes", Int8},    {"hits", Int8},       {"stale", Int8},        {"coalesced", Int8},
    {"misses", Int8},       {"bypassed", Int8},   {"hit_rate", Float8},   {"saved_us", Int8},
    {"evictions", Int8},    {"drops", Int8},      {"expired", Int8},      {"not_kept", Int8},
    {"redis_state", Text},  {"redis_hits", Int8}, {"redis_misses", Int8}, {"redis_stored", Int8},
    {"redis_errors", Int8}, {"redis_late", Int8},
};

/// @return null before anything was asked for
Cell hit_rate_of(const status::Cache& cache) {
    const std::uint64_t asked = cache.answered() + cache.misses;
    return asked == 0 ? Cell{}
                      : Cell{static_cast<double>(cache.answered()) / static_cast<double>(asked)};
}

std::vector<Row> cache_rows(const CommandInput& input) {
    const status::Cache& cache = input.snapshot.cache;
    return {{std::int64_t{cache.enabled ? 1 : 0},
             cell(cache.entries),
             cell(cache.max_entries),
             cell(cache.bytes),
             cell(cache.max_bytes),
             cell(cache.hits),
             cell(cache.stale),
             cell(cache.coalesced),
             cell(cache.misses),
             cell(cache.bypassed),
             hit_rate_of(cache),
             cell(cache.saved_us),
             cell(cache.evictions),
             cell(cache.drops),
             cell(cache.expired),
             cell(cache.not_kept),
             std::string{name_of(cache.redis)},
             cell(cache.redis_hits),
             cell(cache.redis_misses),
             cell(cache.redis_stored),
             cell(cache.redis_error_count()),
             cell(cache.redis_late)}};
}

}  // namespace

Show show_cache() {
    return {kCacheColumns, cache_rows};
}

}  // namespace weir::admin
