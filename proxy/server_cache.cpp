// The part of Server that is about the results kept for reuse.

#include "base/log.hpp"
#include "proxy/cache_clearing.hpp"
#include "proxy/server.hpp"

namespace weir::proxy {

using control::Answer;

namespace {

/// Room for what is on its way to those who wait, where nothing is kept in this process.
constexpr std::uint64_t kPassingEntries = 16;

cache::Limits limits_of(const conf::CacheSettings& settings) {
    return {.bytes_max =
                settings.max_size > 0 ? settings.max_size : kPassingEntries * settings.max_entry,
            .entries_max = settings.max_entries,
            .entry_bytes_max = settings.max_entry};
}

}  // namespace

/// Before the workers hear of the configuration in force.
void Server::prepare_cache() {
    const conf::CacheSettings& settings = config_->cache;
    if (shared_.cache != nullptr) {
        shared_.cache->configure(limits_of(settings));
    } else if (settings.enabled) {
        shared_.cache = std::make_unique<cache::Cache>(limits_of(settings));
    }
    const conf::CacheSettings shared = shared_part(settings);
    const bool is_same =
        shared_cache_ == nullptr ? shared.redis.empty() : shared_cache_->settings() == shared;
    if (is_same) {
        return;
    }
    shared_cache_.reset();  // from here on nothing is trusted where the configuration names a Redis
    if (!shared.redis.empty()) {
        shared_cache_ = std::make_unique<SharedCache>(loop_,
                                                      shared,
                                                      shared_.instance,
                                                      !shared_.workers.empty(),
                                                      shared_.cache_lease,
                                                      *shared_.cache,
                                                      shared_.shared_databases);
    }
}

/// After the workers were told of the configuration in force. They hear of it one after another:
/// what one of them keeps while another does not yet say what it writes must not stay, nor what is
/// kept by one that does not know yet that nothing is to be kept.
///
/// @param before the configuration that was in force
void Server::settle_cache(const conf::Config& before) {
    const conf::CacheSettings& old = before.cache;
    const conf::CacheSettings& now = config_->cache;
    const bool is_shared_anew = shared_part(old) != shared_part(now);
    const bool is_same = old.enabled == now.enabled &&
                         old.invalidate_on_write == now.invalidate_on_write &&
                         (old.max_size == 0) == (now.max_size == 0) && !is_shared_anew;
    if (shared_.cache == nullptr || is_same) {
        if (before.warm_ups != config_->warm_ups) {
            warm_up();
        }
        return;
    }
    shared_.cache->clear();
    collect(status::Detail::Pools, [this, is_shared_anew](const status::Snapshot& /*all know*/) {
        shared_.cache->clear();
        if (shared_cache_ != nullptr && is_shared_anew) {
            shared_cache_->forget();
        }
        warm_up();
    });
}

/// Results are everybody's: one thread does it for all.
void Server::warm_up() {
    shared_.workers.front()->warm_up();
}

/// @param row with what the workers have counted
void Server::add_cache(status::Cache& row) const {
    std::erase_if(row.rules, [](const status::CacheRule& rule) {
        return !rule.is_in_force && rule.hits + rule.misses == 0;
    });
    row.enabled = config_->cache.enabled;
    row.max_bytes = config_->cache.max_size;
    row.max_entries = config_->cache.max_entries;
    if (shared_.cache == nullptr) {
        return;
    }
    const cache::Statistics now = shared_.cache->statistics();
    row.evictions = now.evictions;
    row.drops = now.drops;
    row.expired = now.expired;
    row.not_kept = now.not_kept;
    row.bytes = now.bytes;
    row.entries = now.entries;
    add_redis(row);
}

void Server::add_redis(status::Cache& row) const {
    if (shared_cache_ == nullptr) {
        return;
    }
    const bool is_used = shared_cache_->is_sure() && !shared_.cache_lease.has_untold();
    row.redis = is_used ? status::RedisState::Up : status::RedisState::Down;
    const auto add = [&row](const cache::RedisCounters& one) {
        row.redis_hits += one.hits.value();
        row.redis_misses += one.misses.value();
        row.redis_stored += one.stored.value();
        row.redis_late += one.blind_writes.value();
        for (std::size_t i = 0; i < cache::kRedisErrors; ++i) {
            row.redis_errors[std::string{name_of(static_cast<cache::RedisError>(i))}] +=
                one.errors[i].value();
        }
    };
    add(shared_cache_->counters());
    for (const auto& worker : shared_.workers) {
        add(worker->redis_counters());
    }
}

/// What was read from the table goes. Where it is not known which results that are all of a
/// database's go, which is never wrong.
Answer Server::clear_cache(const control::Order& order) {
    if (shared_.cache == nullptr) {
        return Answer::failed(sqlstate::kObjectNotInPrerequisiteState,
                              "nothing is cached: cache.enabled is false");
    }
    CacheClearing done;
    if (!order.table.empty()) {
        done = clear_table(shared_, order.table, loop_.now());
    }
    if (done.told.empty()) {
        done = clear_all(shared_, order.pattern);
    }
    if (shared_cache_ != nullptr) {
        tell_cleared(shared_, std::move(done.told), loop_.now());
    }
    log::info("cache_cleared",
              {{"results", done.count}, {"table", order.table}, {"pattern", order.pattern}});
    std::string text =
        "dropped " + std::to_string(done.count) + (done.count == 1 ? " result" : " results");
    if (!order.table.empty() && done.is_everything) {
        text += ": cleared everything";
    } else if (!order.pattern.empty() && shared_cache_ != nullptr) {
        text += " here, and all in Redis";
    }
    Answer answer;
    answer.notices.push_back(std::move(text));
    return answer;
}

}  // namespace weir::proxy
