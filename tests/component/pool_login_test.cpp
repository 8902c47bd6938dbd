#include "protocol/frontend_views.hpp"
#include "protocol/scram.hpp"
#include "tests/support/pool_support.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <optional>
#include <string>

namespace weir::pool {
namespace {

using std::chrono::milliseconds;
using test::Borrower;
using test::PoolRig;
using test::Request;
using test::ServerConnection;
using test::Severity;

void short_patience(PoolPlan& plan) {
    plan.settings.acquire_timeout = milliseconds{500};
}

/// Every login ends with this error.
void refuse_logins(PoolRig& rig, SqlState sqlstate, const std::string& text) {
    rig.server.on_login = [sqlstate, text](ServerConnection& connection) {
        connection.say(test::error(sqlstate, text, Severity::Fatal));
        connection.hang_up();
    };
}

void welcome_logins(PoolRig& rig) {
    rig.server.on_login = [](ServerConnection& connection) {
        connection.say(test::ScriptedServer::welcome(connection.process_id));
    };
}

TEST_SUITE("pool_login") {
    TEST_CASE("pool: a wrong password is told to all who wait, at once and in the server's words") {
        PoolRig rig;
        refuse_logins(rig, sqlstate::kInvalidPassword, "password authentication failed");
        std::deque<Borrower> clients;
        for (int i = 0; i < 3; ++i) {
            clients.emplace_back(rig.loop, *rig.pool).acquire();
        }
        REQUIRE(rig.until([&] { return !clients.back().refusals.empty(); }));
        for (const Borrower& client : clients) {
            REQUIRE(client.refusals.size() == 1);
            CHECK(client.refusals[0].is_final);
            CHECK(client.refusals[0].fields.sqlstate == sqlstate::kInvalidPassword);
            CHECK(client.refusals[0].fields.message == "password authentication failed");
        }
        CHECK(rig.pool->failure_text() == "password authentication failed");
        REQUIRE(rig.until([&] { return rig.row().open == 0; }));

        welcome_logins(rig);
        Borrower later{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(later));
        CHECK(rig.pool->failure_text().empty());
    }

    TEST_CASE("pool: credentials learnt from a client are tried without delay") {
        PoolRig rig;
        std::string password;
        rig.server.on_login = [](ServerConnection& connection) {
            connection.say(test::message(protocol::BackendMessage::Authentication,
                                         std::string{"\0\0\0\3", 4}));
        };
        rig.server.on_request = [&](ServerConnection& connection, const Request& request) {
            password = request.text();
            connection.say(test::ScriptedServer::welcome(connection.process_id));
        };
        Borrower first{rig.loop, *rig.pool};
        first.acquire();
        REQUIRE(rig.until([&] { return !first.refusals.empty(); }));
        CHECK(first.refusals[0].fields.sqlstate == sqlstate::kInvalidPassword);

        rig.pool->learn({"secret", std::nullopt});
        REQUIRE(rig.lend_to(first));
        CHECK(password == "secret");
    }

    TEST_CASE("pool: derives SCRAM keys off the loop and logs in with them") {
        PoolRig rig;
        protocol::ScramServer scram{
            protocol::ScramVerifier::derive("secret", as_bytes("0123456789abcdef"), 4096)};
        rig.server.on_login = [](ServerConnection& connection) {
            connection.say(test::said([](ByteWriter& writer) {
                protocol::write_authentication_sasl(writer, std::array{protocol::kScramMechanism});
            }));
        };
        int steps = 0;
        rig.server.on_request = [&](ServerConnection& connection, const Request& request) {
            ByteWriter writer;
            if (++steps == 1) {
                const auto view = protocol::read_sasl_initial(as_bytes(request.body));
                REQUIRE(view.has_value());
                const auto first = scram.client_first(view->data);
                REQUIRE(first.has_value());
                protocol::write_authentication_sasl_continue(writer, *first);
            } else {
                const auto last = scram.client_final(request.body);
                REQUIRE(last.has_value());
                protocol::write_authentication_sasl_final(writer, *last);
                writer.text(test::ScriptedServer::welcome(connection.process_id));
            }
            connection.say(as_text(writer.bytes()));
        };
        rig.pool->learn({"secret", std::nullopt});
        Borrower client{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(client));
        CHECK(steps == 2);
    }

    TEST_CASE("pool: waits for a server that is not there yet, one attempt at a time") {
        PoolRig rig;
        rig.server.shut();
        std::deque<Borrower> clients;
        for (int i = 0; i < 4; ++i) {
            clients.emplace_back(rig.loop, *rig.pool).acquire();
        }
        REQUIRE(rig.until([&] { return rig.count_of(status::PoolEvent::CreateFail) == 4; }));
        CHECK(rig.row().backends_login == 0);
        REQUIRE(rig.until([&] { return rig.count_of(status::PoolEvent::CreateFail) == 5; }));
        CHECK(rig.row().backends_login == 0);
        CHECK(clients[0].refusals.empty());  // told to nobody: it may come back
        rig.server.open();
        for (const Borrower& client : clients) {
            REQUIRE(rig.until([&] { return client.has_backend(); }));
            CHECK(client.refusals.empty());
        }
        CHECK(rig.row().open == 4);
    }

    TEST_CASE("pool: tells why nobody could be connected when acquire_timeout has passed") {
        PoolRig rig([](PoolPlan& plan) {
            short_patience(plan);
            plan.endpoint = test::tcp("127.0.0.1", test::free_port());
        });
        Borrower client{rig.loop, *rig.pool};
        client.acquire();
        REQUIRE(rig.until([&] { return !rig.pool->failure_text().empty(); }));
        REQUIRE(rig.until([&] { return !client.refusals.empty(); }));
        CHECK_FALSE(client.refusals[0].is_final);
        CHECK(client.refusals[0].fields.sqlstate == sqlstate::kCannotConnectNow);
        const std::string& text = client.refusals[0].fields.message;
        CHECK(text.starts_with("server login failed: connect failed (127.0.0.1:"));
        CHECK(text.ends_with("Connection refused)"));

        // It has been failing for so long that the next one need not wait.
        test::turn_for(rig.loop, milliseconds{510});
        client.acquire();
        REQUIRE(client.refusals.size() == 2);
        CHECK(client.refusals[1].fields.message.find("cached error") != std::string::npos);
    }

    TEST_CASE("pool: a failure of long ago keeps nobody from trying again") {
        milliseconds timeout{};
        milliseconds pause{};
        SUBCASE("where nobody has tried since") {
            timeout = milliseconds{100};
            pause = milliseconds{1500};
        }
        SUBCASE("where clients wait without end") {}
        PoolRig rig([&](PoolPlan& plan) { plan.settings.acquire_timeout = timeout; });
        refuse_logins(rig, sqlstate::kCannotConnectNow, "the database system is starting up");
        {
            Borrower early{rig.loop, *rig.pool};
            early.acquire();
            REQUIRE(rig.until([&] { return !rig.pool->failure_text().empty(); }));
            REQUIRE(rig.until(
                [&] { return timeout == milliseconds::zero() || !early.refusals.empty(); }));
        }
        test::turn_for(rig.loop, pause);
        welcome_logins(rig);
        Borrower late{rig.loop, *rig.pool};
        late.acquire();
        REQUIRE(rig.until([&] { return late.has_backend() || !late.refusals.empty(); }));
        CHECK(late.has_backend());
    }

    TEST_CASE("pool: a connection dialled for one who was refused at once is looked after") {
        PoolRig rig([](PoolPlan& plan) {
            plan.settings.acquire_timeout = milliseconds{50};
            plan.settings.idle_timeout = milliseconds{50};
        });
        refuse_logins(rig, sqlstate::kCannotConnectNow, "the database system is starting up");
        Borrower client{rig.loop, *rig.pool};
        client.acquire();
        REQUIRE(rig.until([&] { return !client.refusals.empty(); }));
        test::turn_for(rig.loop, milliseconds{60});  // it has failed for acquire_timeout by now
        const std::size_t tries = rig.server.connections.size();
        welcome_logins(rig);
        while (rig.server.connections.size() == tries) {
            const std::size_t refusals = client.refusals.size();
            client.acquire();  // refused at once, whether it is time to try again or not
            REQUIRE(client.refusals.size() == refusals + 1);
            test::turn_for(rig.loop, milliseconds{5});
        }
        REQUIRE(rig.until([&] { return rig.row().backends_idle == 1; }));
        CHECK(rig.until([&] { return rig.server.open_count() == 0; }));
    }

    TEST_CASE("pool: a server that is starting up is asked again until it lets us in") {
        PoolRig rig;
        refuse_logins(rig, sqlstate::kCannotConnectNow, "the database system is starting up");
        Borrower client{rig.loop, *rig.pool};
        client.acquire();
        REQUIRE(rig.until([&] { return rig.server.login_count() == 2; }));
        CHECK(client.refusals.empty());
        welcome_logins(rig);
        REQUIRE(rig.until([&] { return client.has_backend(); }));
        CHECK(client.refusals.empty());
        CHECK(rig.pool->failure_text().empty());
    }

    TEST_CASE("pool: gives up a login by its deadline, or when the server goes or babbles") {
        struct Row {
            const char* what = nullptr;
            void (*on_login)(ServerConnection&) = nullptr;
            SqlState sqlstate;
            bool is_final = false;
        };

        const Row rows[] = {
            {"silence", [](ServerConnection& /*silent*/) {}, sqlstate::kCannotConnectNow, false},
            {"half a login",
             [](ServerConnection& connection) {
                 connection.say(test::ScriptedServer::welcome(1).substr(0, 30));
             },
             sqlstate::kCannotConnectNow,
             false},
            {"goes",
             [](ServerConnection& connection) { connection.hang_up(); },
             sqlstate::kCannotConnectNow,
             false},
            {"not PostgreSQL",
             [](ServerConnection& connection) { connection.say("HTTP/1.1 400 Bad Request"); },
             sqlstate::kProtocolViolation,
             true},
            {"ready before it let us in",
             [](ServerConnection& connection) { connection.say(test::ready()); },
             sqlstate::kProtocolViolation,
             true}};
        for (const Row& row : rows) {
            CAPTURE(row.what);
            PoolRig rig([](PoolPlan& plan) {
                short_patience(plan);
                plan.connect_timeout = milliseconds{100};
            });
            rig.server.on_login = row.on_login;
            Borrower client{rig.loop, *rig.pool};
            client.acquire();
            REQUIRE(rig.until([&] { return !client.refusals.empty(); }));
            CHECK(client.refusals[0].fields.sqlstate == row.sqlstate);
            CHECK(client.refusals[0].is_final == row.is_final);
            REQUIRE(rig.until([&] { return rig.server.open_count() == 0; }));
        }
    }

    TEST_CASE("pool: a connect_query that fails is a failed login") {
        PoolRig rig([](PoolPlan& plan) { plan.connect_query = "SET nonsense"; });
        SqlState sqlstate = sqlstate::kUndefinedObject;
        SUBCASE("for good") {}
        SUBCASE("for now, when the server is going down") {
            sqlstate = sqlstate::kAdminShutdown;
        }
        rig.server.on_request = [&](ServerConnection& connection, const Request& /*request*/) {
            connection.say(test::error(sqlstate, "no", Severity::Fatal));
        };
        Borrower client{rig.loop, *rig.pool};
        client.acquire();
        REQUIRE(rig.until([&] { return !rig.pool->failure_text().empty(); }));
        CHECK(rig.pool->failure_text() == "connect_query failed: no");
        if (sqlstate == sqlstate::kUndefinedObject) {
            REQUIRE(client.refusals.size() == 1);
            CHECK(client.refusals[0].fields.sqlstate == sqlstate);
            return;
        }
        rig.server.on_request = [](ServerConnection& connection, const Request& request) {
            connection.answer(request);
        };
        REQUIRE(rig.until([&] { return client.has_backend(); }));
        CHECK(client.refusals.empty());
    }

    TEST_CASE("pool: a connect_query that leaves a transaction open is a failed login") {
        PoolRig rig([](PoolPlan& plan) { plan.connect_query = "BEGIN"; });
        Borrower client{rig.loop, *rig.pool};
        client.acquire();
        REQUIRE(rig.until([&] { return client.has_backend() || !client.refusals.empty(); }));
        REQUIRE_FALSE(client.has_backend());
        CHECK(client.refusals[0].fields.sqlstate == sqlstate::kActiveTransaction);
    }

    TEST_CASE(
        "pool: a server that babbles in its answer to connect_query is not dialled on and on") {
        PoolRig rig([](PoolPlan& plan) {
            short_patience(plan);
            plan.connect_query = "SET x = 1";
        });
        rig.server.on_request = [](ServerConnection& connection, const Request& /*request*/) {
            connection.say(test::message(protocol::BackendMessage::BindComplete, ""));
        };
        Borrower client{rig.loop, *rig.pool};
        client.acquire();
        REQUIRE(rig.until([&] { return !client.refusals.empty(); }));
        CHECK(client.refusals[0].fields.sqlstate == sqlstate::kProtocolViolation);
        CHECK(rig.server.login_count() == 1);
    }
}

}  // namespace
}  // namespace weir::pool
