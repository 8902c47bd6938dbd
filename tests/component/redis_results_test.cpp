#include "cache/redis/shared_results.hpp"
#include "tests/support/shared_results_support.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace weir::cache {
namespace {

using std::chrono::milliseconds;
using test::Fleet;
using test::kItems;
using test::kOrders;
using test::Seen;
using test::turn_until;

TEST_SUITE("redis_results") {
    TEST_CASE(
        "shared results: what one instance keeps another one finds, for as long as it lives") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("SELECT 1", "one");
        CHECK(fleet.two.get("SELECT 1").reply == "one");
        CHECK(fleet.two.get("SELECT 2").reply.empty());
        CHECK(fleet.two.get("SELECT 1", {kOrders}, "other").reply.empty());
        CHECK(fleet.two.counters.hits.value() == 1);
        CHECK(fleet.two.counters.misses.value() == 2);
        const std::string key = RedisKeys{"weir:"}.result("shop", as_bytes("SELECT 1"));
        const int left_ms = std::stoi(fleet.server.ask("PTTL " + key));
        CHECK(left_ms > 0);
        CHECK(left_ms <= 60'000);
    }

    TEST_CASE("shared results: a binary key, a large result and no tables at all") {
        Fleet fleet;
        fleet.begin();
        const std::string key{"a\0\r\n b", 6};
        const std::string large(std::size_t{2} << 20U, 'x');
        fleet.one.fill(key, large, {}, "a:b c");
        CHECK(fleet.two.get(key, {}, "a:b c").reply == large);
    }

    TEST_CASE("shared results: the order of the tables is nobody's business") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("join", "both", {kItems, kOrders});
        CHECK(fleet.two.get("join", {kOrders, kItems, kOrders}).reply == "both");
    }

    TEST_CASE("shared results: a write makes the results of its tables a miss, and no others") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("orders", "old");
        fleet.one.fill("items", "kept", {kItems});
        fleet.one.fill("both", "old", {kItems, kOrders});
        CHECK(fleet.two.begin_write({kOrders}) == "now");
        CHECK(fleet.one.get("orders").reply.empty());
        CHECK(fleet.one.get("both", {kItems, kOrders}).reply.empty());
        CHECK(fleet.one.get("items", {kItems}).reply == "kept");
        CHECK(fleet.one.counters.stale.value() == 2);
        CHECK(fleet.two.end_write({kOrders}) == "now");
        CHECK(fleet.one.get("orders").reply.empty());
        fleet.one.fill("orders", "new");
        CHECK(fleet.two.get("orders").reply == "new");
    }

    TEST_CASE("shared results: a write to who knows what makes all of its database a miss") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("orders", "old");
        fleet.one.fill("nothing", "old", {});
        fleet.one.fill("orders", "kept", {kOrders}, "other");
        CHECK(fleet.two.begin_write({kWholeDatabase}) == "now");
        CHECK(fleet.two.end_write({kWholeDatabase}) == "now");
        CHECK(fleet.one.get("orders").reply.empty());
        CHECK(fleet.one.get("nothing", {}).reply.empty());
        CHECK(fleet.one.get("orders", {kOrders}, "other").reply == "kept");
    }

    TEST_CASE("shared results: what a write came in between of is not kept") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("seed", "epoch");
        const Seen before = fleet.one.get("orders");
        REQUIRE(before.versions.has_value());
        SUBCASE("one that is under way") {
            CHECK(fleet.two.begin_write() == "now");
            CHECK_FALSE(fleet.one.set("orders", *before.versions, "old"));
            const Seen within = fleet.one.get("orders");
            CHECK_FALSE(fleet.one.set("orders", *within.versions, "either"));
            CHECK(fleet.two.end_write() == "now");
            CHECK_FALSE(fleet.one.set("orders", *within.versions, "either"));
        }
        SUBCASE("one that is through") {
            CHECK(fleet.two.begin_write() == "now");
            CHECK(fleet.two.end_write() == "now");
            CHECK_FALSE(fleet.one.set("orders", *before.versions, "old"));
        }
        SUBCASE("one of two, the other of which is through") {
            CHECK(fleet.two.begin_write() == "now");
            CHECK(fleet.one.begin_write() == "now");
            CHECK(fleet.two.end_write() == "now");
            const Seen within = fleet.one.get("orders");
            CHECK_FALSE(fleet.one.set("orders", *within.versions, "either"));
            CHECK(fleet.one.end_write() == "now");
        }
        SUBCASE("two of the same thread, one of which is through") {
            CHECK(fleet.two.begin_write() == "now");
            CHECK(fleet.two.begin_write() == "now");
            CHECK(fleet.two.end_write() == "now");
            const Seen within = fleet.one.get("orders");
            CHECK_FALSE(fleet.one.set("orders", *within.versions, "either"));
            CHECK(fleet.two.end_write() == "now");
        }
        CHECK(fleet.one.get("orders").reply.empty());
        fleet.one.fill("orders", "new");
        CHECK(fleet.two.get("orders").reply == "new");
    }

    TEST_CASE("shared results: the mark of a writer that died lapses, and counts as its end") {
        Fleet fleet;
        fleet.two.settings.lapse = milliseconds{600};
        fleet.begin();
        fleet.one.fill("orders", "old");
        CHECK(fleet.two.begin_write() == "now");
        SUBCASE("dead") {
            fleet.two.results.reset();
        }
        SUBCASE("its connection to PostgreSQL was lost at the commit") {
            CHECK(fleet.two.end_write({kOrders}, WriteEnd::Unknown) == "now");
        }
        const Seen within = fleet.one.get("orders");
        CHECK_FALSE(fleet.one.set("orders", *within.versions, "either"));
        test::turn_for(fleet.loop, milliseconds{700});
        const std::size_t heard = fleet.one.heard.size();
        CHECK_FALSE(fleet.one.set("orders", *within.versions, "either"));
        REQUIRE(turn_until(fleet.loop, [&] { return fleet.one.heard.size() > heard; }));
        CHECK(fleet.one.heard.back() == "ended 16384 by 0 in shop");
        CHECK_FALSE(fleet.one.set("orders", *within.versions, "either"));
        fleet.one.fill("orders", "new");
        CHECK(fleet.one.get("orders").reply == "new");
        CHECK(fleet.one.events == "gap sure ");
    }

    TEST_CASE("shared results: whatever else lies under the key is a miss") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "right");
        const RedisKeys keys{"weir:"};
        const std::string key = keys.result("shop", as_bytes("mine"));
        SUBCASE("garbage") {
            fleet.server.ask("SET " + key + " garbage");
        }
        SUBCASE("nothing") {
            fleet.server.ask("SETRANGE " + key + " 40 x");
        }
        SUBCASE("the value of another key") {
            fleet.one.fill("other", "wrong");
            CHECK(fleet.server.ask("COPY " + keys.result("shop", as_bytes("other")) + " " + key +
                                   " REPLACE") == "1");
        }
        CHECK(fleet.two.get("mine").reply.empty());
        CHECK(fleet.two.counters.foreign.value() == 1);
    }

    TEST_CASE("shared results: keys of another type are a miss and recover") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "right");
        const RedisKeys keys{"weir:"};
        fleet.server.ask("DEL " + keys.result("shop", as_bytes("mine")));
        fleet.server.ask("LPUSH " + keys.result("shop", as_bytes("mine")) + " x");
        CHECK(fleet.two.get("mine").reply.empty());
        fleet.server.ask("DEL " + keys.versions("shop"));
        fleet.server.ask("SET " + keys.versions("shop") + " x");
        CHECK(fleet.two.get("mine").reply.empty());
        CHECK_FALSE(fleet.two.get("mine").versions.has_value());
        CHECK(fleet.two.begin_write() == "now");
        REQUIRE(turn_until(fleet.loop, [&] { return !fleet.one.heard.empty(); }));
        CHECK(fleet.one.heard.back() == "ended * by 2 in shop");
        CHECK(fleet.two.end_write() == "now");
        fleet.two.fill("mine", "again");
        CHECK(fleet.two.get("mine").reply == "again");
    }

    TEST_CASE("shared results: a long write says so again and again, and ends once") {
        Fleet fleet;
        fleet.begin();
        CHECK(fleet.two.begin_write() == "now");
        const std::vector<TableId> tables{kOrders};
        for (int i = 0; i < 3; ++i) {
            fleet.two.results->repeat_write("shop", tables);
        }
        const Seen within = fleet.one.get("orders");
        CHECK_FALSE(fleet.one.set("orders", *within.versions, "either"));
        CHECK(fleet.two.end_write() == "now");
        fleet.one.fill("orders", "new");
        CHECK(fleet.two.get("orders").reply == "new");
    }

    TEST_CASE("shared results: versions that Redis has forgotten agree with no result") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "old");
        fleet.server.ask("DEL weir:v:shop");
        CHECK(fleet.two.get("mine").reply.empty());
        const Seen again = fleet.two.get("mine");
        CHECK(again.reply.empty());
        REQUIRE(again.versions.has_value());
        CHECK(fleet.two.set("mine", *again.versions, "new"));
        CHECK(fleet.one.get("mine").reply == "new");
    }

    TEST_CASE("shared results: scripts that were flushed are loaded again, and writes are told") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "old");
        fleet.server.ask("SCRIPT FLUSH");
        CHECK(fleet.two.begin_write() == "later");
        REQUIRE(turn_until(fleet.loop, [&] { return fleet.two.results->untold() == 0; }));
        CHECK(fleet.two.end_write() == "now");
        CHECK(fleet.one.get("mine").reply.empty());
        REQUIRE(fleet.one.until_sure());
        fleet.one.fill("mine", "new");
        CHECK(fleet.two.get("mine").reply == "new");
    }

    TEST_CASE("shared results: a user with no more rights than README.md says will do") {
        Fleet fleet;
        fleet.server.ask(
            "ACL SETUSER cache on >secret resetkeys ~weir:* resetchannels &weir:* -@all "
            "+select +client|setname +ping +subscribe +publish +script|load +eval "
            "+evalsha +time +info +get +set +del +hget +hmget +hset +hdel +hincrby");
        for (auto* instance : {&fleet.one, &fleet.two}) {
            for (RedisLinkSettings* link : {&instance->settings.link, &instance->watching.link}) {
                link->address.user = "cache";
                link->address.password = "secret";
                link->address.database = 2;
            }
        }
        fleet.begin();
        fleet.one.fill("orders", "old");
        CHECK(fleet.two.get("orders").reply == "old");
        CHECK(fleet.two.begin_write() == "now");
        CHECK(fleet.two.end_write() == "now");
        fleet.one.fill("orders", "new");
        CHECK(fleet.two.get("orders").reply == "new");
        CHECK(fleet.one.counters.errors_of(RedisError::Auth) == 0);
        CHECK(fleet.two.counters.errors_of(RedisError::Auth) == 0);
    }

    TEST_CASE("shared results: nothing is served or kept without the lease, but writes are told") {
        Fleet fleet;
        fleet.begin();
        fleet.one.fill("mine", "old");
        const Seen seen = fleet.two.get("mine");
        CHECK(seen.reply == "old");
        fleet.two.watch.reset();
        CHECK_FALSE(fleet.two.get("mine").versions.has_value());
        test::on_loop(fleet.loop, [&] {
            fleet.two.results->set({"shop", as_bytes("mine"), {}},
                                   *seen.versions,
                                   {1, 2, 3, 4, as_bytes("never")},
                                   milliseconds{1000});
        });
        CHECK(fleet.two.begin_write({kItems}) == "now");
        CHECK(fleet.one.get("mine").reply == "old");
        CHECK(fleet.two.counters.stored.value() == 0);
    }
}

}  // namespace
}  // namespace weir::cache
