#include "sql/statement_facts.hpp"

#include "tests/unit/sql/routing_table.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "sql/parser_text.hpp"
#include "sql/read_route.hpp"
#include "sql/session_facts.hpp"

using weir::sql::Access;
using weir::sql::QualifiedName;
using weir::sql::statement_facts;
using weir::sql::StatementFacts;
using weir::sql::TransactionModes;
using weir::sql::test::RoutingCase;

namespace {

std::string repeated(std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) {
        all += text;
    }
    return all;
}

std::string listed(const std::vector<QualifiedName>& names) {
    std::string all;
    for (const QualifiedName& name : names) {
        all +=
            (all.empty() ? "" : ",") + name.schema + (name.schema.empty() ? "" : ".") + name.name;
    }
    return all.empty() ? "-" : all;
}

Access access(std::string_view sql) {
    return statement_facts(sql).access;
}

std::uint64_t digest(std::string_view sql) {
    return weir::sql::session_facts(sql).effects.digest;
}

bool are_same(const StatementFacts& one, const StatementFacts& other) {
    return one.access == other.access && one.has_several == other.has_several &&
           one.modes == other.modes && one.asks_about_server == other.asks_about_server &&
           one.functions == other.functions && one.tables == other.tables &&
           one.is_understood == other.is_understood && one.is_harmless == other.is_harmless &&
           one.calls_set_config == other.calls_set_config;
}

}  // namespace

TEST_CASE("the table of statements") {
    const weir::sql::FunctionCatalog knowledge = weir::sql::test::routing_knowledge();
    const std::vector<RoutingCase> cases = weir::sql::test::routing_cases();
    CHECK(cases.size() >= 300);
    for (const RoutingCase& expected : cases) {
        CHECK((expected.route == "primary" || expected.route == "replica" ||
               expected.route == "refused"));
        INFO("line ", expected.line, ": ", expected.statement);
        const StatementFacts facts = statement_facts(expected.statement);
        CHECK(name_of(facts.access) == expected.access);
        CHECK(listed(facts.functions) == expected.functions);
        CHECK(listed(facts.tables) == expected.tables);
        const bool may_leave_primary =
            weir::sql::is_read(facts, knowledge) || weir::sql::begins_read_only(facts);
        CHECK(may_leave_primary == (expected.route != "primary"));
    }
}

TEST_CASE("what BEGIN says") {
    using Writes = TransactionModes::Writes;
    using Isolation = TransactionModes::Isolation;
    CHECK(statement_facts("BEGIN").modes == TransactionModes{});
    CHECK(statement_facts("START TRANSACTION READ ONLY").modes.writes == Writes::ReadOnly);
    CHECK(statement_facts("BEGIN READ WRITE, ISOLATION LEVEL SERIALIZABLE").modes ==
          TransactionModes{Writes::ReadWrite, Isolation::Snapshot, true});
    CHECK(statement_facts("BEGIN ISOLATION LEVEL REPEATABLE READ").modes.isolation ==
          Isolation::Snapshot);
    CHECK(statement_facts("BEGIN ISOLATION LEVEL READ UNCOMMITTED").modes.isolation ==
          Isolation::Committed);
    CHECK(statement_facts("BEGIN READ WRITE READ ONLY").modes.writes == Writes::ReadWrite);
    CHECK(statement_facts("BEGIN READ ONLY READ WRITE").modes.writes == Writes::ReadWrite);
    CHECK(weir::sql::begins_read_only(statement_facts("BEGIN READ ONLY NOT DEFERRABLE")));
    CHECK_FALSE(weir::sql::begins_read_only(statement_facts("BEGIN")));
    CHECK_FALSE(weir::sql::begins_read_only(
        statement_facts("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY")));
    CHECK_FALSE(weir::sql::begins_read_only(statement_facts("BEGIN READ ONLY; SELECT 1; COMMIT")));
    CHECK(statement_facts("COMMIT AND CHAIN").is_chained);
    CHECK_FALSE(statement_facts("COMMIT AND NO CHAIN").is_chained);
}

TEST_CASE("nothing hangs on a literal: texts of one digest have the same facts") {
    static constexpr std::array<std::array<std::string_view, 2>, 19> kPairs = {{
        {"EXPLAIN (ANALYZE 0) DELETE FROM t", "EXPLAIN (ANALYZE 1) DELETE FROM t"},
        {"EXPLAIN (ANALYZE 'off') SELECT f(1)", "EXPLAIN (ANALYZE 1) SELECT f($1)"},
        {"SELECT current_setting('in_hot_standby')", "SELECT current_setting('a.b')"},
        {"SELECT set_config('a', 'b', 'true')", "SELECT set_config('a', 'b', 'false')"},
        {"SELECT nextval('s')", "SELECT nextval('pg_locks')"},
        {"SELECT table_to_xml('t')", "SELECT table_to_xml('pg_locks')"},
        {"SELECT 'a'::regclass", "SELECT 'pg_locks'::regclass"},
        {"SELECT f(1, 2, 3), 4", "SELECT f('a'), 'b', 5.5"},
        {"COPY t TO 'x'", "COPY t TO ''"},
        {"COPY t TO PROGRAM ''", "COPY t TO PROGRAM 'rm'"},
        {"SELECT U&\"a!0062\" UESCAPE '!' FROM t", "SELECT U&\"a!0062\" UESCAPE '+' FROM t"},
        {"SELECT U&\"a\\0062\" UESCAPE 'x' FROM t", "SELECT U&\"a\\0062\" UESCAPE '\\' FROM t"},
        {"SELECT 1 FROM t WHERE a = 'x'", "SELECT 1 FROM t WHERE a = E'\\xff\\000"},
        {"SELECT 1 FROM t WHERE a = 'x'", "SELECT 1 FROM t WHERE a = '\xff\xfe'"},
        {"SELECT 1 FROM t WHERE a = $$x$$", "SELECT 1 FROM t WHERE a = 99999999999999999999"},
        {"SELECT 1 FROM t WHERE a = $1", "SELECT 1 FROM t WHERE a = $99999999999999999999"},
        {"SELECT 1 /* x */ FROM t -- y", "select\n1\t-- /*\nfrom T"},
        {"SELECT * FROM t LIMIT 0", "SELECT * FROM t LIMIT 1e9"},
        {"SELECT interval '1 day', '2'", "SELECT interval 'nonsense'"},
    }};
    for (const auto& pair : kPairs) {
        const std::string_view one = pair[0];
        const std::string_view other = pair[1];
        INFO(one, " / ", other);
        CHECK(digest(one) == digest(other));
        CHECK(are_same(statement_facts(one), statement_facts(other)));
    }
    // As long as can be: neither bytes nor elements of a list count.
    const std::string plain = "SELECT 1 FROM t WHERE a IN (1) AND b = 'x'";
    const std::string large = "SELECT 1 FROM t WHERE a IN (1" + repeated(", 22", 50'000) +
                              ") AND b = '" + repeated("x", 1'000'000) + "'";
    CHECK(digest(plain) == digest(large));
    CHECK(are_same(statement_facts(plain), statement_facts(large)));
    CHECK(access(large) == Access::Read);
}

TEST_CASE("texts that mean other things have other digests") {
    CHECK(digest("SELECT U&\"n\\0065xtval\"('s')") != digest("SELECT \"n\\0065xtval\"('s')"));
    CHECK(digest("SELECT 1FROM pg_locks") != digest("SELECT 1 pg_locks"));
    CHECK(digest("SELECT 0x1F, 1e5, 1.5, .5, 1_000") == digest("SELECT 1"));
    CHECK(digest("SELECT \"a\"\"b\"") != digest("SELECT \"a\" \"b\""));
}

TEST_CASE("hostile texts are not understood, and harm nobody") {
    using namespace std::string_view_literals;
    CHECK(access("SELECT 1\0; DELETE FROM t"sv) == Access::Unsure);
    CHECK(access("\0"sv) == Access::Unsure);
    CHECK(access("SELECT \xff\xfe FROM \x80") == Access::Unsure);
    CHECK(access("SELECT \"\xc3\x28\"") == Access::Unsure);
    CHECK(access("SELECT 'caf\xe9' FROM t") == Access::Read);  // LATIN1
    CHECK(access("SELECT caf\xc3\xa9 FROM t") == Access::Read);
    CHECK(access("SELECT \"") == Access::Unsure);
    CHECK(access("SELECT \"\"") == Access::Unsure);
    CHECK(access("/*") == Access::Neutral);
    CHECK(access("$") == Access::Unsure);
    CHECK(access("SELECT $a$x") == Access::Read);  // as its digest is; PostgreSQL refuses it
    CHECK(access("SELECT " + repeated("(", 100'000)) == Access::Unsure);
    CHECK(access("SELECT " + repeated("(", 3000) + "1" + repeated(")", 3000)) == Access::Read);
    for (const std::string_view piece : {"+ a",
                                         "|| a",
                                         "::int",
                                         "[a]",
                                         "UNION SELECT a ",
                                         "IS NULL ",
                                         "COLLATE x ",
                                         ", a",
                                         ".a"}) {
        INFO(piece);
        CHECK(access("SELECT a " + repeated(piece, 50'000)) == Access::Unsure);
        for (const int times : {500, 2000, 8000}) {
            const Access found = access("SELECT a " + repeated(piece, times));
            CHECK((found == Access::Read || found == Access::Unsure));
        }
    }
    for (const std::string_view piece :
         {"f(", "(SELECT ", "NOT ", "- ", "CASE WHEN a THEN ", "ARRAY[", "ROW(", "EXPLAIN "}) {
        INFO(piece);
        for (const int times : {300, 4000, 50'000}) {
            static_cast<void>(access("SELECT " + repeated(piece, times)));
            static_cast<void>(
                access("SELECT " + repeated(piece, times) + "1" + repeated(")", times)));
        }
    }
    CHECK(access(repeated("SELECT 1;", 64)) == Access::Read);
    CHECK(access(repeated("SELECT 1;", 65)) == Access::Unsure);
    CHECK(access("SELECT " + repeated("\"" + repeated("x", 60) + "\",", 5000) + "1") ==
          Access::Unsure);
}

TEST_CASE("names are counted") {
    std::string calls = "SELECT 1";
    std::string tables = "SELECT 1 FROM x";
    for (std::size_t i = 0; i < StatementFacts::kNamesMax; ++i) {
        calls += ", f" + std::to_string(i) + "(a)";
        tables += i == 0 ? "" : ", t" + std::to_string(i);
    }
    CHECK(access(calls) == Access::Read);
    CHECK(statement_facts(calls).functions.size() == StatementFacts::kNamesMax);
    CHECK(access(calls + ", f(a)") == Access::Unsure);
    CHECK(access(calls + ", f1(b)") == Access::Read);
    CHECK(access(tables) == Access::Read);
    CHECK(access(tables + ", another") == Access::Unsure);
}

TEST_CASE("every beginning of every statement of the table is read without harm") {
    for (const RoutingCase& expected : weir::sql::test::routing_cases()) {
        for (std::size_t cut = 0; cut < expected.statement.size(); cut += 3) {
            CHECK_NOTHROW(static_cast<void>(
                statement_facts(std::string_view{expected.statement}.substr(0, cut))));
        }
    }
}

TEST_CASE("threads parse beside each other") {
    std::vector<std::thread> threads;
    std::array<int, 4> reads{};
    threads.reserve(reads.size());
    for (int& mine : reads) {
        threads.emplace_back([&mine] {
            for (int i = 0; i < 200; ++i) {
                mine += access("SELECT f(a) FROM t WHERE b = 1") == Access::Read ? 1 : 0;
                mine += access("SELECT FROM FROM") == Access::Unsure ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(reads == std::array<int, 4>{400, 400, 400, 400});
}

TEST_CASE("what is given to the parser") {
    using weir::sql::parser_text;
    CHECK(parser_text("SELECT 'x' 'y', E'\\'', 1, 2.5, $7 -- z") == " SELECT 'a' , 'a'");
    CHECK(parser_text("a IN (1, 2, 3, 'x') AND b<=-1 AND c < - 1") ==
          " a IN ( 1 , 1 ) AND b <=- 1 AND c < - 1");
    CHECK(parser_text("\"A\"\"b\".c U&\"d\\0061\" $x$ ; $x$") ==
          " \"A\"\"b\" . c U&\"d\\0061\" 'a'");
    CHECK(parser_text("") == "");
    CHECK_FALSE(parser_text(std::string_view{"a\0b", 3}));
    CHECK(parser_text(repeated("a ", weir::sql::kParserTokensMax)));
    CHECK_FALSE(parser_text(repeated("a ", weir::sql::kParserTokensMax + 1)));
    CHECK(parser_text(std::string(weir::sql::kParserTextBytesMax - 1, 'a')));
    CHECK_FALSE(parser_text(std::string(weir::sql::kParserTextBytesMax, 'a')));
}
