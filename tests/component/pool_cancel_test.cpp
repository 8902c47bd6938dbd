#include "tests/support/pool_support.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace weir::pool {
namespace {

using std::chrono::seconds;
using test::Borrower;
using test::PoolRig;
using test::ServerConnection;

void one_connection(PoolPlan& plan) {
    plan.settings.max = 1;
}

/// A client with a connection, another that waits for it, and a server that keeps cancel requests
/// open until it is told to close them.
struct CancelScene {
    CancelScene() {
        rig.server.on_cancel = [this](ServerConnection& connection) { canceller = &connection; };
        REQUIRE(rig.lend_to(client));
        id = client.backend->id();
        waiter.acquire();
    }

    void cancel() {
        rig.loop.refresh_now();
        rig.pool->cancel(*client.backend, [this] { ++done; });
    }

    [[nodiscard]] bool until_sent() {
        return rig.until([this] { return canceller != nullptr; });
    }

    PoolRig rig{one_connection};
    Borrower client{rig.loop, *rig.pool};
    Borrower waiter{rig.loop, *rig.pool};
    ServerConnection* canceller = nullptr;
    std::uint64_t id = 0;
    int done = 0;
};

TEST_SUITE("pool_cancel") {
    TEST_CASE("pool: a cancel request goes out with the backend's own key and ends the statement") {
        CancelScene scene;
        scene.client.query("SLOW");
        scene.cancel();
        CHECK(scene.done == 0);
        CHECK(scene.client.backend->cancels() == 1);
        REQUIRE(scene.until_sent());
        CHECK(scene.rig.server.cancelled == std::vector{scene.client.backend->process_id()});
        REQUIRE(scene.rig.until([&] { return scene.client.ends == 1; }));
        CHECK(scene.client.replies ==
              test::error(sqlstate::kQueryCanceled, "canceling statement") + test::ready());
        CHECK(scene.done == 0);
        scene.canceller->hang_up();
        REQUIRE(scene.rig.until([&] { return scene.done == 1; }));
        CHECK(scene.client.backend->cancels() == 0);
        CHECK(scene.client.backend->state() == BackendState::Leased);  // it is still the client's
    }

    TEST_CASE("pool: a connection under cancel is lent to nobody until the cancel is over") {
        CancelScene scene;
        scene.client.query("SLOW");
        scene.cancel();
        REQUIRE(scene.rig.until([&] { return scene.client.ends == 1; }));
        REQUIRE(scene.until_sent());
        SUBCASE("given back at rest") {
            scene.client.release();
        }
        SUBCASE("left behind") {
            scene.client.abandon();
        }
        CHECK(scene.rig.row().backends_being_canceled == 1);
        scene.rig.loop.run_pending();
        CHECK_FALSE(scene.waiter.has_backend());
        scene.canceller->hang_up();
        REQUIRE(scene.rig.until([&] { return scene.waiter.has_backend(); }));
        CHECK(scene.waiter.backend->id() == scene.id);
        CHECK(scene.done == 1);
    }

    TEST_CASE("pool: of several cancels the last one counts") {
        CancelScene scene;
        std::vector<ServerConnection*> cancellers;
        scene.rig.server.on_cancel = [&](ServerConnection& connection) {
            cancellers.push_back(&connection);
        };
        scene.cancel();
        scene.cancel();
        CHECK(scene.done == 0);
        scene.cancel();  // twice max are enough: this one does nothing
        CHECK(scene.done == 1);
        REQUIRE(scene.rig.until([&] { return cancellers.size() == 2; }));
        scene.client.release();
        cancellers[1]->hang_up();
        REQUIRE(scene.rig.until([&] { return scene.done == 2; }));
        CHECK_FALSE(scene.waiter.has_backend());
        cancellers[0]->hang_up();
        REQUIRE(scene.rig.until([&] { return scene.waiter.has_backend(); }));
        CHECK(scene.rig.server.cancelled.size() == 2);
    }

    TEST_CASE(
        "pool: without a limit of connections there may be two cancels for each that is open") {
        PoolRig rig{[](PoolPlan& plan) { plan.settings.max = 0; }};
        std::vector<ServerConnection*> cancellers;
        rig.server.on_cancel = [&](ServerConnection& connection) {
            cancellers.push_back(&connection);
        };
        std::deque<Borrower> clients;
        int done = 0;
        for (int i = 0; i < 5; ++i) {
            REQUIRE(rig.lend_to(clients.emplace_back(rig.loop, *rig.pool)));
        }
        for (int i = 0; i < 2; ++i) {
            for (Borrower& client : clients) {
                rig.pool->cancel(*client.backend, [&done] { ++done; });
            }
        }
        CHECK(done == 0);
        rig.pool->cancel(*clients.front().backend, [&done] { ++done; });  // more do no good
        CHECK(done == 1);
        REQUIRE(rig.until([&] { return cancellers.size() == 10; }));
        for (ServerConnection* canceller : cancellers) {
            canceller->hang_up();
        }
        REQUIRE(rig.until([&] { return done == 11; }));
    }

    TEST_CASE("pool: where a cancel may still arrive the connection is not used again") {
        CancelScene scene;
        net::Fd door;
        bool is_taken = false;
        scene.rig.server.on_accept = [&](net::Fd& fd) {
            if (std::exchange(is_taken, true)) {
                return false;
            }
            door = std::move(fd);  // nobody reads it: what comes of it is anybody's guess
            return true;
        };
        scene.cancel();
        REQUIRE(scene.rig.until([&] {
            int waiting = 0;
            return door.is_open() && ::ioctl(door.get(), FIONREAD, &waiting) == 0 && waiting > 0;
        }));
        bool is_leased = false;
        SUBCASE("as it comes back") {
            scene.client.release();
        }
        SUBCASE("as it is left in mid-transaction") {
            REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
            scene.client.abandon();
        }
        SUBCASE("as its client goes on for now") {
            is_leased = true;
        }
        CHECK_FALSE(scene.waiter.has_backend());
        door.reset();  // unread bytes: a reset, not an end
        REQUIRE(scene.rig.until([&] { return scene.done == 1; }));
        if (is_leased) {
            REQUIRE(scene.rig.ask(scene.client, "SELECT 1"));
            scene.client.release();
        }
        REQUIRE(scene.rig.until([&] { return scene.waiter.has_backend(); }));
        CHECK(scene.waiter.backend->id() != scene.id);
        CHECK(scene.client.losses.empty());
        CHECK(scene.rig.row().open == 1);
    }

    TEST_CASE("pool: a cancel without end is given up, and the connection with it") {
        CancelScene scene;
        const TimePoint begun = Clock::now();
        scene.cancel();
        REQUIRE(scene.until_sent());
        scene.client.release();
        REQUIRE(scene.rig.until([&] { return scene.waiter.has_backend(); }));
        CHECK(Clock::now() - begun >= Canceller::kCancelWithin);
        CHECK(scene.waiter.backend->id() != scene.id);
        CHECK(scene.done == 1);
    }

    TEST_CASE("pool: a cancel that could not be sent cannot hit anybody") {
        CancelScene scene;
        scene.rig.server.shut();
        scene.cancel();
        scene.client.release();
        CHECK_FALSE(scene.waiter.has_backend());
        REQUIRE(scene.rig.until([&] { return scene.waiter.has_backend(); }));
        CHECK(scene.waiter.backend->id() == scene.id);
        CHECK(scene.done == 1);
    }

    TEST_CASE("pool: a connection that is lost under cancel gives its place back at once") {
        CancelScene scene;
        scene.cancel();
        REQUIRE(scene.until_sent());
        SUBCASE("while a client has it") {
            scene.rig.connection_of(scene.client).hang_up();
            REQUIRE(scene.rig.until([&] { return scene.client.losses.size() == 1; }));
        }
        SUBCASE("while nobody has it") {
            ServerConnection& connection = scene.rig.connection_of(scene.client);
            scene.client.release();
            connection.hang_up();
        }
        REQUIRE(scene.rig.until([&] { return scene.waiter.has_backend(); }));
        CHECK(scene.waiter.backend->id() != scene.id);
        CHECK(scene.done == 0);
        scene.canceller->hang_up();
        REQUIRE(scene.rig.until([&] { return scene.done == 1; }));
        CHECK(scene.waiter.backend->cancels() == 0);
    }

    TEST_CASE("pool: a connection whose server said its last word under cancel is not lent") {
        CancelScene scene;
        scene.cancel();
        REQUIRE(scene.until_sent());
        ServerConnection& connection = scene.rig.connection_of(scene.client);
        scene.client.release();
        REQUIRE(scene.rig.server.say_in_pieces(
            connection, {test::error(sqlstate::kAdminShutdown, "bye", test::Severity::Fatal)}));
        scene.canceller->hang_up();
        REQUIRE(scene.rig.until([&] { return scene.waiter.has_backend(); }));
        CHECK(scene.waiter.backend->id() != scene.id);
    }

    TEST_CASE("pool: in session mode the reset waits for the cancel, too") {
        CancelScene scene;
        scene.rig.reload([](PoolPlan& plan) { plan.settings.mode = conf::PoolMode::Session; });
        scene.cancel();
        REQUIRE(scene.until_sent());
        ServerConnection& connection = scene.rig.connection_of(scene.client);
        scene.client.release();
        scene.rig.loop.run_pending();
        CHECK_FALSE(connection.has_asked("DISCARD ALL"));
        scene.canceller->hang_up();
        REQUIRE(scene.rig.until([&] { return scene.waiter.has_backend(); }));
        CHECK(connection.has_asked("DISCARD ALL"));
        // It was opened to be shared, before the reload: sessions of their own get new ones.
        CHECK(scene.waiter.backend->id() != scene.id);
    }

    TEST_CASE("pool: dies in the middle of a cancel without a word") {
        PoolRig rig(one_connection);
        int done = 0;
        rig.server.on_cancel = [](ServerConnection& /*stays*/) {};
        {
            Borrower client{rig.loop, *rig.pool};
            REQUIRE(rig.lend_to(client));
            rig.pool->cancel(*client.backend, [&] { ++done; });
            SUBCASE("before it is sent") {}
            SUBCASE("after it is sent") {
                REQUIRE(rig.until([&] { return !rig.server.cancelled.empty(); }));
            }
        }
        { const PoolSet doomed = std::move(rig.pools); }
        rig.loop.run_pending();
        CHECK(done == 0);
        CHECK(rig.server.open_count() == 0);
    }
}

}  // namespace
}  // namespace weir::pool
