#pragma once

#include "cache/redis/freshness_watch.hpp"
#include "cache/redis/shared_results.hpp"
#include "tests/support/loop_support.hpp"
#include "tests/support/redis_link_support.hpp"
#include "tests/support/redis_server.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Instances that share results through a Redis of the test's own.
namespace weir::test {

inline constexpr cache::TableId kOrders = 16'384;
inline constexpr cache::TableId kItems = 16'385;

/// Runs on the loop, as everything does.
template <class Work>
void on_loop(net::EventLoop& loop, Work work) {
    bool is_done = false;
    loop.post([&] {
        work();
        is_done = true;
    });
    REQUIRE(turn_until(loop, [&] { return is_done; }));
}

/// What a get() found, kept.
struct Seen {
    std::string reply;  ///< "" for a miss
    std::optional<cache::SharedVersions> versions;
};

/// One process: its ear, and one worker's share of what is cached.
struct Instance final : cache::FreshnessObserver {
    Instance(net::EventLoop& on, const Endpoint& endpoint, std::uint64_t number) : loop{on} {
        settings.link.address.endpoint = endpoint;
        settings.link.timeout = kLinkPatience;
        settings.link.greeting = kLinkPatience;
        settings.link.pause_min = std::chrono::milliseconds{5};
        settings.link.pause_max = std::chrono::milliseconds{40};
        settings.instance = number;
        watching.link = settings.link;
        watching.instance = number;
        watching.beat = std::chrono::milliseconds{10};
        watching.lease = kLinkPatience;
        watching.settle = std::chrono::milliseconds{50};
    }

    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;
    Instance(Instance&&) = delete;
    Instance& operator=(Instance&&) = delete;
    ~Instance() = default;

    void begin() {
        on_loop(loop, [this] {
            watch = std::make_unique<cache::FreshnessWatch>(
                loop, watching, lease, static_cast<cache::FreshnessObserver&>(*this), counters);
            results = std::make_unique<cache::SharedResults>(loop, settings, lease, counters);
        });
    }

    [[nodiscard]] bool until_sure() {
        return turn_until(loop, [this] { return watch->is_sure() && results->is_up(); });
    }

    [[nodiscard]] Seen get(std::string_view key,
                           std::vector<cache::TableId> tables = {kOrders},
                           std::string_view database = "shop") {
        std::optional<Seen> seen;
        on_loop(loop, [&] {
            const bool is_asked = results->get(
                {database, as_bytes(key), tables}, [&seen](const cache::FoundResult& found) {
                    seen = Seen{found.value ? std::string{as_text(found.value->result.reply)} : "",
                                found.versions};
                });
            if (!is_asked) {
                seen = Seen{};
            }
        });
        REQUIRE(turn_until(loop, [&] { return seen.has_value(); }));
        return *seen;
    }

    /// @return whether it was kept
    bool set(std::string_view key,
             const cache::SharedVersions& versions,
             std::string_view reply,
             std::string_view database = "shop") {
        const auto ends = [this] {
            return counters.stored.value() + counters.store_refused.value() +
                   counters.errors_of(cache::RedisError::Oom) +
                   counters.errors_of(cache::RedisError::NoScript);
        };
        const std::uint64_t before = ends();
        const std::uint64_t stored = counters.stored.value();
        on_loop(loop, [&] {
            results->set({database, as_bytes(key), {}},
                         versions,
                         {1, 2, 3, 4, as_bytes(reply)},
                         std::chrono::seconds{60});
        });
        REQUIRE(turn_until(loop, [&] { return ends() > before; }));
        return counters.stored.value() > stored;
    }

    /// Computes what is not there, as a client's read would; a first attempt may only begin the
    /// epoch.
    void fill(std::string_view key,
              std::string_view reply,
              const std::vector<cache::TableId>& tables = {kOrders},
              std::string_view database = "shop") {
        for (int attempt = 0; attempt < 2; ++attempt) {
            const Seen seen = get(key, tables, database);
            if (seen.versions && set(key, *seen.versions, reply, database)) {
                return;
            }
        }
        FAIL("was not kept");
    }

    /// @return "now", "later" or "not sent"
    std::string begin_write(std::vector<cache::TableId> tables = {kOrders}) {
        return write([&](cache::SharedResults::OnTold on_told) {
            return results->begin_write("shop", tables, std::move(on_told));
        });
    }

    std::string end_write(std::vector<cache::TableId> tables = {kOrders},
                          cache::WriteEnd how = cache::WriteEnd::Known) {
        return write([&](cache::SharedResults::OnTold on_told) {
            return results->end_write("shop", tables, how, std::move(on_told));
        });
    }

    void on_unsure() override {
        events += "unsure ";
        CHECK_FALSE(lease.holds(Clock::now()));
    }

    void on_gap() override {
        events += "gap ";
        CHECK_FALSE(lease.holds(Clock::now()));
    }

    void on_sure() override { events += "sure "; }

    void on_invalidation(const cache::Invalidation& what) override {
        std::string text = what.phase == cache::WritePhase::Begun ? "begun" : "ended";
        for (const cache::TableId table : what.tables) {
            text += " " + cache::table_word(table);
        }
        heard.push_back(text + " by " + std::to_string(what.instance) + " in " +
                        std::string{what.database});
    }

    net::EventLoop& loop;
    cache::SharedResultsSettings settings;
    cache::FreshnessSettings watching;
    cache::FreshnessLease lease;
    cache::RedisCounters counters;
    std::string events;
    std::vector<std::string> heard;
    std::unique_ptr<cache::FreshnessWatch> watch;
    std::unique_ptr<cache::SharedResults> results;

private:
    template <class Send>
    std::string write(Send send) {
        std::string told;
        on_loop(loop, [&] {
            if (!send([&told](cache::SharedResults::Told how) {
                    told = how == cache::SharedResults::Told::Now ? "now" : "later";
                })) {
                told = "not sent";
            }
        });
        REQUIRE(turn_until(loop, [&told] { return !told.empty(); }));
        return told;
    }
};

/// Two instances and their Redis.
struct Fleet {
    void begin() {
        server.await();
        one.begin();
        two.begin();
        REQUIRE(one.until_sure());
        REQUIRE(two.until_sure());
    }

    RedisServer server;
    net::EventLoop loop;
    Instance one{loop, server.endpoint(), 1};
    Instance two{loop, server.endpoint(), 2};
};

}  // namespace weir::test
