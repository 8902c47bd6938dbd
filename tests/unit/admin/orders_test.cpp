#include "admin/orders.hpp"

#include <doctest/doctest.h>

namespace weir::admin {

namespace {

using control::Order;
using control::Verb;
using namespace std::chrono_literals;

std::variant<Order, protocol::ErrorFields> read(std::string_view text, Role role = Role::Admin) {
    const auto statements = split_statements(text);
    REQUIRE(statements.has_value());
    REQUIRE(statements->size() == 1);
    auto outcome = read_order(statements->front(), role);
    REQUIRE(outcome.has_value());
    return *std::move(outcome);
}

Order order(std::string_view text) {
    CAPTURE(text);
    auto outcome = read(text);
    REQUIRE(std::holds_alternative<Order>(outcome));
    return std::get<Order>(std::move(outcome));
}

SqlState problem(std::string_view text, Role role = Role::Admin) {
    CAPTURE(text);
    const auto outcome = read(text, role);
    REQUIRE(std::holds_alternative<protocol::ErrorFields>(outcome));
    return std::get<protocol::ErrorFields>(outcome).sqlstate;
}

}  // namespace

TEST_SUITE("admin orders") {
    TEST_CASE("each word is an order") {
        CHECK(order("PAUSE").verb == Verb::Pause);
        CHECK(order("resume").verb == Verb::Resume);
        CHECK(order("DISABLE a").verb == Verb::Disable);
        CHECK(order("ENABLE a").verb == Verb::Enable);
        CHECK(order("RECONNECT").verb == Verb::Reconnect);
        CHECK(order("KILL").verb == Verb::Kill);
        CHECK(order("SUSPEND").verb == Verb::Suspend);
        CHECK(order("WAIT_CLOSE").verb == Verb::WaitClose);
        CHECK(order("RELOAD").verb == Verb::Reload);
        CHECK(order("KILL_CLIENT 42").client == 42);
        CHECK(order("SHUTDOWN").shutdown == control::ShutdownMode::Immediate);
        CHECK(order("SHUTDOWN WAIT_FOR_SERVERS").shutdown == control::ShutdownMode::WaitForServers);
        CHECK(order("shutdown wait_for_clients").shutdown == control::ShutdownMode::WaitForClients);
    }

    TEST_CASE("databases keep their letters") {
        CHECK(order("PAUSE Shop").database == "Shop");
        CHECK(order("PAUSE \"my-Shop\"").database == "my-Shop");
        CHECK(order("PAUSE 'shop'").database == "shop");
        CHECK(order("PAUSE").database.empty());
        CHECK(problem("PAUSE a b") == sqlstate::kSyntaxError);
        CHECK(problem("PAUSE \"\"") == sqlstate::kSyntaxError);
        CHECK(problem("DISABLE") == sqlstate::kSyntaxError);
    }

    TEST_CASE("PAUSE may have a time") {
        CHECK(order("PAUSE TIMEOUT 5").timeout == 5000ms);
        CHECK(order("PAUSE TIMEOUT 5").database.empty());
        CHECK(order("PAUSE shop TIMEOUT 0.5").timeout == 500ms);
        CHECK(order("PAUSE shop TIMEOUT '2m'").timeout == 120'000ms);
        CHECK(order("PAUSE shop TIMEOUT 250ms").timeout == 250ms);
        CHECK(order("PAUSE timeout").database == "timeout");
        CHECK_FALSE(order("PAUSE timeout").timeout.has_value());
        for (const char* text : {"PAUSE TIMEOUT 0", "PAUSE TIMEOUT -1", "PAUSE a TIMEOUT soon"}) {
            CHECK(problem(text) == sqlstate::kSyntaxError);
        }
    }

    TEST_CASE("what is wrong is told") {
        CHECK(problem("KILL_CLIENT") == sqlstate::kSyntaxError);
        CHECK(problem("KILL_CLIENT x") == sqlstate::kInvalidParameterValue);
        CHECK(problem("KILL_CLIENT 99999999999999999999999") == sqlstate::kInvalidParameterValue);
        CHECK(problem("RELOAD now") == sqlstate::kSyntaxError);
        CHECK(problem("SHUTDOWN SOON") == sqlstate::kSyntaxError);
    }

    TEST_CASE("a breaker is reset by its member's address, in quotes or not") {
        CHECK(order("RESET BREAKER 10.0.0.1:5432").member == "10.0.0.1:5432");
        CHECK(order("reset breaker '[::1]:5432'").member == "[::1]:5432");
        CHECK(order("RESET BREAKER").member.empty());
    }

    TEST_CASE("a job is run by its name, whatever that consists of") {
        CHECK(order("RUN JOB vacuum").verb == Verb::RunJob);
        CHECK(order("RUN JOB vacuum").job == "vacuum");
        CHECK(order("run  job  partition public.events ").job == "partition public.events");
        CHECK(order("RUN JOB 'task it''s-time'").job == "task it's-time");
        CHECK(order("RUN JOB \"task Expire-Sessions\"").job == "task Expire-Sessions");
        CHECK(order("RUN JOB view \"Odd\".\"v\"").job == "view \"Odd\".\"v\"");
        for (const char* text : {"RUN", "RUN JOB", "RUN JOB ''", "RUN JOBS vacuum", "RUN vacuum"}) {
            CHECK(problem(text) == sqlstate::kSyntaxError);
        }
    }

    TEST_CASE("the cache is cleared of all, of a table, or of statements") {
        CHECK(order("CLEAR CACHE").verb == Verb::ClearCache);
        CHECK(order("clear cache").table.empty());
        CHECK(order("CLEAR CACHE Orders").table == "Orders");
        CHECK(order("CLEAR CACHE public.orders").table == "public.orders");
        CHECK(order("CLEAR CACHE \"my.schema\".\"a b\"").table == "my.schema.a b");
        CHECK(order("CLEAR CACHE 'orders'").table == "orders");
        CHECK(order("CLEAR CACHE matching").table == "matching");
        CHECK(order("CLEAR CACHE MATCHING 'select * from it''s%'").pattern ==
              "select * from it's%");
        CHECK(order("CLEAR CACHE MATCHING 'x'").table.empty());
        for (const char* text : {"CLEAR",
                                 "CLEAR it",
                                 "CLEAR CACHE a b",
                                 "CLEAR CACHE a.b.c",
                                 "CLEAR CACHE a.",
                                 "CLEAR CACHE \"\"",
                                 "CLEAR CACHE MATCHING ''",
                                 "CLEAR CACHE MATCHING 'a' 'b'"}) {
            CHECK(problem(text) == sqlstate::kSyntaxError);
        }
    }

    TEST_CASE("orders are told as they could be given again") {
        const conf::Config config;
        const auto told = [&config](std::string_view text) {
            const Order given = order(text);
            return action_of(given) + "|" + text_of(given, config);
        };
        CHECK(told("clear cache") == "CLEAR CACHE|CLEAR CACHE");
        CHECK(told("clear cache public.orders") == "CLEAR CACHE|CLEAR CACHE public.orders");
        CHECK(told("clear cache matching 'a*'") == "CLEAR CACHE|CLEAR CACHE MATCHING 'a*'");
        CHECK(told("run job view public.v") == "RUN JOB|RUN JOB view public.v");
    }

    TEST_CASE("viewers give no orders") {
        for (const OrderCommand& command : order_commands()) {
            const bool is_of_breaker = command.verb == Verb::ResetBreaker;
            const bool is_of_cache = command.verb == Verb::ClearCache;
            const std::string text = is_of_breaker ? "reset breaker"
                                     : is_of_cache ? "clear cache"
                                                   : std::string{command.word};
            CHECK(problem(text, Role::Viewer) == sqlstate::kInsufficientPrivilege);
        }
    }

    TEST_CASE("assignments are taken apart") {
        const auto parts = [](std::string_view text) {
            const auto assignment = read_assignment(text);
            return assignment ? assignment->key + "|" + assignment->value : std::string{"none"};
        };
        CHECK(parts("SET pool.max = 3") == "pool.max|3");
        CHECK(parts("set pool.max=3") == "pool.max|3");
        CHECK(parts("SET x TO 'it''s'") == "x|it's");
        CHECK(parts("SET database.\"a = b\".pool.max = 256MiB") ==
              "database.\"a = b\".pool.max|256MiB");
        CHECK(parts("SET x = ''") == "x|");
        CHECK(parts("SET x") == "none");
        CHECK(parts("SET = 3") == "none");
        CHECK(parts("SETx = 3") == "none");
    }
}

}  // namespace weir::admin
