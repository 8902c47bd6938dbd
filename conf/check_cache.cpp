#include "conf/draft.hpp"
#include "conf/redis_url.hpp"

#include <algorithm>
#include <string>
#include <string_view>

/// What is said of results kept for reuse, and whether there is a place for them.
namespace weir::conf {

namespace {

/// The least that all parts of the store together can do something with.
constexpr std::uint64_t kLeastSize = std::uint64_t{1} << 20U;
constexpr std::size_t kPrefixMax = 64;
/// Others do not wait for longer before they trust what they have.
constexpr std::chrono::milliseconds kLongestTimeout{1'000};

void check_sizes(Draft& draft) {
    const CacheSettings& cache = draft.config.cache;
    if (cache.max_size > 0 && cache.max_size < kLeastSize) {
        draft.complain("cache.max_size",
                       "is too little to keep anything in; accepted: 1MiB or more, or 0");
    } else if (cache.max_size == 0 && cache.enabled && cache.redis.empty()) {
        draft.complain("cache.max_size",
                       "leaves no place to keep results in; accepted: 1MiB or more, or 0 with "
                       "cache.redis");
    }
}

void check_redis(Draft& draft) {
    const CacheSettings& cache = draft.config.cache;
    // Whom the environment tells of a Redis need not mean us.
    if (cache.redis.empty() || !cache.enabled) {
        return;
    }
    if (const auto address = parse_redis_url(cache.redis); !address.value) {
        draft.complain("cache.redis", "the value " + address.problem);
    }
    if (cache.redis_timeout > kLongestTimeout) {
        draft.complain("cache.redis_timeout", "is too long; accepted: 1ms to 1s");
    }
    const std::string& prefix = cache.redis_key_prefix;
    const bool is_plain =
        std::all_of(prefix.begin(), prefix.end(), [](char c) { return c > 0x20 && c < 0x7F; });
    if (prefix.empty() || prefix.size() > kPrefixMax || !is_plain) {
        draft.complain("cache.redis_key_prefix",
                       "is no prefix; accepted: 1 to " + std::to_string(kPrefixMax) +
                           " printable ASCII characters, no spaces");
    }
}

void note_cache(Draft& draft) {
    const Config& config = draft.config;
    const auto note = [&draft](const std::string& key, std::string_view reason) {
        draft.notes.push_back(key + " has no effect: " + std::string{reason});
    };
    if (config.cache.max_size > 0 && config.cache.max_entry > config.cache.max_size) {
        note("cache.max_entry", "it is above cache.max_size");
    }
    if (config.cache.enabled) {
        if (!config.cache.redis.empty() && !config.cache.invalidate_on_write) {
            note("cache.redis",
                 "cache.invalidate_on_write is false: what others write would not "
                 "be heard of");
        }
        return;
    }
    if (config.cache.default_ttl.count() > 0) {
        note("cache.default_ttl", "cache.enabled is false");
    }
    if (!config.cache.redis.empty()) {
        note("cache.redis", "cache.enabled is false");
    }
    for (std::size_t i = 0; i < config.rules.size(); ++i) {
        if (config.rules[i].set.cache_ttl.value_or(std::chrono::milliseconds{}).count() > 0) {
            note(rule_path(i) + ".set.cache_ttl", "cache.enabled is false");
        }
    }
}

}  // namespace

void check_cache(Draft& draft) {
    check_sizes(draft);
    check_redis(draft);
    note_cache(draft);
}

}  // namespace weir::conf
