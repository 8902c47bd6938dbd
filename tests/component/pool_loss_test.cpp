#include "tests/support/pool_support.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <string>

namespace weir::pool {
namespace {

using protocol::BackendMessage;
using test::Borrower;
using test::PoolRig;
using test::Request;
using test::ServerConnection;
using test::Severity;
using test::TransactionStatus;

void one_connection(PoolPlan& plan) {
    plan.settings.max = 1;
}

/// A client that has the only connection, and one that waits for it.
struct LossScene {
    explicit LossScene(const PoolRig::Adjust& adjust = one_connection) : rig{adjust} {
        REQUIRE(rig.lend_to(client));
        id = client.backend->id();
        connection = &rig.connection_of(client);
        waiter.acquire();
    }

    /// @return whether the client was told once and the waiter got a new connection
    [[nodiscard]] bool is_lost_once() {
        const bool is_replaced = rig.until([this] { return waiter.has_backend(); });
        rig.loop.run_pending();
        return is_replaced && client.losses.size() == 1 && waiter.losses.empty() &&
               waiter.refusals.empty() && waiter.leases == 1 && waiter.backend->id() != id &&
               rig.row().open == 1 && rig.until([this] { return connection->is_over; });
    }

    [[nodiscard]] const BackendLoss& loss() const { return client.losses.at(0); }

    PoolRig rig;
    Borrower client{rig.loop, *rig.pool};
    Borrower waiter{rig.loop, *rig.pool};
    ServerConnection* connection = nullptr;
    std::uint64_t id = 0;
};

const std::string kLastWord =
    test::error(sqlstate::kAdminShutdown, "terminating connection", Severity::Fatal);

TEST_SUITE("pool_loss") {
    TEST_CASE("pool: the holder is told once what it was owed when its server goes") {
        LossScene scene;
        std::size_t owed = 0;
        TransactionStatus status = TransactionStatus::Idle;
        SUBCASE("at rest") {}
        SUBCASE("in a transaction") {
            REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
            status = TransactionStatus::InTransaction;
        }
        SUBCASE("during a statement") {
            scene.client.query("SLOW");
            REQUIRE(scene.rig.until([&] { return scene.connection->is_running; }));
            owed = 1;
        }
        SUBCASE("during a pipeline") {
            for (int i = 0; i < 3; ++i) {
                scene.client.query("SLOW");
            }
            REQUIRE(scene.rig.until([&] { return scene.connection->requests.size() == 4; }));
            owed = 3;
        }
        scene.connection->hang_up();
        REQUIRE(scene.is_lost_once());
        CHECK(scene.loss().owed.size() == owed);
        CHECK(scene.loss().status == status);
        CHECK_FALSE(scene.loss().is_mid_frame);
        CHECK(scene.loss().reason.sqlstate == sqlstate::kConnectionFailure);
        CHECK(scene.loss().reason.detail.empty());
    }

    TEST_CASE("pool: the holder learns that part of a message has reached its client") {
        LossScene scene;
        scene.client.query("SLOW");
        REQUIRE(scene.rig.until([&] { return scene.connection->is_running; }));
        const std::string row = test::message(BackendMessage::DataRow, "0123456789");
        scene.connection->say(row.substr(0, 8));
        scene.connection->hang_up();
        REQUIRE(scene.is_lost_once());
        CHECK(scene.loss().is_mid_frame);
        CHECK(scene.client.replies == row.substr(0, 8));
    }

    TEST_CASE("pool: the server's last word is part of the reason, not of the replies") {
        LossScene scene;
        scene.client.query("SLOW");
        REQUIRE(scene.rig.until([&] { return scene.connection->is_running; }));
        scene.connection->say(kLastWord);
        scene.connection->hang_up();
        REQUIRE(scene.is_lost_once());
        CHECK(scene.client.replies.empty());
        CHECK(scene.loss().reason.detail == "server said: terminating connection (SQLSTATE 57P01)");
    }

    TEST_CASE("pool: in session mode the client hears the server's last word itself") {
        LossScene scene{[](PoolPlan& plan) {
            one_connection(plan);
            plan.settings.mode = conf::PoolMode::Session;
        }};
        scene.connection->say(kLastWord);
        scene.connection->hang_up();
        REQUIRE(scene.is_lost_once());
        CHECK(scene.client.replies == kLastWord);
    }

    TEST_CASE("pool: after the server's last word a connection is not lent again") {
        LossScene scene;
        REQUIRE(scene.rig.server.say_in_pieces(*scene.connection, {kLastWord}));
        CHECK(scene.client.losses.empty());  // the end has not come yet
        SUBCASE("given back") {
            scene.client.release();
        }
        SUBCASE("left behind") {
            scene.client.abandon();
        }
        REQUIRE(scene.rig.until([&] { return scene.waiter.has_backend(); }));
        CHECK(scene.waiter.backend->id() != scene.id);
        CHECK(scene.rig.row().open == 1);
        REQUIRE(scene.rig.until([&] { return scene.connection->is_over; }));
    }

    TEST_CASE("pool: a message out of turn ends the lease and the connection") {
        LossScene scene;
        SUBCASE("of a kind nobody asked for") {
            scene.connection->say(test::message(BackendMessage::BindComplete, ""));
        }
        SUBCASE("of no known kind") {
            scene.connection->say(std::string{"!\0\0\0\4", 5});
        }
        SUBCASE("with a length that cannot be") {
            scene.connection->say(std::string{"Z\0\0\0\3I", 6});
        }
        SUBCASE("with a transaction status that cannot be") {
            scene.client.query("SLOW");
            REQUIRE(scene.rig.until([&] { return scene.connection->is_running; }));
            scene.connection->say(std::string{"Z\0\0\0\5?", 6});
        }
        REQUIRE(scene.is_lost_once());
        CHECK(scene.loss().reason.sqlstate == sqlstate::kProtocolViolation);
        CHECK(scene.client.replies.empty());
    }

    TEST_CASE("pool: a server that has gone is noticed by writing to it") {
        LossScene scene;
        scene.client.backend->pause_replies();
        scene.connection->hang_up();
        scene.client.query("SELECT 1");
        REQUIRE(scene.is_lost_once());
        CHECK(scene.loss().owed.size() == 1);
    }

    TEST_CASE("pool: a loss during a paused reply is told when the client reads on") {
        LossScene scene;
        scene.client.query("SLOW");
        REQUIRE(scene.rig.until([&] { return scene.connection->is_running; }));
        scene.client.backend->pause_replies();
        const std::string row = test::message(BackendMessage::DataRow, "0123456789");
        scene.connection->say(row);
        scene.connection->hang_up();
        scene.rig.loop.run_pending();
        CHECK(scene.client.replies.empty());
        CHECK(scene.client.losses.empty());
        scene.client.backend->resume_replies();
        REQUIRE(scene.is_lost_once());
        CHECK(scene.client.replies == row);
    }

    TEST_CASE("pool: a connection lost while settings are on their way is lost once") {
        LossScene scene;
        scene.rig.server.on_request = [](ServerConnection& connection, const Request& /*r*/) {
            connection.hang_up();
        };
        CHECK_FALSE(
            scene.client.backend->prepare(scene.rig.settings.intern({{"datestyle", "German"}})));
        REQUIRE(scene.is_lost_once());
        CHECK(scene.client.prepared == 0);
        CHECK(scene.client.prepare_failures.empty());
    }

    TEST_CASE("pool: a connection lost while it is cleaned gives its place to who waits") {
        LossScene scene;
        REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
        scene.rig.server.on_request = [](ServerConnection& connection, const Request& /*r*/) {
            connection.hang_up();
        };
        scene.client.abandon();
        REQUIRE(scene.rig.until([&] { return scene.waiter.has_backend(); }));
        CHECK(scene.waiter.backend->id() != scene.id);
        CHECK(scene.rig.row().open == 1);
        CHECK(scene.client.losses.empty());  // it has left
    }

    TEST_CASE("pool: an idle connection that goes is forgotten, and dialled again when wanted") {
        PoolRig rig(one_connection);
        Borrower client{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        const std::uint64_t id = client.backend->id();
        ServerConnection& connection = rig.connection_of(client);
        client.release();
        SUBCASE("without a word") {
            connection.hang_up();
        }
        SUBCASE("with a word, and before it hangs up") {
            connection.say(kLastWord);
        }
        SUBCASE("because it babbles") {
            connection.say(test::completed("nobody asked"));
        }
        REQUIRE(rig.until([&] { return rig.row().open == 0; }));
        CHECK(rig.row().backends_idle == 0);
        REQUIRE(rig.lend_to(client));
        CHECK(client.backend->id() != id);
        CHECK(client.losses.empty());
    }

    TEST_CASE("pool: notices and notifications to an idle connection do no harm") {
        PoolRig rig(one_connection);
        Borrower client{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        const std::uint64_t id = client.backend->id();
        ServerConnection& connection = rig.connection_of(client);
        client.release();
        const std::string async =
            test::message(BackendMessage::NoticeResponse, std::string(1, '\0')) +
            test::message(BackendMessage::NotificationResponse, "\1\1\1\1a");
        CHECK(rig.server.say_in_pieces(connection, {async}));
        REQUIRE(rig.lend_to(client));
        CHECK(client.backend->id() == id);
        CHECK(client.replies.empty());
    }

    TEST_CASE("pool: many clients lose their connections together and all get new ones") {
        PoolRig rig;
        std::deque<Borrower> clients;
        std::deque<Borrower> waiters;
        for (int i = 0; i < 4; ++i) {
            REQUIRE(rig.lend_to(clients.emplace_back(rig.loop, *rig.pool)));
        }
        for (int i = 0; i < 4; ++i) {
            waiters.emplace_back(rig.loop, *rig.pool).acquire();
        }
        for (const auto& connection : rig.server.connections) {
            connection->hang_up();
        }
        for (std::size_t i = 0; i < 4; ++i) {
            REQUIRE(rig.until([&] { return waiters[i].has_backend(); }));
            CHECK(clients[i].losses.size() == 1);
        }
        CHECK(rig.row().open == 4);
    }
}

}  // namespace
}  // namespace weir::pool
