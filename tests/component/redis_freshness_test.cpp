#include "cache/redis/freshness_watch.hpp"
#include "tests/support/shared_results_support.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace weir::cache {
namespace {

using std::chrono::milliseconds;
using test::Fleet;
using test::kItems;
using test::kOrders;
using test::turn_for;
using test::turn_until;

TEST_SUITE("redis_freshness") {
    TEST_CASE("freshness: unsure at first, it settles before it is sure") {
        Fleet fleet;
        fleet.server.await();
        fleet.one.watching.settle = milliseconds{100};
        fleet.one.begin();
        CHECK_FALSE(fleet.one.lease.holds(Clock::now()));
        const TimePoint begun = Clock::now();
        REQUIRE(fleet.one.until_sure());
        CHECK(Clock::now() - begun >= milliseconds{100});
        CHECK(fleet.one.events == "gap sure ");
        CHECK(fleet.one.lease.holds(Clock::now()));
        CHECK(fleet.one.counters.epochs.value() == 0);
        fleet.one.watch.reset();
        CHECK_FALSE(fleet.one.lease.holds(Clock::now()));
        CHECK(fleet.one.events == "gap sure ");
    }

    TEST_CASE("freshness: every instance hears of every write, its own included") {
        Fleet fleet;
        fleet.begin();
        CHECK(fleet.two.begin_write({kOrders, kItems}) == "now");
        CHECK(fleet.two.end_write({kOrders, kItems}) == "now");
        const std::vector<std::string> told{"begun 16384 16385 by 2 in shop",
                                            "ended 16384 16385 by 2 in shop"};
        for (auto* instance : {&fleet.one, &fleet.two}) {
            CHECK(turn_until(fleet.loop, [&] { return instance->heard.size() == 2; }));
            CHECK(instance->heard == told);
            CHECK(instance->events == "gap sure ");
        }
    }

    TEST_CASE("freshness: a Redis that has forgotten everything is noticed without a lost link") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "old");
        fleet.server.ask("FLUSHALL");
        REQUIRE(turn_until(fleet.loop, [&] { return fleet.one.counters.epochs.value() == 1; }));
        CHECK(fleet.one.events == "gap sure unsure gap ");
        CHECK_FALSE(fleet.one.lease.holds(Clock::now()));
        REQUIRE(fleet.one.until_sure());
        CHECK(fleet.one.events == "gap sure unsure gap sure ");
        CHECK(fleet.one.get("mine").reply.empty());
        fleet.one.fill("mine", "new");
        REQUIRE(fleet.two.until_sure());
        CHECK(fleet.two.get("mine").reply == "new");
    }

    TEST_CASE("freshness: a message that was missed, or is not understood, is a gap") {
        Fleet fleet;
        fleet.begin();
        SUBCASE("missed, and the next beat says so") {
            fleet.server.ask("HINCRBY weir:epoch seq 1");
        }
        SUBCASE("missed, and the next message says so") {
            fleet.server.ask("PUBLISH weir:inv 5_e_3_7_shop");
        }
        SUBCASE("garbage") {
            fleet.server.ask("PUBLISH weir:inv garbage");
        }
        REQUIRE(turn_until(fleet.loop,
                           [&] { return fleet.one.events.starts_with("gap sure unsure gap "); }));
        REQUIRE(fleet.one.until_sure());
        CHECK(fleet.one.begin_write() == "now");
    }

    TEST_CASE("freshness: beats that are none of ours extend nothing") {
        Fleet fleet;
        fleet.begin();
        for (const std::string beat : {"x", "99999_1_1", "1", "-1_2_3"}) {
            fleet.server.ask("PUBLISH weir:beat:1 " + beat);
        }
        turn_for(fleet.loop, milliseconds{20});
        CHECK(fleet.one.events == "gap sure ");
    }

    TEST_CASE("freshness: while Redis is dead nothing is trusted, writes go on, and it recovers") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "old");
        fleet.server.kill();
        REQUIRE(turn_until(fleet.loop, [&] {
            return !fleet.one.results->is_up() && fleet.one.events == "gap sure unsure ";
        }));
        CHECK_FALSE(fleet.one.lease.holds(Clock::now()));
        CHECK_FALSE(fleet.one.get("mine").versions.has_value());
        CHECK(fleet.two.begin_write() == "not sent");
        CHECK(fleet.two.end_write() == "not sent");
        CHECK(fleet.two.results->untold() == 1);
        CHECK(fleet.two.counters.blind_writes.value() == 2);
        fleet.server.start();
        REQUIRE(fleet.one.until_sure());
        REQUIRE(turn_until(fleet.loop, [&] { return fleet.two.results->untold() == 0; }));
        CHECK(fleet.one.events == "gap sure unsure gap sure ");
        CHECK(fleet.one.counters.epochs.value() == 1);
        // The first to be back may have told before the other one listened: hence the gap.
        CHECK((fleet.one.heard.empty() || fleet.one.heard.back() == "ended 16384 by 2 in shop"));
        CHECK(fleet.two.counters.told_later.value() == 1);
        fleet.one.fill("mine", "new");
        REQUIRE(fleet.two.until_sure());
        CHECK(fleet.two.get("mine").reply == "new");
    }

    TEST_CASE("freshness: a Redis that comes back with an old snapshot has forgotten writes") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "old");
        CHECK(fleet.server.ask("SAVE") == "OK");
        CHECK(fleet.two.begin_write() == "now");
        CHECK(fleet.two.end_write() == "now");
        CHECK(fleet.one.get("mine").reply.empty());
        fleet.server.kill();
        fleet.server.start();
        REQUIRE(turn_until(fleet.loop, [&] {
            return fleet.one.counters.epochs.value() == 1 && fleet.two.counters.epochs.value() == 1;
        }));
        CHECK(fleet.server.ask("EXISTS " + RedisKeys{"weir:"}.result("shop", as_bytes("mine"))) ==
              "1");
        REQUIRE(fleet.one.until_sure());
        REQUIRE(fleet.two.until_sure());
        CHECK(fleet.one.get("mine").reply.empty());
        CHECK(fleet.two.get("mine").reply.empty());
        fleet.one.fill("mine", "new");
        CHECK(fleet.two.get("mine").reply == "new");
    }

    TEST_CASE(
        "freshness: while Redis is frozen the lease runs out, writes wait no longer than the "
        "timeout, and it recovers") {
        Fleet fleet;
        for (auto* instance : {&fleet.one, &fleet.two}) {
            instance->watching.lease = milliseconds{1000};
        }
        fleet.two.settings.link.timeout = milliseconds{500};
        fleet.begin();
        fleet.one.fill("mine", "old");
        CHECK(fleet.two.get("mine").reply == "old");
        fleet.server.freeze();
        const TimePoint frozen = Clock::now();
        CHECK(fleet.two.begin_write() == "later");
        CHECK(Clock::now() - frozen >= milliseconds{500});
        CHECK(fleet.two.counters.blind_writes.value() == 1);
        REQUIRE(turn_until(fleet.loop, [&] {
            return !fleet.one.lease.holds(Clock::now()) && !fleet.one.watch->is_sure();
        }));
        REQUIRE(turn_until(fleet.loop, [&] { return !fleet.two.results->is_up(); }));
        CHECK(fleet.two.end_write() == "not sent");
        fleet.server.thaw();
        REQUIRE(turn_until(fleet.loop, [&] { return fleet.two.results->untold() == 0; }));
        REQUIRE(fleet.one.until_sure());
        REQUIRE(turn_until(fleet.loop, [&] { return !fleet.one.heard.empty(); }));
        CHECK(fleet.one.get("mine").reply.empty());
        CHECK(fleet.one.counters.epochs.value() == 0);
    }

    TEST_CASE("freshness: who was cut off may have missed something, whatever was counted") {
        Fleet fleet;
        fleet.begin();
        fleet.one.watch.reset();  // deaf
        CHECK(fleet.two.begin_write() == "now");
        CHECK(fleet.two.end_write() == "now");
        CHECK(turn_until(fleet.loop, [&] { return fleet.two.heard.size() == 2; }));
        SUBCASE("all connections are cut") {
            fleet.server.ask("CLIENT KILL TYPE normal");
            fleet.server.ask("CLIENT KILL TYPE pubsub");
            REQUIRE(
                turn_until(fleet.loop, [&] { return fleet.two.events == "gap sure unsure gap "; }));
            REQUIRE(fleet.two.until_sure());
            CHECK(fleet.two.events == "gap sure unsure gap sure ");
        }
        SUBCASE("a message is lost meanwhile") {
            fleet.server.ask("CLIENT KILL TYPE pubsub");
            fleet.server.ask("HINCRBY weir:epoch seq 1");
            REQUIRE(turn_until(
                fleet.loop, [&] { return fleet.two.events.starts_with("gap sure unsure gap "); }));
            REQUIRE(fleet.two.until_sure());
        }
        CHECK(fleet.two.counters.epochs.value() == 0);
    }

    TEST_CASE("freshness: what is to be forgotten is forgotten by all, once it is asked for") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "old");
        fleet.two.watch->forget();
        CHECK_FALSE(fleet.two.lease.holds(fleet.loop.now()));
        REQUIRE(turn_until(fleet.loop, [&] { return fleet.one.counters.epochs.value() == 1; }));
        REQUIRE(fleet.one.until_sure());
        REQUIRE(fleet.two.until_sure());
        CHECK(fleet.two.get("mine").reply.empty());
        CHECK(fleet.one.get("mine").reply.empty());
        fleet.one.fill("mine", "new");
        CHECK(fleet.two.get("mine").reply == "new");
        CHECK(fleet.one.counters.epochs.value() == 1);
    }

    TEST_CASE("freshness: a write before Redis could be reached at all is told once it can be") {
        Fleet fleet;
        fleet.server.await();
        fleet.one.begin();
        REQUIRE(fleet.one.until_sure());
        fleet.one.fill("mine", "old");
        fleet.server.freeze();
        fleet.two.begin();
        CHECK(fleet.two.begin_write() == "not sent");
        fleet.server.thaw();
        REQUIRE(turn_until(fleet.loop, [&] { return !fleet.one.heard.empty(); }));
        CHECK(fleet.one.heard.back() == "begun 16384 by 2 in shop");
        const test::Seen seen = fleet.one.get("mine");
        CHECK(seen.reply.empty());
        CHECK_FALSE(fleet.one.set("mine", *seen.versions, "either"));
        CHECK(fleet.two.end_write() == "now");
        fleet.one.fill("mine", "new");
    }

    TEST_CASE("freshness: a write under way is marked on the next connection, too") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "old");
        CHECK(fleet.two.begin_write() == "now");
        const std::uint64_t told = fleet.two.counters.told_later.value();
        fleet.server.ask("CLIENT KILL TYPE normal");
        REQUIRE(
            turn_until(fleet.loop, [&] { return fleet.two.counters.told_later.value() > told; }));
        REQUIRE(fleet.one.until_sure());
        const test::Seen within = fleet.one.get("mine");
        REQUIRE(within.versions.has_value());
        CHECK_FALSE(fleet.one.set("mine", *within.versions, "either"));
        CHECK(fleet.two.end_write() == "now");
    }

    TEST_CASE("freshness: a full Redis keeps nothing, forgets what is written to, and recovers") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "old");
        const test::Seen seen = fleet.two.get("mine");
        CHECK(seen.reply == "old");
        fleet.server.ask("CONFIG SET maxmemory 1");
        CHECK_FALSE(fleet.two.set("other", *seen.versions, "new"));
        CHECK(fleet.two.counters.errors_of(RedisError::Oom) == 1);
        CHECK(fleet.two.begin_write() == "now");
        CHECK(fleet.one.get("mine").reply.empty());
        REQUIRE(turn_until(fleet.loop, [&] { return !fleet.one.heard.empty(); }));
        CHECK(fleet.one.heard.back() == "ended * by 2 in shop");
        CHECK(fleet.two.end_write() == "now");
        fleet.server.ask("CONFIG SET maxmemory 0");
        REQUIRE(fleet.one.until_sure());
        fleet.one.fill("mine", "new");
        REQUIRE(fleet.two.until_sure());
        CHECK(fleet.two.get("mine").reply == "new");
    }
}

}  // namespace
}  // namespace weir::cache
