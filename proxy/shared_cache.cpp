#include "proxy/shared_cache.hpp"

#include "base/log.hpp"
#include "conf/redis_url.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace {

/// More than are ever under way; past it all are taken for ended.
constexpr std::size_t kForeignMax = 10'000;

cache::FreshnessSettings watch_settings_of(const conf::CacheSettings& settings,
                                           std::uint64_t instance,
                                           bool must_forget) {
    cache::FreshnessSettings watch;
    watch.must_forget = must_forget;
    watch.link = redis_link_of(settings);
    watch.prefix = settings.redis_key_prefix;
    watch.instance = instance;
    return watch;
}

cache::WriteSet set_of(const std::vector<cache::TableId>& tables) {
    const bool is_everything =
        std::find(tables.begin(), tables.end(), cache::kWholeDatabase) != tables.end();
    return is_everything ? cache::WriteSet::all()
                         : cache::WriteSet{.tables = tables, .everything = false};
}

}  // namespace

conf::CacheSettings shared_part(const conf::CacheSettings& settings) {
    conf::CacheSettings part;
    if (settings.enabled && settings.invalidate_on_write) {
        part.redis = settings.redis;
        part.redis_key_prefix = settings.redis_key_prefix;
        part.redis_timeout = settings.redis_timeout;
        part.redis_queue = settings.redis_queue;
    }
    return part;
}

cache::RedisLinkSettings redis_link_of(const conf::CacheSettings& settings) {
    cache::RedisLinkSettings link;
    link.address = conf::parse_redis_url(settings.redis).value.value_or(conf::RedisAddress{});
    link.timeout = settings.redis_timeout;
    return link;
}

SharedCache::SharedCache(net::EventLoop& loop,
                         const conf::CacheSettings& settings,
                         std::uint64_t instance,
                         bool must_forget,
                         cache::FreshnessLease& lease,
                         cache::Cache& results,
                         pool::SharedDatabases& databases)
    : loop_{loop},
      settings_{settings},
      instance_{instance},
      results_{results},
      databases_{databases},
      watch_{loop, watch_settings_of(settings, instance, must_forget), lease, *this, counters_} {}

/// Nobody will tell of their ends any more.
SharedCache::~SharedCache() {
    end_until(kNever);
}

void SharedCache::on_unsure() {
    log::warn("cache_not_trusted", {{"reason", "Redis is not heard"}});
}

/// The ends of those under way may be what has been missed; if not, they are heard of yet.
void SharedCache::on_gap() {
    end_until(kNever);
    for (const cache::DatabasePtr& database : results_.databases()) {
        doubt_catalog(database->name());
    }
    results_.clear();
}

/// What hangs on what there is read anew before anything of it is kept or given.
void SharedCache::doubt_catalog(const std::string& database) {
    if (const pool::SharedDatabasePtr known = databases_.find(database); known != nullptr) {
        const pool::DatabaseKnowledge::Change change{known->knowledge};
    }
}

void SharedCache::on_sure() {
    log::info("cache_trusted", {});
}

void SharedCache::on_invalidation(const cache::Invalidation& what) {
    if (what.instance == instance_) {
        return;  // who has written has seen to it
    }
    if (std::find(what.tables.begin(), what.tables.end(), cache::kSchema) != what.tables.end()) {
        doubt_catalog(std::string{what.database});
    }
    if (what.phase == cache::WritePhase::Begun) {
        begin(what);
    } else {
        end(what);
    }
}

void SharedCache::begin(const cache::Invalidation& what) {
    const TimePoint now = loop_.now();
    if (foreign_.size() >= kForeignMax) {
        end_until(kNever);
    }
    const cache::DatabasePtr database = results_.database(what.database, now);
    for (const cache::TableId table : what.tables) {
        Begun& begun = foreign_[{what.instance, std::string{what.database}, table}];
        begun.lapses_at = now + kLapse;
        if (!begun.write) {
            begun.write = results_.begin_write(database, set_of({table}), now);
        }
    }
    if (!lapse_.is_set()) {
        loop_.set_deadline(lapse_, now + kLapse);
    }
}

/// One that has not been heard to begin is over all the same.
void SharedCache::end(const cache::Invalidation& what) {
    const TimePoint now = loop_.now();
    const cache::DatabasePtr database = results_.database(what.database, now);
    for (const cache::TableId table : what.tables) {
        const auto begun = foreign_.find({what.instance, std::string{what.database}, table});
        if (begun != foreign_.end()) {
            begun->second.write.end(cache::Outcome::Committed, now);
            foreign_.erase(begun);
        } else {
            results_.begin_write(database, set_of({table}), now)
                .end(cache::Outcome::Committed, now);
        }
    }
}

void SharedCache::on_deadline(net::Deadline& /*deadline*/) {
    const TimePoint now = loop_.now();
    end_until(now);
    TimePoint next = kNever;
    for (const auto& [foreign, begun] : foreign_) {
        next = std::min(next, begun.lapses_at);
    }
    loop_.set_deadline(lapse_, next);
}

/// @param lapsed ends those that lapse by then
void SharedCache::end_until(TimePoint lapsed) {
    const TimePoint now = loop_.now();
    for (auto at = foreign_.begin(); at != foreign_.end();) {
        if (at->second.lapses_at > lapsed) {
            ++at;
            continue;
        }
        at->second.write.end(cache::Outcome::Committed, now);
        at = foreign_.erase(at);
    }
}

}  // namespace weir::proxy
