#include "admin/select.hpp"

#include <doctest/doctest.h>

#include "fake_status.hpp"

namespace weir::admin {

namespace {

SelectPlan plan(std::string_view sql, Role role = Role::Viewer) {
    CAPTURE(sql);
    auto outcome = plan_select(sql, role);
    REQUIRE(std::holds_alternative<SelectPlan>(outcome));
    return std::get<SelectPlan>(std::move(outcome));
}

std::string refusal(std::string_view sql, Role role = Role::Viewer) {
    CAPTURE(sql);
    const auto outcome = plan_select(sql, role);
    const auto* error = std::get_if<protocol::ErrorFields>(&outcome);
    return error == nullptr ? "" : error->sqlstate.text();
}

SelectResult run(std::string_view sql,
                 const std::vector<Cell>& parameters = {},
                 Typing typing = Typing::ByValues,
                 bool is_given_up = false) {
    const status::Snapshot snapshot = test::sample_snapshot();
    const conf::Config config;
    const StatsHistory history;
    const std::atomic<bool> given_up{is_given_up};
    return run_select(
        plan(sql), parameters, {snapshot, config, history, "1.2.3"}, typing, given_up);
}

std::string types_of(const std::vector<Column>& columns) {
    std::string types;
    for (const Column& column : columns) {
        types += (types.empty() ? "" : " ") + std::string{name_of(column.type)};
    }
    return types;
}

}  // namespace

TEST_SUITE("admin select") {
    TEST_CASE("every command with columns is a table with its columns and rows") {
        for (const Command& command : commands()) {
            if (command.rows == nullptr) {
                continue;
            }
            CAPTURE(command.name);
            const SelectPlan made = plan("SELECT * FROM " + std::string{command.name}, Role::Admin);
            REQUIRE(made.columns.size() == command.columns.size());
            for (std::size_t i = 0; i < made.columns.size(); ++i) {
                CHECK(made.columns[i].name == command.columns[i].name);
                CHECK(made.columns[i].type == command.columns[i].type);
            }
            CHECK(made.needs == command.needs);
        }
    }

    TEST_CASE("rows are those of the snapshot") {
        const SelectResult result =
            run("SELECT user, cl_waiting FROM pools WHERE database = 'shop' ORDER BY user DESC");
        REQUIRE_FALSE(result.error.has_value());
        CHECK(result.rows == std::vector<Row>{{Cell{"report"}, Cell{std::int64_t{2}}},
                                              {Cell{"app"}, Cell{std::int64_t{2}}}});
    }

    TEST_CASE("parameters are bound, and numbers in text compare as numbers") {
        for (const Cell& value : {Cell{std::int64_t{2}}, Cell{std::string{"2"}}, Cell{2.0}}) {
            CHECK(run("SELECT user FROM pools WHERE cl_waiting = $1", {value}).rows.size() == 2);
        }
        CHECK(run("SELECT user FROM pools WHERE user = $1::text", {Cell{"app"}}).rows.size() == 1);
        CHECK(run("SELECT user FROM pools WHERE user = $1", {Cell{}}).rows.empty());
        CHECK(plan("SELECT $3, $1, $1").parameters == 3);
        CHECK(refusal("SELECT ?") == "42601");
        CHECK(refusal("SELECT :x") == "42601");
        CHECK(refusal("SELECT $101") == "42601");
    }

    TEST_CASE("computed columns have the type of their values, or the guessed one") {
        const char* sql = "SELECT count(*), avg(max), 'a', sum(max) * 1.5, NULL FROM pools";
        CHECK(types_of(run(sql).columns) == "int8 float8 text float8 text");
        CHECK(types_of(plan(sql).columns) == "int8 float8 text float8 text");
        CHECK(types_of(plan("SELECT max + 1, count(*) FROM pools WHERE user = 'z'").columns) ==
              "int8 int8");
        const SelectResult mixed =
            run("SELECT CASE WHEN user = 'app' THEN 1 ELSE 'x' END FROM pools");
        CHECK(types_of(mixed.columns) == "text");
        CHECK(mixed.rows == std::vector<Row>{{Cell{"1"}}, {Cell{"x"}}});
        const SelectResult planned =
            run("SELECT CASE WHEN user = 'app' OR user = 'x' THEN 1 ELSE 'x' END FROM pools",
                {},
                Typing::AsPlanned);
        REQUIRE(planned.error.has_value());
        CHECK(planned.error->sqlstate == SqlState{"42804"});
    }

    TEST_CASE("only reading these tables is allowed") {
        CHECK(refusal("SELECT * FROM sqlite_master") == "42501");
        CHECK(refusal("SELECT * FROM pragma_database_list") == "42501");
        CHECK(refusal("SELECT load_extension('x')") == "42501");
        CHECK(refusal("SELECT count(*) FROM sqlite_master") == "42501");
        CHECK(refusal("SELECT count(*) FROM sqlite_schema") == "42501");
        CHECK(refusal("SELECT count(*) FROM pragma_database_list") == "42501");
        CHECK(refusal("SELECT count(*) FROM json_each('[1]')") == "42501");
        CHECK(refusal("SELECT count(*) FROM fds", Role::Viewer) == "42501");
        CHECK(refusal("WITH w AS (SELECT 1) SELECT count(*) FROM w").empty());
        CHECK(refusal("ATTACH 'x' AS y") == "42501");
        CHECK(refusal("PRAGMA user_version") == "42501");
        CHECK(refusal("CREATE TABLE x(a)") == "42501");
        CHECK(refusal("CREATE TEMP VIEW x AS SELECT 1") == "42501");
        CHECK(refusal("DELETE FROM pools") == "42501");
        CHECK(refusal("WITH a AS (SELECT 1) UPDATE pools SET max = 1") != "");
        CHECK(refusal("BEGIN") == "42501");
        CHECK(refusal("VACUUM INTO '/tmp/x'") != "");
        CHECK(refusal("") == "42601");
        CHECK(refusal("SELECT * FROM fds", Role::Viewer) == "42501");
        CHECK(refusal("SELECT * FROM (SELECT password FROM fds)", Role::Viewer) == "42501");
        CHECK(refusal("SELECT * FROM fds", Role::Admin).empty());
    }

    TEST_CASE("mistakes have PostgreSQL's SQLSTATEs") {
        CHECK(refusal("SELECT * FROM x") == "42P01");
        CHECK(refusal("SELECT x FROM pools") == "42703");
        CHECK(refusal("SELECT \"x\" FROM pools") == "42703");
        CHECK(refusal("SELECT x()") == "42883");
        CHECK(refusal("SELECT user FROM pools a, pools b") == "42702");
        CHECK(refusal("SELECT (") == "42601");
        CHECK(refusal("SELECT '" + std::string(kSelectTextMax, 'x') + "'") == "54000");
    }

    TEST_CASE("time, rows and memory are bounded, and nobody need wait") {
        const char* endless =
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r";
        const SelectResult many = run(endless);
        REQUIRE(many.error.has_value());
        CHECK(many.error->sqlstate == sqlstate::kProgramLimitExceeded);
        const SelectResult given_up = run(endless, {}, Typing::ByValues, /*is_given_up=*/true);
        REQUIRE(given_up.error.has_value());
        CHECK(given_up.error->sqlstate == sqlstate::kQueryCanceled);
        const SelectResult large = run("SELECT zeroblob(100000000)");
        REQUIRE(large.error.has_value());
        CHECK(large.error->sqlstate == sqlstate::kProgramLimitExceeded);
    }
}

}  // namespace weir::admin
