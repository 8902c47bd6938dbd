#pragma once

#include "cache/cache.hpp"
#include "cache/redis/freshness_watch.hpp"
#include "cache/redis/redis_link.hpp"
#include "conf/cache_settings.hpp"
#include "net/event_loop.hpp"
#include "pool/shared_database.hpp"

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace weir::proxy {

/// @return what of it decides how Redis is used; the rest as by default. No `redis`: not at all
[[nodiscard]] conf::CacheSettings shared_part(const conf::CacheSettings& settings);

/// @param settings with a valid `redis`
[[nodiscard]] cache::RedisLinkSettings redis_link_of(const conf::CacheSettings& settings);

/// This process' ear for what others write: drops what they have made old, and says by the lease
/// whether anything it keeps may be trusted.
/// @thread its loop's
class SharedCache final : private cache::FreshnessObserver, private net::DeadlineListener {
public:
    /// A write whose end nobody tells of is taken for ended.
    static constexpr std::chrono::seconds kLapse{30};

    /// @param settings of shared_part(), with a valid `redis`
    /// @param must_forget nothing is trusted before forget(): what was written meanwhile, or is
    /// being written by those who have not heard of it, Redis is not told
    /// @param results outlives this, as do the lease and the databases
    SharedCache(net::EventLoop& loop,
                const conf::CacheSettings& settings,
                std::uint64_t instance,
                bool must_forget,
                cache::FreshnessLease& lease,
                cache::Cache& results,
                pool::SharedDatabases& databases);
    SharedCache(const SharedCache&) = delete;
    SharedCache& operator=(const SharedCache&) = delete;
    SharedCache(SharedCache&&) = delete;
    SharedCache& operator=(SharedCache&&) = delete;
    ~SharedCache();

    [[nodiscard]] const conf::CacheSettings& settings() const { return settings_; }

    [[nodiscard]] bool is_sure() const { return watch_.is_sure(); }

    /// All threads tell Redis what they write: what was kept before is forgotten, there as well.
    void forget() { watch_.forget(); }

    [[nodiscard]] const cache::RedisCounters& counters() const { return counters_; }

private:
    /// A table that another instance writes to. Tables are told of together and apart: each for
    /// itself, by the first end that is heard.
    struct Foreign {
        std::uint64_t instance = 0;
        std::string database;
        cache::TableId table = cache::kWholeDatabase;

        auto operator<=>(const Foreign&) const = default;
    };

    struct Begun {
        TimePoint lapses_at{};
        cache::Writing write;
    };

    void on_unsure() override;
    void on_gap() override;
    void on_sure() override;
    void on_invalidation(const cache::Invalidation& what) override;
    void on_deadline(net::Deadline& deadline) override;
    void begin(const cache::Invalidation& what);
    void end(const cache::Invalidation& what);
    void end_until(TimePoint lapsed);
    void doubt_catalog(const std::string& database);

    net::EventLoop& loop_;
    conf::CacheSettings settings_;
    std::uint64_t instance_;
    cache::Cache& results_;
    pool::SharedDatabases& databases_;
    cache::RedisCounters counters_;
    std::map<Foreign, Begun> foreign_;
    net::Deadline lapse_{*this};
    cache::FreshnessWatch watch_;
};

}  // namespace weir::proxy
