// The part of the table of settings about results that are kept for reuse.

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 40U;
constexpr std::uint64_t kMaxEntries = 100'000'000;
constexpr std::uint64_t kLeastEntry = std::uint64_t{1} << 10U;
constexpr std::uint64_t kMaxEntry = std::uint64_t{1} << 30U;

constexpr std::array kSettings{
    Setting{.section = Section::Cache,
            .key = "enabled",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "Switched off by a reload, all that is kept is forgotten.",
            .field = field<&CacheSettings::enabled>()},
    Setting{.section = Section::Cache,
            .key = "default_ttl",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "How long the result of every read that can be cached is reused; 0 = only of "
                   "those that a rule's cache_ttl or a comment names.",
            .field = field<&CacheSettings::default_ttl>()},
    Setting{.section = Section::Cache,
            .key = "max_size",
            .kind = Kind::Size,
            .default_text = "100MiB",
            .high = kMaxSize,
            .effect = Effect::Reload,
            .doc = "Memory of this process for all results together, 1MiB at least; what was used "
                   "least recently makes room. 0 = what is kept is in Redis alone.",
            .field = field<&CacheSettings::max_size>()},
    Setting{.section = Section::Cache,
            .key = "max_entries",
            .kind = Kind::Integer,
            .default_text = "100000",
            .low = 1,
            .high = kMaxEntries,
            .effect = Effect::Reload,
            .doc = "How many results.",
            .field = field<&CacheSettings::max_entries>()},
    Setting{.section = Section::Cache,
            .key = "max_entry",
            .kind = Kind::Size,
            .default_text = "1MiB",
            .low = kLeastEntry,
            .high = kMaxEntry,
            .effect = Effect::Reload,
            .doc = "A larger result is not kept.",
            .field = field<&CacheSettings::max_entry>()},
    Setting{.section = Section::Cache,
            .key = "stale_while_revalidate",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "For this long after its time a result is still given to all but the one client "
                   "whose read renews it; 0 = to nobody. A write drops it at once all the same.",
            .field = field<&CacheSettings::stale_while_revalidate>()},
    Setting{.section = Section::Cache,
            .key = "invalidate_on_write",
            .kind = Kind::Boolean,
            .default_text = "true",
            .effect = Effect::Reload,
            .doc = "A write through this Weir drops what was read from the tables it touches, "
                   "before its client is told that it is done, and tells the others that share its "
                   "Redis. Without it, results live until their time is up.",
            .field = field<&CacheSettings::invalidate_on_write>()},
    Setting{.section = Section::Cache,
            .key = "redis",
            .kind = Kind::Text,
            .default_text = "",
            .effect = Effect::Reload,
            .secrecy = Secrecy::Secret,
            .doc = "redis://user:password@host:port/db or unix:///path?db=N: results are shared "
                   "with every Weir that has the same Redis and prefix, and calls the cluster and "
                   "the database by the same names; empty = this process only.",
            .field = field<&CacheSettings::redis>()},
    Setting{.section = Section::Cache,
            .key = "redis_key_prefix",
            .kind = Kind::Text,
            .default_text = "weir:",
            .effect = Effect::Reload,
            .doc = "What every key and channel there begins with.",
            .field = field<&CacheSettings::redis_key_prefix>()},
    Setting{.section = Section::Cache,
            .key = "redis_timeout",
            .kind = Kind::Duration,
            .default_text = "50ms",
            .low = 1,
            .effect = Effect::Reload,
            .doc = "What Redis has not answered by then is a miss; a write goes on and is told to "
                   "the others later. At most 1s.",
            .field = field<&CacheSettings::redis_timeout>()},
    Setting{.section = Section::Cache,
            .key = "redis_queue",
            .kind = Kind::Integer,
            .default_text = "10000",
            .low = 1,
            .high = kMaxEntries,
            .effect = Effect::Reload,
            .doc = "How many written tables are remembered on each thread while Redis is away; "
                   "with more, all of a database counts as written.",
            .field = field<&CacheSettings::redis_queue>()},
};

}  // namespace

std::span<const Setting> cache_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
