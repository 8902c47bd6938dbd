#include "tests/support/pool_support.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir::pool {
namespace {

using test::Borrower;
using test::PoolRig;
using test::Request;
using test::ServerConnection;

void one_connection(PoolPlan& plan) {
    plan.settings.max = 1;
}

/// A client that has the only connection.
struct SettingsScene {
    SettingsScene() {
        REQUIRE(rig.lend_to(client));
        connection = &rig.connection_of(client);
    }

    /// Brings the connection to these settings.
    [[nodiscard]] bool prepare(const SettingsPtr& wanted) {
        const int before = client.prepared;
        return client.backend->prepare(wanted) ||
               rig.until([&] { return client.prepared > before; });
    }

    PoolRig rig{one_connection};
    Borrower client{rig.loop, *rig.pool};
    ServerConnection* connection = nullptr;
    SettingsPtr german = rig.settings.intern({{"datestyle", "German"}});
};

TEST_SUITE("pool_settings") {
    TEST_CASE("backend: takes a client's settings, and the client hears nothing of it") {
        SettingsScene scene;
        CHECK_FALSE(scene.client.backend->prepare(scene.german));
        CHECK_FALSE(scene.client.backend->is_at_rest());
        scene.client.query("SELECT 1");  // need not wait
        REQUIRE(scene.rig.until([&] { return scene.client.ends == 1; }));
        CHECK(scene.client.prepared == 1);
        CHECK(scene.client.replies == test::completed("SELECT 1") + test::ready());
        CHECK(scene.client.backend->applied() == scene.german);
        CHECK(scene.client.backend->is_at_rest());
        CHECK(scene.client.backend->prepare(scene.german));  // nothing to do: no message
        CHECK(scene.connection->requests.size() == 6);       // startup, P, B, E, S, Q
    }

    TEST_CASE("backend: what the last client set is reset for the next one") {
        SettingsScene scene;
        REQUIRE(scene.prepare(scene.german));
        scene.client.release();
        Borrower next{scene.rig.loop, *scene.rig.pool};
        REQUIRE(scene.rig.lend_to(next));
        CHECK_FALSE(next.backend->prepare(scene.rig.settings.none()));
        REQUIRE(scene.rig.until([&] { return next.prepared == 1; }));
        CHECK(scene.connection->has_asked("RESET \"datestyle\""));
        CHECK(next.backend->applied() == scene.rig.settings.none());
    }

    TEST_CASE("backend: a parameter that settings change is remembered but not reported") {
        SettingsScene scene;
        scene.rig.server.on_request = [](ServerConnection& connection, const Request& request) {
            connection.answer(request);
            if (request.type == 'E') {
                connection.say(test::parameter("DateStyle", "German, DMY"));
            }
        };
        REQUIRE(scene.prepare(scene.german));
        CHECK(scene.client.reported.empty());
        CHECK(scene.client.replies.empty());
        CHECK(scene.client.backend->parameters().back() ==
              std::pair<std::string, std::string>{"DateStyle", "German, DMY"});
        CHECK(scene.rig.pool->default_of("datestyle") == nullptr);
    }

    TEST_CASE("backend: settings the server does not take are told once, and it starts afresh") {
        SettingsScene scene;
        scene.rig.server.on_request = [](ServerConnection& connection, const Request& request) {
            if (request.type == 'B') {
                connection.say(test::error(sqlstate::kInvalidParameterValue, "invalid value"));
            } else if (request.type != 'E') {  // skipped until Sync
                connection.answer(request);
            }
        };
        CHECK_FALSE(scene.client.backend->prepare(scene.german));
        REQUIRE(scene.rig.until([&] { return !scene.client.prepare_failures.empty(); }));
        scene.rig.loop.run_pending();
        REQUIRE(scene.client.prepare_failures.size() == 1);
        CHECK(scene.client.prepare_failures[0].sqlstate == sqlstate::kInvalidParameterValue);
        CHECK(scene.client.prepare_failures[0].message == "invalid value");
        CHECK(scene.client.prepared == 0);
        CHECK(scene.client.replies.empty());
        CHECK(scene.client.backend->applied() == nullptr);
        CHECK(scene.client.backend->is_at_rest());

        scene.client.release();
        REQUIRE(scene.rig.lend_to(scene.client));
        REQUIRE(scene.prepare(scene.rig.settings.none()));
        CHECK(scene.connection->has_asked(
            "SET statement_timeout TO 0; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL"));
        CHECK(scene.client.prepare_failures.size() == 1);
    }

    TEST_CASE("backend: a message that comes by itself behind the settings is for nobody") {
        SettingsScene scene;
        const std::string notification =
            test::message(protocol::BackendMessage::NotificationResponse, std::string(2000, 'x'));
        std::string behind;
        bool is_split = false;
        SUBCASE("whole") {
            behind = notification;
        }
        SUBCASE("in two pieces") {
            behind = notification.substr(0, 1000);
            is_split = true;
        }
        scene.rig.server.on_request = [&](ServerConnection& connection, const Request& request) {
            if (request.type == 'S') {
                connection.say(test::ready() + behind);
            } else {
                connection.answer(request);
            }
        };
        CHECK_FALSE(scene.client.backend->prepare(scene.german));
        if (is_split) {
            REQUIRE(scene.rig.until([&] { return scene.client.backend->has_partial_frame(); }));
            CHECK(scene.client.prepared == 0);
            scene.connection->say(notification.substr(1000));
        }
        REQUIRE(scene.rig.until([&] { return scene.client.prepared == 1; }));
        CHECK(scene.client.replies.empty());
        CHECK(scene.client.backend->is_at_rest());
        scene.client.release();
        CHECK(scene.rig.row().backends_idle == 1);
    }

    TEST_CASE("backend: a parameter the client's own statement changes is reported to it") {
        SettingsScene scene;
        scene.rig.server.on_request = [](ServerConnection& connection, const Request& request) {
            connection.say(test::parameter("TimeZone", "Asia/Tokyo") +
                           test::parameter("is_superuser", "off"));
            connection.answer(request);
        };
        REQUIRE(scene.rig.ask(scene.client, "SET"));
        CHECK(scene.client.reported == "timezone=Asia/Tokyo;");
        CHECK(scene.client.replies == test::parameter("TimeZone", "Asia/Tokyo") +
                                          test::parameter("is_superuser", "off") +
                                          test::completed("SET") + test::ready());
    }

    TEST_CASE("backend: a client's DISCARD ALL or RESET makes what is applied unknown") {
        for (const char* statement : {"DISCARD ALL", "RESET"}) {
            CAPTURE(statement);
            SettingsScene scene;
            REQUIRE(scene.prepare(scene.german));
            REQUIRE(scene.rig.ask(scene.client, "SELECT 1"));
            CHECK(scene.client.backend->applied() == scene.german);
            REQUIRE(scene.rig.ask(scene.client, statement));
            CHECK(scene.client.backend->applied() == nullptr);
        }
    }

    TEST_CASE("backend: in statement mode a ReadyForQuery that opens a transaction is held back") {
        SettingsScene scene;
        scene.rig.reload([](PoolPlan& plan) { plan.settings.mode = conf::PoolMode::Statement; });
        REQUIRE(scene.rig.ask(scene.client, "BEGIN"));
        CHECK(scene.client.replies == test::completed("BEGIN"));
        CHECK(scene.client.ends == 1);
        CHECK(scene.client.backend->transaction_status() ==
              protocol::TransactionStatus::InTransaction);
    }
}

}  // namespace
}  // namespace weir::pool
