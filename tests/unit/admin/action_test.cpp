#include "admin/action.hpp"

#include <doctest/doctest.h>

namespace weir::admin {

namespace {

std::variant<Action, protocol::ErrorFields> interpret_text(std::string_view text,
                                                           Role role = Role::Admin) {
    const auto statements = split_statements(text);
    REQUIRE(statements.has_value());
    REQUIRE(statements->size() == 1);
    conf::Config config;
    config.admin.database = "weir";
    return interpret(statements->front(),
                     Asker{.role = role, .version = "1.2.3", .config = config});
}

std::string tag_of(std::string_view text) {
    const auto outcome = interpret_text(text);
    const auto* action = std::get_if<Action>(&outcome);
    return action == nullptr ? "error" : action->tag;
}

/// "column=value" of the one value the answer has.
std::string value_of(std::string_view text) {
    const auto outcome = interpret_text(text);
    const auto* action = std::get_if<Action>(&outcome);
    if (action == nullptr || action->columns.size() != 1) {
        return "none";
    }
    const Cell& value = action->rows.at(0).at(0);
    std::string shown = "NULL";
    if (const auto* word = std::get_if<std::string>(&value)) {
        shown = *word;
    } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
        shown = std::to_string(*number);
    }
    return std::string{action->columns[0].name} + "=" + shown;
}

}  // namespace

TEST_SUITE("admin action") {
    TEST_CASE("every command is found in any case") {
        for (const Command& command : commands()) {
            CAPTURE(command.name);
            const auto outcome = interpret_text("ShOw " + std::string{command.name});
            REQUIRE(std::holds_alternative<Action>(outcome));
            CHECK(std::get<Action>(outcome).command == &command);
            CHECK(std::get<Action>(outcome).tag == "SHOW");
        }
    }

    TEST_CASE("what drivers and pools send on their own is accepted") {
        struct Case {
            const char* text;
            const char* tag;
        };

        const Case cases[] = {
            {"SET extra_float_digits = 3", "SET"},
            {"SET TIME ZONE 'UTC'", "SET"},
            {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET"},
            {"BEGIN", "BEGIN"},
            {"BEGIN ISOLATION LEVEL READ COMMITTED", "BEGIN"},
            {"START TRANSACTION", "START TRANSACTION"},
            {"COMMIT", "COMMIT"},
            {"END", "COMMIT"},
            {"ROLLBACK", "ROLLBACK"},
            {"ROLLBACK TO SAVEPOINT a", "ROLLBACK"},
            {"SAVEPOINT a", "SAVEPOINT"},
            {"RELEASE a", "RELEASE"},
            {"DISCARD ALL", "DISCARD ALL"},
            {"DEALLOCATE ALL", "DEALLOCATE ALL"},
            {"DEALLOCATE PREPARE \"_pg3_0\"", "DEALLOCATE"},
            {"SELECT pg_advisory_unlock_all()", "SELECT"},
            {"CLOSE ALL", "CLOSE CURSOR ALL"},
            {"UNLISTEN *", "UNLISTEN"},
            {"RESET ALL", "RESET"},
        };
        for (const Case& expected : cases) {
            CAPTURE(expected.text);
            CHECK(tag_of(expected.text) == expected.tag);
        }
    }

    TEST_CASE("values that tools ask for are given") {
        CHECK(value_of("SELECT 1") == "?column?=1");
        CHECK(value_of("select version()") == "version=PostgreSQL 15.0 (Weir 1.2.3)");
        CHECK(value_of("select pg_catalog.version()") == "version=PostgreSQL 15.0 (Weir 1.2.3)");
        CHECK(value_of("select current_schema()") == "current_schema=NULL");
        CHECK(value_of("SELECT current_database()") == "current_database=weir");
        CHECK(value_of("SHOW server_version") == "server_version=15.0 (Weir 1.2.3)");
        CHECK(value_of("SHOW TimeZone") == "TimeZone=UTC");
        CHECK(value_of("SHOW TIME ZONE") == "TimeZone=UTC");
        CHECK(value_of("SHOW TRANSACTION ISOLATION LEVEL") ==
              "transaction_isolation=read committed");
    }

    TEST_CASE("psqlODBC finds no type for large objects") {
        const auto outcome =
            interpret_text("select oid, typbasetype from pg_type where typname = 'lo'");
        const auto* action = std::get_if<Action>(&outcome);
        REQUIRE(action != nullptr);
        CHECK(action->columns.size() == 2);
        CHECK(action->rows.front() == Row{std::int64_t{0}, std::int64_t{0}});
    }

    TEST_CASE("everything announced can be shown") {
        for (const auto& [name, value] : announced_parameters("1.2.3")) {
            CHECK(value_of("SHOW " + std::string{name}) == std::string{name} + "=" + value);
        }
    }

    TEST_CASE(
        "SET of a driver changes nothing, SET of a setting is an order, any other is refused") {
        const auto quiet = interpret_text("SET application_name TO 'x'");
        CHECK_FALSE(std::get<Action>(quiet).order.has_value());
        const auto order = interpret_text("SET default_pool_size = 3", Role::Admin);
        REQUIRE(std::get<Action>(order).order.has_value());
        CHECK(std::get<Action>(order).order->key == "default_pool_size");
        CHECK(std::get<Action>(order).order->value == "3");
        const auto viewer = interpret_text("SET default_pool_size = 3", Role::Viewer);
        CHECK(std::get<protocol::ErrorFields>(viewer).sqlstate == sqlstate::kInsufficientPrivilege);
        const auto unknown = interpret_text("SET nonsense = 3", Role::Admin);
        CHECK(std::get<protocol::ErrorFields>(unknown).sqlstate == sqlstate::kUndefinedObject);
    }

    TEST_CASE("anything else is refused in PgBouncer's words") {
        for (const char* text : {"DROP TABLE users",
                                 "SHOW",
                                 "SHOW NONSENSE",
                                 "SHOW POOLS NOW",
                                 "SET",
                                 "\"\"",
                                 "DISCARD",
                                 "RESET",
                                 "DEALLOCATE",
                                 "START"}) {
            CAPTURE(text);
            const auto outcome = interpret_text(text);
            const auto* error = std::get_if<protocol::ErrorFields>(&outcome);
            REQUIRE(error != nullptr);
            CHECK(error->sqlstate == sqlstate::kSyntaxError);
            CHECK(error->message == "invalid command '" + std::string{text} + "', use SHOW HELP;");
        }
    }

    TEST_CASE("effects on the session are told") {
        const auto effect = [](const char* text) {
            return std::get<Action>(interpret_text(text)).effect;
        };
        CHECK(effect("BEGIN") == Effect::BeginTransaction);
        CHECK(effect("COMMIT") == Effect::EndTransaction);
        CHECK(effect("ROLLBACK") == Effect::EndTransaction);
        CHECK(effect("ROLLBACK TO a") == Effect::None);
        CHECK(effect("DISCARD ALL") == Effect::DeallocateAll);
        CHECK(effect("DEALLOCATE x") == Effect::Deallocate);
        CHECK(std::get<Action>(interpret_text("DEALLOCATE \"X\"")).name == "X");
    }
}

}  // namespace weir::admin
