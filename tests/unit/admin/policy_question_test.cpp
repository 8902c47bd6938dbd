#include "admin/policy_question.hpp"

#include "conf/load.hpp"

#include <doctest/doctest.h>

#include <string>

#include "console_fixture.hpp"

namespace weir::admin {

namespace {

conf::ConfigPtr load_config(const std::string& toml) {
    const conf::Environment nothing;
    const conf::LoadResult result = conf::load_text(
        "[cluster.main]\nservers = [\"h:1\"]\n[database.shop]\n[database.\"Two Words\"]\n" + toml,
        "weir.toml",
        nothing);
    REQUIRE(result.problems.empty());
    return result.config;
}

/// @return "database/user/application_name/statement", or the SQLSTATE and the text of the error
std::string read(std::string_view text) {
    const conf::ConfigPtr config = load_config("");
    const auto statements = split_statements(text);
    REQUIRE(statements.has_value());
    REQUIRE(statements->size() == 1);
    const auto outcome = read_policy_question(statements->front(), *config);
    if (!outcome) {
        return "none";
    }
    if (const auto* error = std::get_if<protocol::ErrorFields>(&*outcome)) {
        return std::string{error->sqlstate.text()} + " " +
               error->message.substr(0, error->message.find("; usage: "));
    }
    const auto& question = std::get<PolicyQuestion>(*outcome);
    return question.database + "/" + question.user + "/" + question.application_name + "/" +
           question.sql;
}

std::string text_of(const Cell& cell) {
    const auto* text = std::get_if<std::string>(&cell);
    return text == nullptr ? "NULL" : *text;
}

/// @return "value from place" of one row
std::string find(const std::vector<Row>& rows, std::string_view name) {
    for (const Row& row : rows) {
        if (text_of(row.at(0)) == name) {
            return text_of(row.at(1)) + " from " + text_of(row.at(2));
        }
    }
    return "none";
}

}  // namespace

TEST_SUITE("EXPLAIN POLICY") {
    TEST_CASE("who, and which statement") {
        CHECK(read("EXPLAIN POLICY SELECT 1") == "/// SELECT 1");
        CHECK(read("/* x */ explain\npolicy -- y\n(database shop) select 1;") ==
              "shop/// select 1");
        CHECK(read("EXPLAIN POLICY (database shop, user App, application_name 'a ''b''') X") ==
              "shop/App/a 'b'/ X");
        CHECK(read("EXPLAIN POLICY (USER \"a \"\"b\", DATABASE \"Two Words\") SELECT 1") ==
              "Two Words/a \"b// SELECT 1");
        CHECK(read("EXPLAIN POLICY (SELECT 1) UNION (SELECT 2)") ==
              "/// (SELECT 1) UNION (SELECT 2)");
        CHECK(read("EXPLAIN POLICY ((SELECT 1))") == "/// ((SELECT 1))");
        CHECK(read("EXPLAIN POLICY (user x) /* weir: rows=1 */ SELECT 1") ==
              "/x// /* weir: rows=1 */ SELECT 1");
        CHECK(read("EXPLAIN POLICY (user x) (SELECT 1)") == "/x// (SELECT 1)");
        CHECK(read("EXPLAIN POLICY (user user) SELECT 1") == "/user// SELECT 1");
    }

    TEST_CASE("other statements are none of it") {
        for (const char* text :
             {"EXPLAIN SELECT 1", "SHOW POLICY", "EXPLAIN", "\"explain\" policy x"}) {
            CAPTURE(text);
            CHECK(read(text) == "none");
        }
    }

    TEST_CASE("what is wrong with it is said") {
        CHECK(read("EXPLAIN POLICY") == "42601 there is no statement to explain");
        CHECK(read("EXPLAIN POLICY (user x)") == "42601 there is no statement to explain");
        CHECK(read("EXPLAIN POLICY (user x) -- nothing") ==
              "42601 there is no statement to explain");
        CHECK(read("EXPLAIN POLICY () SELECT 1") ==
              "42601 the options are database, user and application_name");
        CHECK(read("EXPLAIN POLICY (role x) SELECT 1") ==
              "42601 the options are database, user and application_name");
        CHECK(read("EXPLAIN POLICY (user x,) SELECT 1") ==
              "42601 the options are database, user and application_name");
        CHECK(read("EXPLAIN POLICY (user x, user y) SELECT 1") == "42601 user is there twice");
        CHECK(read("EXPLAIN POLICY (user) SELECT 1") ==
              "42601 user needs a name, or a text in quotes");
        CHECK(read("EXPLAIN POLICY (user '') SELECT 1") ==
              "42601 user needs a name, or a text in quotes");
        CHECK(read("EXPLAIN POLICY (user E'a') SELECT 1") ==
              "42601 user needs a name, or a text in quotes");
        CHECK(read("EXPLAIN POLICY (user 5) SELECT 1") ==
              "42601 user needs a name, or a text in quotes");
        CHECK(read("EXPLAIN POLICY (user x SELECT 1") ==
              "42601 a comma or a parenthesis is missing behind the user");
        CHECK(read("EXPLAIN POLICY (database shop") ==
              "42601 a comma or a parenthesis is missing behind the database");
        CHECK(read("EXPLAIN POLICY (database Shop) SELECT 1") == "3D000 no such database: Shop");
    }

    TEST_CASE("the answer tells what holds, and why") {
        const conf::ConfigPtr config = load_config(
            "[policy]\nrow_limit = 10\n[database.shop.policy]\nread_only = true\n"
            "[[rule]]\nmatch = { table = \"log\" }\nset = { statement_timeout = \"1m\" }\n");
        const auto rows = answer(
            {"shop", "app", "", "INSERT INTO app.log SELECT 5 /* weir: route=primary */"}, *config);
        CHECK(find(rows, "database") == "shop from question");
        CHECK(find(rows, "application_name") == "NULL from not said");
        CHECK(find(rows, "statement") == "insert into app . log select ? from statement");
        CHECK(find(rows, "tables") == "app.log from statement");
        CHECK(find(rows, "hint") == "route=primary from statement");
        CHECK(find(rows, "row_limit") == "10 from policy");
        CHECK(find(rows, "statement_timeout") == "1m from rule 1");
        CHECK(find(rows, "read_only") == "true from database.shop.policy");
        CHECK(find(rows, "route") == "primary from hint");
        CHECK(find(rows, "slow_query") == "1s from default");
        CHECK(find(rows, "result") ==
              "fails with 25006: cannot execute INSERT in a read-only session from "
              "database.shop.policy");
        for (const Row& row : rows) {
            CHECK(row.size() == policy_columns().size());
        }
        CHECK(find(answer({"", "", "", "nonsense log"}, *config), "tables") ==
              "not understood: every name in it counts as one from statement");
        CHECK(find(answer({"", "", "", "SELECT 1"}, *config), "read_only") == "false from default");
    }

    TEST_CASE("viewers get it in both protocols, from the configuration in force") {
        test::ConsoleFixture f{Role::Viewer};
        f.query("EXPLAIN POLICY SELECT 1");
        CHECK(f.sent.find("row_limit_action") != std::string::npos);
        CHECK(f.sent.find("EXPLAIN") != std::string::npos);
        f.parse("p", "EXPLAIN POLICY SELECT 1");
        f.config->policy.row_limit = 12'345;
        f.sent.clear();
        f.query("EXPLAIN POLICY SELECT 1");
        CHECK(f.sent.find("12345") != std::string::npos);
        f.sent.clear();
        f.bind("", "p");
        f.describe('P', "");
        f.execute("");
        CHECK(f.sent.find("12345") != std::string::npos);
    }
}

}  // namespace weir::admin
