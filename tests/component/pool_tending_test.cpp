#include "tests/support/pool_support.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <string>

namespace weir::pool {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Borrower;
using test::PoolRig;
using test::Request;
using test::ServerConnection;
using test::Severity;

/// Waits until a connection that is idle now has been so for that long.
[[nodiscard]] bool idle_for(PoolRig& rig, milliseconds time) {
    test::turn_for(rig.loop, time);
    return rig.row().backends_idle > 0;
}

void check_soon(PoolPlan& plan) {
    plan.settings.max = 1;
    plan.settings.check_after = milliseconds{300};
}

/// Lends and takes back as many connections as asked for.
void warm_up(PoolRig& rig, std::size_t count) {
    std::deque<Borrower> clients;
    for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(rig.lend_to(clients.emplace_back(rig.loop, *rig.pool)));
    }
    for (Borrower& client : clients) {
        client.release();
    }
    REQUIRE(rig.row().backends_idle == count);
}

TEST_SUITE("pool_tending") {
    TEST_CASE("pool: asks a connection that was idle for long before it lends it") {
        PoolRig rig(check_soon);
        Borrower client{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        const std::uint64_t id = client.backend->id();
        client.release();
        client.acquire();
        CHECK(client.has_backend());  // fresh: at once
        client.release();
        REQUIRE(idle_for(rig, milliseconds{320}));
        client.acquire();
        CHECK_FALSE(client.has_backend());
        CHECK(rig.row().backends_tested == 1);
        REQUIRE(rig.until([&] { return client.has_backend(); }));
        CHECK(client.backend->id() == id);
        CHECK(rig.connection_of(client).has_asked(""));
        CHECK(client.replies.empty());
        CHECK(client.ends == 0);
    }

    TEST_CASE("pool: asks as many idle connections as are waited for and opens none beside them") {
        PoolRig rig([](PoolPlan& plan) {
            check_soon(plan);
            plan.settings.max = 4;
        });
        warm_up(rig, 2);
        REQUIRE(idle_for(rig, milliseconds{320}));
        Borrower first{rig.loop, *rig.pool};
        Borrower second{rig.loop, *rig.pool};
        first.acquire();
        second.acquire();
        CHECK(rig.row().backends_tested == 2);
        REQUIRE(rig.until([&] { return first.has_backend() && second.has_backend(); }));
        CHECK(rig.server.login_count() == 2);
    }

    TEST_CASE("pool: replaces a connection that does not pass its check") {
        PoolRig rig(check_soon);
        Borrower client{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        const std::uint64_t id = client.backend->id();
        client.release();
        REQUIRE(idle_for(rig, milliseconds{320}));
        SUBCASE("because the server hangs up") {
            rig.server.on_request = [](ServerConnection& connection, const Request& /*request*/) {
                connection.hang_up();
            };
        }
        SUBCASE("because the server says its last word") {
            rig.server.on_request = [](ServerConnection& connection, const Request& /*request*/) {
                connection.say(test::error(sqlstate::kAdminShutdown, "bye", Severity::Fatal));
                connection.hang_up();
            };
        }
        SUBCASE("because the server babbles") {
            rig.server.on_request = [](ServerConnection& connection, const Request& /*request*/) {
                connection.say(test::message(protocol::BackendMessage::BindComplete, ""));
            };
        }
        client.acquire();
        REQUIRE(rig.until([&] { return client.has_backend(); }));
        CHECK(client.backend->id() != id);
        CHECK(client.losses.empty());
        CHECK(rig.row().open == 1);
    }

    TEST_CASE("pool: does not wait for a check without end") {
        PoolRig rig(check_soon);
        Borrower client{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        client.release();
        REQUIRE(idle_for(rig, milliseconds{320}));
        rig.server.on_request = [](ServerConnection& /*silent*/, const Request& /*request*/) {};
        const TimePoint begun = Clock::now();
        client.acquire();
        REQUIRE(rig.until([&] { return client.has_backend(); }));
        CHECK(Clock::now() - begun >= seconds{3});
        CHECK(rig.server.login_count() == 2);
    }

    TEST_CASE("pool: closes what is idle for idle_timeout, but not below min") {
        PoolRig rig([](PoolPlan& plan) {
            plan.settings.min = 1;
            plan.settings.idle_timeout = milliseconds{100};
        });
        rig.pool->client_came();
        warm_up(rig, 3);
        REQUIRE(rig.until([&] { return rig.server.open_count() == 1; }));
        test::turn_for(rig.loop, milliseconds{1200});  // past the next look
        CHECK(rig.server.open_count() == 1);
        CHECK(rig.row().open == 1);
        CHECK(rig.server.connections[0]->has_sent('X') + rig.server.connections[1]->has_sent('X') +
                  rig.server.connections[2]->has_sent('X') ==
              2);  // a polite end

        // Nobody is there any more: min need not be kept.
        rig.pool->client_left();
        REQUIRE(rig.until([&] { return rig.server.open_count() == 0; }));
        CHECK(rig.row().open == 0);
    }

    TEST_CASE("pool: opens min connections once it is in use") {
        PoolRig rig([](PoolPlan& plan) { plan.settings.min = 3; });
        rig.pool->client_came();
        warm_up(rig, 1);
        REQUIRE(rig.until([&] { return rig.row().backends_idle == 3; }));
        CHECK(rig.row().open == 3);
    }

    TEST_CASE("pool: closes a connection at the end of its life and replaces it up to min") {
        PoolRig rig([](PoolPlan& plan) {
            plan.settings.min = 1;
            plan.settings.max_lifetime = milliseconds{200};
        });
        rig.pool->client_came();
        Borrower client{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        const TimePoint opened = client.backend->opened_at();
        ServerConnection& connection = rig.connection_of(client);
        CHECK(client.backend->retire_at() >= opened + milliseconds{180});
        CHECK(client.backend->retire_at() <= opened + milliseconds{200});
        SUBCASE("while it is idle") {
            client.release();
            REQUIRE(rig.until([&] { return connection.is_over; }));
            CHECK(Clock::now() - opened >= milliseconds{180});
        }
        SUBCASE("not before it is given back") {
            test::turn_for(rig.loop, milliseconds{300});
            CHECK_FALSE(connection.is_over);
            REQUIRE(rig.ask(client, "SELECT 1"));
            client.release();
            REQUIRE(rig.until([&] { return connection.is_over; }));
            CHECK(client.losses.empty());
        }
        REQUIRE(rig.until([&] { return rig.server.open_count() == 1; }));
        CHECK(rig.server.login_count() >= 2);
    }

    TEST_CASE("pool: after a reload that leads elsewhere lends no old connection") {
        PoolRig rig;
        Borrower client{rig.loop, *rig.pool};
        Borrower keeper{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        REQUIRE(rig.lend_to(keeper));
        client.release();
        rig.reload([](PoolPlan& plan) { plan.startup_settings["search_path"] = "other"; });
        CHECK(rig.row().backends_idle == 0);
        REQUIRE(rig.ask(keeper, "SELECT 1"));  // who has one may go on
        keeper.release();
        CHECK(rig.row().backends_idle == 0);
        REQUIRE(rig.lend_to(client));
        CHECK(rig.connection_of(client).requests[0].body.find("other") != std::string::npos);
        REQUIRE(rig.until([&] { return rig.server.open_count() == 1; }));
    }

    TEST_CASE("pool: a reload that raises max serves who waits, one that lowers it closes") {
        PoolRig rig([](PoolPlan& plan) { plan.settings.max = 1; });
        Borrower first{rig.loop, *rig.pool};
        Borrower second{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(first));
        second.acquire();
        rig.reload([](PoolPlan& plan) { plan.settings.max = 2; });
        REQUIRE(rig.until([&] { return second.has_backend(); }));
        rig.reload([](PoolPlan& plan) { plan.settings.max = 1; });
        CHECK(rig.row().open == 2);
        second.release();
        CHECK(rig.row().open == 1);
        first.release();
        CHECK(rig.row().backends_idle == 1);
    }

    TEST_CASE("pool: forgets what it told new clients when an idle server reports other defaults") {
        PoolRig rig;
        warm_up(rig, 1);
        REQUIRE(rig.pool->default_of("timezone") != nullptr);
        REQUIRE(rig.pool->welcome_for(rig.settings.none()) != nullptr);
        rig.server.connections[0]->say(test::parameter("TimeZone", "Europe/Berlin"));
        REQUIRE(rig.until([&] { return rig.pool->default_of("timezone") == nullptr; }));
        CHECK(rig.pool->welcome_for(rig.settings.none()) == nullptr);
        warm_up(rig, 1);
        CHECK(*rig.pool->default_of("timezone") == "Europe/Berlin");
    }
}

}  // namespace
}  // namespace weir::pool
