#include "tests/support/pool_support.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <string>
#include <vector>

namespace weir::pool {
namespace {

using status::PoolEvent;
using std::chrono::milliseconds;
using test::Borrower;
using test::PoolRig;

TEST_SUITE("pool_lending") {
    TEST_CASE("pool: dials when the first client asks, logs in and lends") {
        PoolRig rig([](PoolPlan& plan) {
            plan.startup_settings["search_path"] = "app";
            plan.connect_query = "SET x = 1";
        });
        rig.loop.run_pending();
        CHECK(rig.server.connections.empty());  // a cold start needs no server
        Borrower client{rig.loop, *rig.pool};
        client.acquire();
        CHECK_FALSE(client.has_backend());
        REQUIRE(rig.until([&] { return client.has_backend(); }));
        CHECK(client.backend->state() == BackendState::Leased);
        CHECK(client.backend->holder() == &client);
        CHECK(client.longest_wait > Duration::zero());
        const test::ServerConnection& server = rig.connection_of(client);
        const std::string startup{"\0\3\0\0user\0ann\0database\0shop\0search_path\0app\0\0", 44};
        CHECK(server.requests[0].body == startup);
        CHECK(server.has_asked("SET x = 1"));
        CHECK(client.replies.empty());  // the answer to connect_query is ours
        CHECK(client.backend->parameters() ==
              ReportedParameters{{"server_version", "15.0"}, {"TimeZone", "UTC"}});
        CHECK(*rig.pool->default_of("timezone") == "UTC");
        CHECK(rig.count_of(PoolEvent::CreateSuccess) == 1);
        CHECK(rig.count_of(PoolEvent::AcquireSuccess) == 1);
    }

    TEST_CASE("pool: passes a statement to the server and its answer back") {
        PoolRig rig;
        Borrower client{rig.loop, *rig.pool};
        client.releases_at_rest = true;
        REQUIRE(rig.lend_to(client));
        client.query("SELECT 1");
        REQUIRE(rig.until([&] { return client.ends > 0; }));
        CHECK(client.replies == test::completed("SELECT 1") + test::ready());
        CHECK_FALSE(client.has_backend());
        CHECK(rig.row().backends_idle == 1);
        CHECK(rig.row().open == 1);
    }

    TEST_CASE("pool: lends the connection used most recently") {
        PoolRig rig;
        std::deque<Borrower> clients;
        std::vector<std::uint64_t> ids;
        for (int i = 0; i < 3; ++i) {
            REQUIRE(rig.lend_to(clients.emplace_back(rig.loop, *rig.pool)));
            ids.push_back(clients.back().backend->id());
        }
        for (const std::size_t i : {1U, 0U, 2U}) {
            clients[i].release();
        }
        for (const std::size_t i : {2U, 0U, 1U}) {
            clients[i].acquire();  // what is idle is lent at once
            REQUIRE(clients[i].has_backend());
            CHECK(clients[i].backend->id() == ids[i]);
        }
        CHECK(rig.server.login_count() == 3);
    }

    TEST_CASE("pool: serves who waits strictly in turn and never opens more than max") {
        PoolRig rig([](PoolPlan& plan) { plan.settings.max = 2; });
        std::deque<Borrower> clients;
        std::vector<std::size_t> order;
        std::size_t most = 0;
        for (std::size_t i = 0; i < 20; ++i) {
            Borrower& client = clients.emplace_back(rig.loop, *rig.pool);
            client.releases_at_rest = true;
            client.when_lent = [&, i] {
                order.push_back(i);
                most = std::max(most, rig.server.open_count());
                clients[i].query("SELECT 1");
            };
            client.acquire();
        }
        REQUIRE(rig.until([&] { return clients.back().ends > 0; }));
        for (std::size_t i = 0; i < order.size(); ++i) {
            CHECK(order[i] == i);
        }
        CHECK(order.size() == 20);
        CHECK(most == 2);
        CHECK(rig.server.login_count() == 2);
        CHECK(rig.budgets.find_or_add(std::string{"pool:shop\0ann\0", 14})->open() == 2);
    }

    TEST_CASE("pool: whoever comes while others wait does not overtake them") {
        PoolRig rig([](PoolPlan& plan) { plan.settings.max = 1; });
        Borrower first{rig.loop, *rig.pool};
        Borrower second{rig.loop, *rig.pool};
        Borrower third{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(first));
        second.acquire();
        third.when_lent = [&] { CHECK(second.leases == 1); };
        second.when_lent = [&] { third.acquire(); };  // asks at the very moment of handing over
        first.release();
        CHECK(second.has_backend());
        CHECK_FALSE(third.has_backend());
        second.release();
        CHECK(third.has_backend());
    }

    TEST_CASE("pool: a client that no longer waits is skipped") {
        PoolRig rig([](PoolPlan& plan) { plan.settings.max = 1; });
        Borrower first{rig.loop, *rig.pool};
        Borrower gone{rig.loop, *rig.pool};
        Borrower third{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(first));
        gone.acquire();
        third.acquire();
        CHECK(rig.row().clients_waiting == 2);
        rig.pool->forget(gone);
        rig.pool->forget(gone);  // may be said again
        first.release();
        CHECK(third.has_backend());
        CHECK(gone.leases == 0);
    }

    TEST_CASE("pool: opens its reserve for those who wait long, and gives it up after") {
        PoolRig rig([](PoolPlan& plan) {
            plan.settings.max = 1;
            plan.settings.reserve = 1;
            plan.settings.reserve_after = milliseconds{40};
        });
        Borrower first{rig.loop, *rig.pool};
        Borrower second{rig.loop, *rig.pool};
        Borrower third{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(first));
        REQUIRE(rig.lend_to(second));
        CHECK(second.longest_wait >= milliseconds{40});
        CHECK(rig.row().open == 2);
        third.acquire();
        test::turn_for(rig.loop, milliseconds{120});
        CHECK_FALSE(third.has_backend());  // max and reserve are out
        second.release();
        CHECK(third.has_backend());  // still wanted
        third.release();
        CHECK(rig.row().open == 1);
        CHECK(rig.row().backends_idle == 0);
        REQUIRE(rig.until([&] { return rig.server.open_count() == 1; }));
    }

    TEST_CASE("pool: refuses who has waited for acquire_timeout, with 53300") {
        PoolRig rig([](PoolPlan& plan) {
            plan.settings.max = 1;
            plan.settings.acquire_timeout = milliseconds{50};
        });
        Borrower first{rig.loop, *rig.pool};
        Borrower second{rig.loop, *rig.pool};
        Borrower third{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(first));
        const TimePoint begun = Clock::now();
        second.acquire();
        third.acquire();
        REQUIRE(rig.until([&] { return !second.refusals.empty(); }));
        CHECK(Clock::now() - begun >= milliseconds{50});
        REQUIRE(rig.until([&] { return !third.refusals.empty(); }));
        for (const Borrower* client : {&second, &third}) {
            REQUIRE(client->refusals.size() == 1);
            CHECK(client->refusals[0].fields.sqlstate == sqlstate::kTooManyConnections);
            CHECK(client->refusals[0].fields.message.starts_with("query_wait_timeout"));
            CHECK(client->leases == 0);
        }
        CHECK(rig.count_of(PoolEvent::AcquireFail) == 2);
        first.release();
        CHECK(rig.row().backends_idle == 1);  // nobody of them is lent it any more
    }

    TEST_CASE("pool: closes an idle connection of a pool that shares a full limit") {
        PoolRig rig([](PoolPlan& plan) { plan.limits.max_database_connections = 2; });
        Pool& other = rig.pools.find_or_add({"shop", "bob", ""}, rig.plan);
        Borrower ann{rig.loop, *rig.pool};
        Borrower bob{rig.loop, other};
        Borrower third{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(ann));
        REQUIRE(rig.lend_to(bob));
        third.acquire();
        rig.loop.run_pending();
        CHECK_FALSE(third.has_backend());
        bob.release();
        REQUIRE(rig.until([&] { return third.has_backend(); }));
        REQUIRE(rig.until([&] { return rig.server.open_count() == 2; }));
        CHECK(rig.budgets.find_or_add("database:shop")->open() == 2);
    }

    TEST_CASE("pool: dies quietly in the middle of everything, and closes what it has") {
        PoolRig rig([](PoolPlan& plan) { plan.connect_query = "SLOW"; });
        {
            Borrower client{rig.loop, *rig.pool};
            client.acquire();
        }
        SUBCASE("while it connects") {}
        SUBCASE("while it logs in") {
            rig.server.on_login = [](test::ServerConnection& /*silent*/) {};
            REQUIRE(rig.until([&] { return rig.server.login_count() == 1; }));
        }
        SUBCASE("while it prepares the connection") {
            REQUIRE(rig.until([&] {
                return rig.server.login_count() == 1 && rig.server.connections[0]->is_running;
            }));
        }
        { const PoolSet doomed = std::move(rig.pools); }
        rig.loop.run_pending();
        CHECK(rig.budgets.find_or_add("database:shop")->open() == 0);
    }
}

}  // namespace
}  // namespace weir::pool
