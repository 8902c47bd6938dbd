#include "tests/support/feed_all_ways.hpp"
#include "tests/support/pool_support.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace weir::pool {
namespace {

using protocol::BackendMessage;
using protocol::FrontendMessage;
using test::Borrower;
using test::Bytes;
using test::PoolRig;
using test::Request;
using test::ServerConnection;
using test::Severity;
using test::TransactionStatus;

void one_connection(PoolPlan& plan) {
    plan.settings.max = 1;
}

std::vector<std::string> texts(const std::vector<Bytes>& pieces) {
    std::vector<std::string> result;
    result.reserve(pieces.size());
    for (const Bytes& piece : pieces) {
        result.emplace_back(as_text(piece));
    }
    return result;
}

/// Calls visit(pieces) for every way these words may arrive in.
template <class Visit>
void in_all_pieces(const std::string& words, Visit&& visit) {
    test::feed_all_ways(as_bytes(words), [&](const std::vector<Bytes>& pieces) {
        CAPTURE(pieces.size());
        CAPTURE(pieces[0].size());
        visit(texts(pieces));
    });
}

/// Everything a statement may be answered with.
std::string long_answer() {
    return test::message(BackendMessage::NoticeResponse, std::string(1, '\0')) +
           test::parameter("DateStyle", "German") +
           test::message(BackendMessage::RowDescription, std::string(2, '\0')) +
           test::message(BackendMessage::DataRow, "0123456789") +
           test::message(BackendMessage::NotificationResponse, "\1\1\1\1a") +
           test::completed("DISCARD ALL") + test::error(sqlstate::kInternalError, "no");
}

/// A server that says nothing by itself.
void keep_silent(PoolRig& rig) {
    rig.server.on_request = [](ServerConnection& /*silent*/, const Request& /*request*/) {};
}

TEST_SUITE("pool_pieces") {
    TEST_CASE("backend: a login means the same in whatever pieces it arrives") {
        PoolRig rig(one_connection);
        rig.server.on_login = [](ServerConnection& /*silent*/) {};
        in_all_pieces(test::ScriptedServer::welcome(1000), [&](const auto& pieces) {
            Borrower client{rig.loop, *rig.pool};
            client.acquire();
            const std::size_t count = rig.server.connections.size();
            REQUIRE(rig.until([&] {
                return rig.server.connections.size() > count &&
                       rig.server.connections.back()->is_logged_in;
            }));
            REQUIRE(rig.server.say_in_pieces(*rig.server.connections.back(), pieces));
            REQUIRE(rig.until([&] { return client.has_backend(); }));
            CHECK(client.backend->process_id() == 1000);
            CHECK(as_text(client.backend->cancel_secret()) == "key!");
            CHECK(client.backend->parameters() ==
                  ReportedParameters{{"server_version", "15.0"}, {"TimeZone", "UTC"}});
            client.release();
            rig.pool->close_idle();
        });
    }

    TEST_CASE("backend: what follows a login in the same read is not lost") {
        PoolRig rig(one_connection);
        rig.server.on_login = [](ServerConnection& connection) {
            connection.say(test::ScriptedServer::welcome(connection.process_id) +
                           test::parameter("TimeZone", "Asia/Tokyo"));
        };
        Borrower client{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        REQUIRE(
            rig.until([&] { return client.backend->parameters().back().second == "Asia/Tokyo"; }));
        REQUIRE(rig.ask(client, "SELECT 1"));
    }

    TEST_CASE("backend: an answer means the same in whatever pieces it arrives") {
        PoolRig rig(one_connection);
        keep_silent(rig);
        for (const TransactionStatus status :
             {TransactionStatus::Idle, TransactionStatus::InTransaction}) {
            const std::string answer = long_answer() + test::ready(status);
            Borrower client{rig.loop, *rig.pool};
            REQUIRE(rig.lend_to(client));
            ServerConnection& server = rig.connection_of(client);
            in_all_pieces(answer, [&](const auto& pieces) {
                client.replies.clear();
                client.reported.clear();
                client.backend->set_applied(rig.settings.none());
                client.ends = 0;
                client.query("x");
                REQUIRE(rig.server.say_in_pieces(server, pieces));
                CHECK(client.replies == answer);
                CHECK(client.reported == "datestyle=German;");
                CHECK(client.ends == 1);
                CHECK(client.backend->transaction_status() == status);
                CHECK(client.backend->is_at_rest() == (status == TransactionStatus::Idle));
                CHECK(client.backend->applied() == nullptr);
            });
            keep_silent(rig);
            server.say(test::ready());  // out of turn: this one goes
            REQUIRE(rig.until([&] { return !client.losses.empty(); }));
        }
    }

    TEST_CASE("backend: a message behind the last one does not keep the client, however cut") {
        PoolRig rig(one_connection);
        keep_silent(rig);
        const std::string end = test::completed("SELECT 1") + test::ready();
        const std::string async[] = {
            test::message(BackendMessage::NotificationResponse, "\1\1\1\1channel"),
            test::message(BackendMessage::NoticeResponse, std::string(1, '\0')),
            test::parameter("TimeZone", "Asia/Tokyo")};
        Borrower client{rig.loop, *rig.pool};
        client.releases_at_rest = true;
        for (const std::string& message : async) {
            in_all_pieces(end + message, [&](const auto& pieces) {
                REQUIRE(rig.lend_to(client));
                client.replies.clear();
                client.query("x");
                REQUIRE(rig.server.say_in_pieces(rig.connection_of(client), pieces));
                CHECK_FALSE(client.has_backend());
                CHECK(client.replies.starts_with(end));  // the rest when it came while leased
                CHECK(rig.row().backends_idle == 1);
            });
        }
        CHECK(rig.server.login_count() == 1);
    }

    TEST_CASE("backend: a pipeline with an error in it means the same in whatever pieces") {
        PoolRig rig(one_connection);
        keep_silent(rig);
        Borrower client{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        ServerConnection& server = rig.connection_of(client);
        const std::string answer = test::message(BackendMessage::ParseComplete, "") +
                                   test::error(sqlstate::kSyntaxError, "no") + test::ready() +
                                   test::message(BackendMessage::ParseComplete, "") +
                                   test::message(BackendMessage::BindComplete, "") +
                                   test::completed("SELECT 0") + test::ready();
        in_all_pieces(answer, [&](const auto& pieces) {
            client.replies.clear();
            for (int i = 0; i < 2; ++i) {
                client.send(FrontendMessage::Parse, "P");
                client.send(FrontendMessage::Bind, "B");
                client.send(FrontendMessage::Execute, "E");
                client.send(FrontendMessage::Sync, "S");
            }
            REQUIRE(rig.server.say_in_pieces(server, pieces));
            CHECK(client.replies == answer);
            CHECK(client.backend->is_at_rest());
        });
    }

    TEST_CASE("backend: answers to our own questions are swallowed in whatever pieces") {
        PoolRig rig(one_connection);
        const SettingsPtr german = rig.settings.intern({{"datestyle", "German"}});
        keep_silent(rig);
        Borrower client{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        ServerConnection& server = rig.connection_of(client);
        const std::string set = test::message(BackendMessage::ParseComplete, "") +
                                test::message(BackendMessage::BindComplete, "") +
                                test::message(BackendMessage::DataRow, "German") +
                                test::parameter("DateStyle", "German") +
                                test::completed("SELECT 1") + test::ready();
        const std::string answer = test::completed("SELECT 1") + test::ready();
        in_all_pieces(set + answer, [&](const auto& pieces) {
            client.prepared = 0;
            client.replies.clear();
            client.backend->set_applied(rig.settings.none());
            CHECK_FALSE(client.backend->prepare(german));
            client.query("x");
            REQUIRE(rig.server.say_in_pieces(server, pieces));
            CHECK(client.prepared == 1);
            CHECK(client.reported.empty());
            CHECK(client.replies == answer);
            CHECK(client.backend->applied() == german);
        });
    }

    TEST_CASE("backend: a server's end means the same in whatever pieces it arrives") {
        const std::string row = test::message(BackendMessage::DataRow, "0123456789");
        const std::string words =
            row + test::error(sqlstate::kAdminShutdown, "bye", Severity::Fatal);
        PoolRig rig(one_connection);
        keep_silent(rig);
        in_all_pieces(words, [&](const auto& pieces) {
            Borrower client{rig.loop, *rig.pool};
            REQUIRE(rig.lend_to(client));
            client.query("x");
            ServerConnection& server = rig.connection_of(client);
            REQUIRE(rig.server.say_in_pieces(server, pieces));
            server.hang_up();
            REQUIRE(rig.until([&] { return !client.losses.empty(); }));
            CHECK(client.replies == row);
            CHECK(client.losses.size() == 1);
            CHECK(client.losses[0].owed.size() == 1);
            CHECK_FALSE(client.losses[0].is_mid_frame);
            CHECK(client.losses[0].reason.detail == "server said: bye (SQLSTATE 57P01)");
        });
    }

    TEST_CASE("backend: a rollback's answer is understood in whatever pieces it arrives") {
        PoolRig rig(one_connection);
        keep_silent(rig);
        const std::string answer = test::completed("ROLLBACK") + test::ready();
        in_all_pieces(answer, [&](const auto& pieces) {
            Borrower client{rig.loop, *rig.pool};
            REQUIRE(rig.lend_to(client));
            ServerConnection& server = rig.connection_of(client);
            client.query("BEGIN");
            REQUIRE(rig.server.say_in_pieces(
                server,
                {test::completed("BEGIN") + test::ready(TransactionStatus::InTransaction)}));
            client.abandon();
            REQUIRE(rig.server.say_in_pieces(server, pieces));
            CHECK(rig.row().backends_idle == 1);
        });
        CHECK(rig.server.login_count() == 1);
    }
}

}  // namespace
}  // namespace weir::pool
