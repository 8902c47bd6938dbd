#include "tests/support/pool_support.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace weir::pool {
namespace {

using protocol::FrontendMessage;
using std::chrono::seconds;
using test::Borrower;
using test::PoolRig;
using test::Request;
using test::ServerConnection;
using test::TransactionStatus;
using Departure = Backend::Departure;
using Frame = Backend::Frame;

void one_connection(PoolPlan& plan) {
    plan.settings.max = 1;
}

std::size_t count_of(const ServerConnection& connection, std::string_view sql) {
    return static_cast<std::size_t>(std::count_if(
        connection.requests.begin(), connection.requests.end(), [sql](const Request& request) {
            return request.type == 'Q' && request.text() == sql;
        }));
}

/// A client that has the only connection, and one that waits for it.
struct Departing {
    explicit Departing(const PoolRig::Adjust& adjust = one_connection) : rig{adjust} {
        REQUIRE(rig.lend_to(client));
        id = client.backend->id();
        connection = &rig.connection_of(client);
        waiter.acquire();
    }

    void leave(Departure departure = Departure::Vanished, Frame frame = Frame::Whole) {
        told = client.replies;
        client.abandon(departure, frame);
    }

    /// @return whether the waiter got the connection that was left behind, clean
    [[nodiscard]] bool is_inherited() {
        const bool is_lent = rig.until([&] { return waiter.has_backend(); });
        return is_lent && waiter.backend->id() == id && waiter.backend->is_at_rest() &&
               connection->status == TransactionStatus::Idle && waiter.replies.empty() &&
               client.replies == told && rig.ask(waiter, "NEXT") &&
               waiter.replies == test::completed("NEXT") + test::ready();
    }

    /// @return whether the connection is closed and the waiter got another one
    [[nodiscard]] bool is_replaced() {
        return rig.until([&] { return waiter.has_backend(); }) && waiter.backend->id() != id &&
               rig.until([&] { return connection->is_over; }) && rig.row().open == 1 &&
               client.losses.empty() && client.replies == told;
    }

    PoolRig rig;
    Borrower client{rig.loop, *rig.pool};
    Borrower waiter{rig.loop, *rig.pool};
    ServerConnection* connection = nullptr;
    std::uint64_t id = 0;
    std::string told;
};

TEST_SUITE("pool_abandon") {
    TEST_CASE("pool: a client that leaves in mid-transaction costs a rollback, not a connection") {
        Departing scene;
        REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
        SUBCASE("in good order") {}
        SUBCASE("after an error") {
            scene.connection->status = TransactionStatus::Failed;
            REQUIRE(scene.rig.ask(scene.client, "x"));
        }
        scene.leave();
        CHECK(scene.rig.row().backends_used == 1);
        CHECK(scene.is_inherited());
        CHECK(count_of(*scene.connection, "ROLLBACK") == 1);
        CHECK(scene.rig.server.cancelled.empty());
    }

    TEST_CASE("pool: what a vanished client left running is cancelled") {
        Departing scene;
        bool in_transaction = false;
        SUBCASE("by itself") {}
        SUBCASE("in a transaction") {
            in_transaction = true;
            REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
        }
        scene.client.query("SLOW");
        scene.leave();
        CHECK(scene.is_inherited());
        CHECK(scene.rig.server.cancelled == std::vector{scene.connection->process_id});
        CHECK(count_of(*scene.connection, "ROLLBACK") == (in_transaction ? 1 : 0));
    }

    TEST_CASE("pool: what a client left running when it said goodbye runs to its end") {
        Departing scene;
        scene.client.query("SLOW");
        REQUIRE(scene.rig.until([&] { return scene.connection->is_running; }));
        scene.leave(Departure::Orderly);
        scene.rig.loop.run_pending();
        CHECK(scene.rig.server.cancelled.empty());
        CHECK_FALSE(scene.waiter.has_backend());
        SUBCASE("however much it says") {
            const std::string big(std::size_t{700} * 1024, 'x');
            scene.connection->say(test::message(protocol::BackendMessage::DataRow, big));
        }
        SUBCASE("with an error") {
            scene.connection->say(test::error(sqlstate::kInternalError, "no"));
        }
        SUBCASE("in peace") {}
        scene.connection->say(test::completed("SLOW") + test::ready());
        CHECK(scene.is_inherited());
        CHECK(scene.rig.server.cancelled.empty());
    }

    TEST_CASE("pool: a statement that produces without end for nobody is cancelled after all") {
        Departing scene;
        scene.client.query("SLOW");
        REQUIRE(scene.rig.until([&] { return scene.connection->is_running; }));
        scene.leave(Departure::Orderly);
        const std::string big(std::size_t{600} * 1024, 'x');
        for (int i = 0; i < 2; ++i) {
            scene.connection->say(test::message(protocol::BackendMessage::DataRow, big));
        }
        CHECK(scene.is_inherited());
        CHECK(scene.rig.server.cancelled.size() == 1);
    }

    TEST_CASE("pool: who says goodbye in mid-transaction cannot commit any more") {
        Departing scene;
        REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
        scene.client.query("SLOW");
        scene.leave(Departure::Orderly);
        CHECK(scene.is_inherited());
        CHECK(scene.rig.server.cancelled.size() == 1);
        CHECK(count_of(*scene.connection, "ROLLBACK") == 1);
    }

    TEST_CASE("pool: a COPY from a client that has left is made to fail") {
        Departing scene;
        SUBCASE("by a Query") {
            scene.client.query("COPY FROM");
            REQUIRE(scene.rig.until([&] {
                return scene.client.backend->owed().copy() == protocol::ExpectedReplies::Copy::In;
            }));
        }
        SUBCASE("by a Query, in a transaction") {
            REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
            scene.client.query("COPY FROM");
            REQUIRE(scene.rig.until([&] {
                return scene.client.backend->owed().copy() == protocol::ExpectedReplies::Copy::In;
            }));
        }
        SUBCASE("with data on its way") {
            scene.client.query("COPY FROM");
            REQUIRE(scene.rig.until([&] {
                return scene.client.backend->owed().copy() == protocol::ExpectedReplies::Copy::In;
            }));
            scene.client.send(FrontendMessage::CopyData, std::string{"d\0\0\0\5x", 6});
        }
        scene.leave();
        CHECK(scene.is_inherited());
        CHECK(scene.connection->has_sent('f'));
        CHECK(scene.rig.server.cancelled.empty());
    }

    TEST_CASE("pool: a COPY that begins after its client has left is made to fail") {
        Departing scene;
        scene.client.query("SLOW");
        REQUIRE(scene.rig.until([&] { return scene.connection->is_running; }));
        bool has_sent_all = false;
        SUBCASE("without its data") {}
        SUBCASE("unless its data is there") {
            has_sent_all = true;
            scene.rig.server.on_request = [](ServerConnection& connection, const Request& request) {
                if (request.type != 'c') {  // which waits to be read
                    connection.answer(request);
                }
            };
            scene.client.send(FrontendMessage::CopyDone, std::string{"c\0\0\0\4", 5});
        }
        scene.leave(Departure::Orderly);
        scene.connection->is_running = false;
        scene.connection->say(test::copy_response(protocol::BackendMessage::CopyInResponse));
        if (has_sent_all) {
            REQUIRE(scene.rig.until([&] { return scene.connection->has_sent('c'); }));
            scene.connection->say(test::completed("COPY 0") + test::ready());
        }
        CHECK(scene.is_inherited());
        CHECK(scene.connection->has_sent('f') != has_sent_all);
    }

    TEST_CASE("pool: a COPY of the extended protocol gets its Sync, too") {
        Departing scene;
        scene.rig.server.on_request = [](ServerConnection& connection, const Request& request) {
            if (request.type == 'E') {
                connection.say(test::copy_response(protocol::BackendMessage::CopyInResponse));
            } else if (request.type == 'f') {
                connection.say(test::error(sqlstate::kQueryCanceled, "COPY failed"));
            } else {
                connection.answer(request);
            }
        };
        scene.client.send(FrontendMessage::Parse,
                          test::said([](ByteWriter& w) { protocol::write_parse(w, "", "x", {}); }));
        scene.client.send(FrontendMessage::Bind,
                          test::said([](ByteWriter& w) { protocol::write_bind(w, "", "", {}); }));
        scene.client.send(FrontendMessage::Execute,
                          test::said([](ByteWriter& w) { protocol::write_execute(w, "", 0); }));
        REQUIRE(scene.rig.until([&] {
            return scene.client.backend->owed().copy() == protocol::ExpectedReplies::Copy::In;
        }));
        scene.leave();
        CHECK(scene.is_inherited());
        CHECK(scene.connection->has_sent('S'));
    }

    TEST_CASE("pool: a pipeline without its Sync is ended with one") {
        Departing scene;
        scene.client.send(FrontendMessage::Parse,
                          test::said([](ByteWriter& w) { protocol::write_parse(w, "", "x", {}); }));
        SUBCASE("while it is under way") {}
        SUBCASE("after its answers") {
            REQUIRE(scene.rig.until([&] { return scene.client.backend->owed().empty(); }));
        }
        scene.leave();
        CHECK(scene.is_inherited());
        CHECK(scene.connection->has_sent('S'));
    }

    TEST_CASE(
        "pool: where the server waits for bytes that will not come the connection is closed") {
        Departing scene;
        SUBCASE("half a message") {
            scene.client.send(FrontendMessage::Query, std::string{"Q\0\0\1\0SELECT", 11});
            scene.leave(Departure::Vanished, Frame::Open);
        }
        SUBCASE("half a message behind a whole one") {
            scene.client.query("SLOW");
            scene.client.send(FrontendMessage::Query, std::string{"Q\0\0\1\0SELECT", 11});
            scene.leave(Departure::Orderly, Frame::Open);
        }
        SUBCASE("a COPY in both directions") {
            scene.client.query("SLOW");
            REQUIRE(scene.rig.until([&] { return scene.connection->is_running; }));
            scene.connection->say(test::copy_response(protocol::BackendMessage::CopyBothResponse));
            REQUIRE(scene.rig.until([&] {
                return scene.client.backend->owed().copy() == protocol::ExpectedReplies::Copy::Both;
            }));
            scene.leave();
        }
        SUBCASE("settings on their way") {
            CHECK_FALSE(scene.client.backend->prepare(
                scene.rig.settings.intern({{"datestyle", "German"}})));
            scene.leave();
        }
        CHECK(scene.is_replaced());
        CHECK(count_of(*scene.connection, "ROLLBACK") == 0);
    }

    TEST_CASE("pool: a COPY that may have swallowed a Sync costs the connection") {
        Departing scene;
        scene.rig.server.on_request = [](ServerConnection& connection, const Request& request) {
            if (request.type != 'S') {  // inside the COPY
                connection.answer(request);
            }
        };
        scene.client.query("COPY FROM");
        REQUIRE(scene.rig.until([&] {
            return scene.client.backend->owed().copy() == protocol::ExpectedReplies::Copy::In;
        }));
        scene.client.send(FrontendMessage::Sync,
                          test::said([](ByteWriter& w) { protocol::write_sync(w); }));
        scene.leave();  // it breaks off while the Sync is on its way: is that one answered?
        CHECK(scene.is_replaced());
    }

    TEST_CASE("pool: leaving while half a reply has passed loses nothing of the next one's") {
        Departing scene;
        scene.client.query("SLOW");
        REQUIRE(scene.rig.until([&] { return scene.connection->is_running; }));
        scene.connection->is_running = false;  // it ends by itself, in two pieces
        const std::string row = test::message(protocol::BackendMessage::DataRow, "0123456789");
        scene.connection->say(row.substr(0, 9));
        REQUIRE(scene.rig.until([&] { return scene.client.replies == row.substr(0, 9); }));
        CHECK(scene.client.backend->is_mid_frame());
        scene.leave();
        scene.connection->say(row.substr(9) + test::completed("SLOW") + test::ready());
        CHECK(scene.is_inherited());
    }

    TEST_CASE("pool: a rollback the server does not answer ends the connection") {
        Departing scene;
        REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
        scene.rig.server.on_request = [](ServerConnection& /*silent*/, const Request& /*r*/) {};
        const TimePoint begun = Clock::now();
        scene.leave();
        CHECK(scene.is_replaced());
        CHECK(Clock::now() - begun >= seconds{5});
    }

    TEST_CASE("pool: in session mode every connection that comes back is reset") {
        Departing scene{[](PoolPlan& plan) {
            one_connection(plan);
            plan.settings.mode = conf::PoolMode::Session;
        }};
        bool in_transaction = false;
        SUBCASE("given back at rest") {
            scene.client.release();
        }
        SUBCASE("left in mid-transaction") {
            in_transaction = true;
            REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
            scene.leave();
        }
        CHECK(scene.is_inherited());
        CHECK(count_of(*scene.connection, "DISCARD ALL") == 1);
        CHECK(count_of(*scene.connection, "ROLLBACK") == (in_transaction ? 1 : 0));
        CHECK(scene.waiter.backend->applied() == scene.rig.settings.none());
    }

    TEST_CASE("pool: what reset_query undoes of connect_query is done again") {
        Departing scene{[](PoolPlan& plan) {
            one_connection(plan);
            plan.settings.mode = conf::PoolMode::Session;
            plan.connect_query = "SET x = 1";
        }};
        CHECK(count_of(*scene.connection, "SET x = 1") == 1);
        scene.client.release();
        CHECK(scene.is_inherited());
        const auto& requests = scene.connection->requests;
        REQUIRE(requests.size() == 5);  // startup, connect_query, reset, connect_query, NEXT
        CHECK(requests[2].text() == "DISCARD ALL");
        CHECK(requests[3].text() == "SET x = 1");
    }

    TEST_CASE("pool: a connection that could not be made clean is closed") {
        Departing scene{[](PoolPlan& plan) {
            one_connection(plan);
            plan.settings.mode = conf::PoolMode::Session;
        }};
        std::string failing;
        SUBCASE("by its reset_query") {
            failing = "DISCARD ALL";
        }
        SUBCASE("by its rollback") {
            failing = "ROLLBACK";
            REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
        }
        scene.rig.server.on_request = [&](ServerConnection& connection, const Request& request) {
            if (request.type == 'Q' && request.text() == failing) {
                connection.say(test::error(sqlstate::kQueryCanceled, "statement timeout") +
                               test::ready(connection.status));
            } else {
                connection.answer(request);
            }
        };
        scene.leave();
        CHECK(scene.is_replaced());
    }
}

}  // namespace
}  // namespace weir::pool
