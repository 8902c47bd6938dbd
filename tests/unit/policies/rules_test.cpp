#include "policies/rules.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "sql/digest.hpp"
#include "sql/statement_facts.hpp"

using weir::conf::RuleMatch;
using weir::conf::RuleSettings;
using weir::policies::Match;
using weir::policies::Rules;
using weir::policies::Session;

namespace {

constexpr Session kSession{"shop", "app", "bi-1"};

RuleSettings rule(RuleMatch match) {
    RuleSettings settings;
    settings.match = std::move(match);
    settings.set.row_limit = 1;
    return settings;
}

bool matches(const RuleMatch& match, std::string_view sql, Session session = kSession) {
    const Rules rules{{rule(match)}};
    const auto facts = weir::sql::statement_facts(sql);
    return rules.match(0, {session, sql, weir::sql::stable_digest(sql), &facts}) == Match::Yes;
}

bool matches_unseen(const RuleMatch& match, std::string_view sql) {
    const Rules rules{{rule(match)}};
    return rules.match(0, {kSession, sql, weir::sql::stable_digest(sql), nullptr}) == Match::Yes;
}

RuleMatch about_table(const char* table) {
    RuleMatch match;
    match.table = table;
    return match;
}

}  // namespace

TEST_CASE("rules: all that a rule asks for must match") {
    CHECK(matches({}, "SELECT 1"));
    CHECK(matches({"shop", "app", "bi-*", "", "", ""}, "SELECT 1"));
    CHECK(matches({"*", "a*p", "", "", "", ""}, "SELECT 1"));
    CHECK_FALSE(matches({"shop", "app", "web", "", "", ""}, "SELECT 1"));
    CHECK_FALSE(matches({"sho", "", "", "", "", ""}, "SELECT 1"));
    CHECK_FALSE(matches({"", "App", "", "", "", ""}, "SELECT 1"));
    CHECK_FALSE(matches({"", "", "bi-*", "", "", ""}, "SELECT 1", {"shop", "app", ""}));
    CHECK(matches({"", "", "", "orders", "", "(?i)select"}, "SELECT * FROM orders"));
    CHECK_FALSE(matches({"", "", "", "orders", "", "insert"}, "SELECT * FROM orders"));
}

TEST_CASE("rules: tables by their names, however the statement names them") {
    for (const char* sql : {"SELECT * FROM orders",
                            "select 1 from ORDERS",
                            "SELECT * FROM public.orders",
                            "SELECT * FROM \"orders\"",
                            "DELETE FROM orders",
                            "WITH x AS (SELECT * FROM orders) SELECT * FROM x",
                            "SELECT 1; DROP TABLE orders",
                            "TRUNCATE public . orders",
                            "DECLARE c CURSOR FOR SELECT * FROM orders",
                            "PREPARE p AS SELECT * FROM orders",
                            "COPY orders TO STDOUT",
                            "LOCK orders",
                            "EXPLAIN SELECT * FROM orders"}) {
        CAPTURE(sql);
        CHECK(matches(about_table("orders"), sql));
    }
    CHECK(matches(about_table("public.orders"), "SELECT * FROM public.orders"));
    CHECK_FALSE(matches(about_table("public.orders"), "SELECT * FROM orders"));
    CHECK_FALSE(matches(about_table("public.orders"), "SELECT * FROM app.orders"));
    CHECK_FALSE(matches(about_table("orders"), "SELECT orders FROM t WHERE a = 'orders'"));
    CHECK_FALSE(matches(about_table("orders"), "SELECT * FROM \"Orders\""));
    CHECK_FALSE(matches(about_table("orders"), "WITH orders AS (SELECT 1) SELECT * FROM orders"));
}

TEST_CASE("rules: of a text nobody understands every name counts as a table's") {
    CHECK(matches(about_table("orders"), "FROBNICATE orders"));
    CHECK(matches(about_table("public.orders"), "FROBNICATE \"orders\""));
    CHECK(matches(about_table("orders"), "FROBNICATE U&\"order\\0073\""));
    CHECK_FALSE(matches(about_table("orders"), "FROBNICATE items 'orders'"));
    CHECK(matches_unseen(about_table("orders"), "SELECT orders"));
    CHECK_FALSE(matches_unseen(about_table("orders"), "SELECT 1 /* orders */"));
    // Too long for the parser, and yet PostgreSQL would run it.
    std::string sql = "SELECT 1";
    for (int i = 0; i < 9000; ++i) {
        sql += " + a";
    }
    CHECK(matches(about_table("orders"), sql + " FROM orders"));
    CHECK_FALSE(matches(about_table("orders"), sql + " FROM items"));
}

TEST_CASE("rules: digests, in capitals or not") {
    const std::string digest = weir::sql::digest_text(weir::sql::stable_digest("SELECT 1"));
    RuleMatch match;
    match.digest = digest;
    CHECK(matches(match, "select   2 -- x"));
    CHECK_FALSE(matches(match, "select a"));
    for (char& c : match.digest) {
        c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    CHECK(matches(match, "select 3"));
}

TEST_CASE("rules: what they need to be told hangs on whom they are about") {
    CHECK_FALSE(Rules{{}}.needs_text(kSession));
    CHECK_FALSE(Rules{{}}.needs_facts(kSession));
    CHECK_FALSE(Rules{{rule({"shop", "", "", "", "00000000000000aa", ""})}}.needs_text(kSession));
    CHECK_FALSE(Rules{{rule({"shop", "", "", "", "00000000000000aa", ""})}}.needs_facts(kSession));
    CHECK(Rules{{rule({"shop", "", "bi-*", "", "", "x"})}}.needs_text(kSession));
    CHECK_FALSE(Rules{{rule({"other", "", "", "", "", "x"})}}.needs_text(kSession));
    CHECK_FALSE(Rules{{rule({"", "", "web", "", "", "x"})}}.needs_text(kSession));
    CHECK(Rules{{rule({}), rule(about_table("t"))}}.needs_facts(kSession));
    CHECK_FALSE(Rules{{rule({"", "root", "", "t", "", ""})}}.needs_facts(kSession));
    RuleSettings guarded = rule({});
    guarded.set.read_only = false;
    CHECK_FALSE(Rules{{guarded}}.needs_facts(kSession));
    guarded.set.read_only = true;
    CHECK(Rules{{guarded}}.needs_facts(kSession));
}

TEST_CASE("rules: a table may stand in any text that the server may read in another way") {
    const auto match = [](const RuleMatch& about, std::string_view sql) {
        const Rules rules{{rule(about)}};
        return rules.match(0, {kSession, sql, weir::sql::stable_digest(sql), nullptr, true});
    };
    CHECK(match(about_table("orders"), R"(SELECT '\', o.* FROM orders o --')") == Match::Maybe);
    CHECK(match(about_table("shop.orders"), "SELECT 'ORDERS'") == Match::Maybe);
    CHECK(match(about_table("orders"), R"(SELECT * FROM u&"\006frders")") == Match::Maybe);
    CHECK(match(about_table("Größe"), "SELECT 1") == Match::Maybe);  // in whatever encoding
    CHECK(match(about_table("orders"), "RESET standard_conforming_strings") == Match::No);
    CHECK(match({}, "SELECT 1") == Match::Yes);
    CHECK(match({"", "", "", "", "", "report"}, "SELECT 1 -- report") == Match::Yes);
    CHECK(match({"", "", "", "orders", "", "report"}, "SELECT 'orders'") == Match::No);
}
