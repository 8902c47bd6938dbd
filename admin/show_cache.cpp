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
    {"redis_errors", Int8}, {"redis_late", Int8}, {"skipped", Int8},
};

constexpr Column kRuleColumns[] = {
    {"source", Text},
    {"hits", Int8},
    {"misses", Int8},
    {"hit_rate", Float8},
    {"saved_us", Int8},
};

/// @return null before anything was asked for
Cell hit_rate_of(std::uint64_t hits, std::uint64_t misses) {
    const std::uint64_t asked = hits + misses;
    return asked == 0 ? Cell{} : Cell{static_cast<double>(hits) / static_cast<double>(asked)};
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
             hit_rate_of(cache.answered(), cache.misses),
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
             cell(cache.redis_late),
             cell(cache.skipped)}};
}

std::vector<Row> rule_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::CacheRule& rule : input.snapshot.cache.rules) {
        rows.push_back({rule.source,
                        cell(rule.hits),
                        cell(rule.misses),
                        hit_rate_of(rule.hits, rule.misses),
                        cell(rule.saved_us)});
    }
    return rows;
}

}  // namespace

Show show_cache_rules() {
    return {kRuleColumns, rule_rows};
}

Show show_cache() {
    return {kCacheColumns, cache_rows};
}

}  // namespace weir::admin
