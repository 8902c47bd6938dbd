#include "sql/cacheable.hpp"

#include "tests/unit/sql/relation_table.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

using weir::sql::begins_committed;
using weir::sql::BeginsCommitted;
using weir::sql::Cacheability;
using weir::sql::cacheable;
using weir::sql::effect_of;
using weir::sql::FunctionCatalog;
using weir::sql::name_of;
using weir::sql::RelationCatalog;
using weir::sql::statement_facts;
using weir::sql::Uncacheable;
using weir::sql::WriteSet;
using weir::sql::test::columns_of;
using weir::sql::test::relation_functions;
using weir::sql::test::RelationTable;

namespace {

/// With one row more.
RelationCatalog catalog_with(const std::array<std::string_view, 5>& row) {
    RelationTable table;
    table.add(row);
    return RelationCatalog{table.rows};
}

Uncacheable why(std::string_view sql, const RelationCatalog& relations) {
    return cacheable(statement_facts(sql), relation_functions(), relations).why;
}

}  // namespace

TEST_CASE("the table of what results hang on, and what statements change") {
    RelationTable table;
    const RelationCatalog relations{table.rows};
    const FunctionCatalog functions = relation_functions();
    std::ifstream file{WEIR_DATA_DIR "/relation_statements.txt"};
    REQUIRE(file);
    int cases = 0;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const std::vector<std::string> row = columns_of(line, 3);
        const auto facts = statement_facts(row[2]);
        INFO("line ", number, ": ", row[2]);
        const Cacheability kept = cacheable(facts, functions, relations);
        CHECK((kept.may_be_kept() ? table.names_of(kept.tables)
                                  : "!" + std::string{name_of(kept.why)}) == row[0]);
        const WriteSet changed = effect_of(facts, functions, relations);
        CHECK((changed.is_everything ? "*" : table.names_of(changed.tables)) == row[1]);
        ++cases;
    }
    CHECK(cases >= 200);
}

TEST_CASE("before the catalog was asked nothing may be kept, and a write may be of anything") {
    const RelationCatalog nothing;
    CHECK(nothing.version() == 0);
    CHECK(why("SELECT * FROM t", nothing) == Uncacheable::Catalog);
    CHECK(why("SELECT 1", nothing) == Uncacheable::Catalog);
    const FunctionCatalog functions;
    CHECK(effect_of(statement_facts("DELETE FROM t"), functions, nothing).is_everything);
    CHECK(effect_of(statement_facts("SELECT f()"), functions, nothing).is_everything);
    CHECK(effect_of(statement_facts("SELECT 1"), functions, nothing).empty());
    CHECK(effect_of({}, functions, nothing).is_everything);
}

TEST_CASE("a function that is not known may answer and do anything") {
    RelationTable table;
    const RelationCatalog relations{table.rows};
    const auto facts = statement_facts("SELECT lower(b) FROM t");
    CHECK(cacheable(facts, FunctionCatalog{}, relations).why == Uncacheable::Function);
    CHECK(effect_of(facts, FunctionCatalog{}, relations).is_everything);
}

TEST_CASE("a cast that is made unseen keeps everything out, one that is written what casts") {
    const RelationCatalog implicit = catalog_with({"cast", "", "", "i", ""});
    CHECK(why("SELECT * FROM t", implicit) == Uncacheable::Cast);
    const RelationCatalog assigned = catalog_with({"cast", "", "", "a", ""});
    CHECK(why("SELECT * FROM t", assigned) == Uncacheable::Cast);
    const RelationCatalog written = catalog_with({"cast", "", "", "e", ""});
    CHECK(why("SELECT * FROM t", written) == Uncacheable::No);
    CHECK(why("SELECT a::text FROM t", written) == Uncacheable::Cast);
}

TEST_CASE("an operator that most statements have keeps everything out when it is unsettled") {
    CHECK(why("SELECT * FROM t", catalog_with({"operator", "", "", "", "+"})) ==
          Uncacheable::Operator);
    const RelationCatalog rare = catalog_with({"operator", "", "", "", "%"});
    CHECK(why("SELECT * FROM t", rare) == Uncacheable::No);
    CHECK(why("SELECT a % 2 FROM t", rare) == Uncacheable::Operator);
    CHECK(why("SELECT * FROM t ORDER BY b USING %", rare) == Uncacheable::Operator);
}

TEST_CASE("what writes and is called unseen keeps everything out") {
    RelationTable table;
    table.add({"hidden", "", table.number_of("public.f_const()"), "", ""});
    CHECK(RelationCatalog{table.rows}.obstacle() == Uncacheable::No);
    table.add({"hidden", "", table.number_of("public.f_deep()"), "", ""});
    CHECK(RelationCatalog{table.rows}.obstacle() == Uncacheable::Catalog);
}

TEST_CASE("where something makes timetz unseen, nothing with a time is kept") {
    const RelationCatalog relations = catalog_with({"flag", "", "", "timetz", ""});
    CHECK(why("SELECT * FROM u", relations) == Uncacheable::Time);
    CHECK(why("SELECT at AT TIME ZONE 'UTC' FROM t", relations) == Uncacheable::Time);
    CHECK(why("SELECT at FROM t", relations) == Uncacheable::No);
}

TEST_CASE("a transaction sees what is committed where that is said, or is everybody's default") {
    const auto begins = [](std::string_view sql, const RelationCatalog& relations) {
        return begins_committed(statement_facts(sql), relations);
    };
    const RelationCatalog nothing;
    const RelationCatalog usual = catalog_with({"flag", "", "", "timetz", ""});
    const RelationCatalog other = catalog_with({"flag", "", "", "isolation", ""});
    for (const char* const sql : {"BEGIN", "START TRANSACTION", "begin work read only"}) {
        CAPTURE(sql);
        CHECK(begins(sql, usual) == BeginsCommitted::ByDefault);
        CHECK(begins(sql, other) == BeginsCommitted::No);
        CHECK(begins(sql, nothing) == BeginsCommitted::No);
    }
    for (const char* const sql : {"BEGIN ISOLATION LEVEL READ COMMITTED",
                                  "BEGIN READ WRITE, ISOLATION LEVEL READ UNCOMMITTED"}) {
        CAPTURE(sql);
        CHECK(begins(sql, usual) == BeginsCommitted::Yes);
        CHECK(begins(sql, nothing) == BeginsCommitted::Yes);
    }
    for (const char* const sql :
         {"BEGIN ISOLATION LEVEL REPEATABLE READ",
          "BEGIN ISOLATION LEVEL SERIALIZABLE",
          "BEGIN ISOLATION LEVEL READ COMMITTED ISOLATION LEVEL SERIALIZABLE",
          "BEGIN ISOLATION LEVEL REPEATABLE READ ISOLATION LEVEL READ COMMITTED",
          "BEGIN; SELECT 1",
          "BEGIN; BEGIN",
          "COMMIT",
          "COMMIT AND CHAIN",
          "SELECT 1",
          "SAVEPOINT s",
          "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
          "BEGI",
          ""}) {
        CAPTURE(sql);
        CHECK(begins(sql, usual) == BeginsCommitted::No);
    }
}

TEST_CASE("an event trigger may run for a temporary table") {
    const RelationCatalog relations = catalog_with({"flag", "", "", "event_trigger", ""});
    const FunctionCatalog functions = relation_functions();
    CHECK(effect_of(statement_facts("CREATE TEMP TABLE x (id int)"), functions, relations)
              .is_everything);
    CHECK(effect_of(statement_facts("SELECT * INTO TEMP x FROM t"), functions, relations)
              .is_everything);
    CHECK(effect_of(statement_facts("SELECT 1"), functions, relations).empty());
}

TEST_CASE("too many names are no facts") {
    RelationTable table;
    const RelationCatalog relations{table.rows};
    std::string members = "SELECT t.a";
    for (std::size_t i = 0; i <= weir::sql::ResultFacts::kMembersMax; ++i) {
        members += ", t.a" + std::to_string(i);
    }
    CHECK(why(members + " FROM t", relations) == Uncacheable::NotUnderstood);
    CHECK(effect_of(statement_facts(members + " FROM t"), relation_functions(), relations)
              .is_everything);
    std::string calls = "DECLARE c CURSOR FOR SELECT 1";
    for (std::size_t i = 0; i <= weir::sql::StatementFacts::kNamesMax; ++i) {
        calls += ", f" + std::to_string(i) + "()";
    }
    CHECK(statement_facts(calls).changes_anything);
}

TEST_CASE("columns of a row that may be functions, in letters that encodings write differently") {
    const RelationCatalog relations = catalog_with({"computed", "", "", "v", ""});
    const auto facts = statement_facts("SELECT t.\xc3\xa9 FROM t");
    CHECK(cacheable(facts, relation_functions(), relations).why == Uncacheable::Function);
    CHECK(effect_of(facts, relation_functions(), relations).is_everything);
    CHECK(why("SELECT t.a FROM t", relations) == Uncacheable::No);
    // PostgreSQL's own that hang on nothing else do no harm; one of the same name may.
    CHECK(why("SELECT t.to_json FROM t", catalog_with({"computed", "", "", "s", "to_json"})) ==
          Uncacheable::No);
    CHECK(why("SELECT t.to_json FROM t", catalog_with({"computed", "", "", "v", "to_json"})) ==
          Uncacheable::Function);
}

TEST_CASE("a column of a row that writes is followed") {
    RelationTable table;
    table.add({"computed", "", "", "v", "f_deep"});
    const RelationCatalog relations{table.rows};
    const WriteSet changed =
        effect_of(statement_facts("SELECT (t).f_deep FROM t"), relation_functions(), relations);
    CHECK(table.names_of(changed.tables) == "app.twin,twin");
}

TEST_CASE("types of parameters that hang on the day") {
    for (const std::uint32_t type : {1083U, 1183U, 1266U, 1270U, 16384U, 4000000000U}) {
        CHECK_FALSE(weir::sql::is_settled_parameter(type));
    }
    for (const std::uint32_t type : {0U, 25U, 1082U, 1114U, 1184U, 23U}) {
        CHECK(weir::sql::is_settled_parameter(type));
    }
}

TEST_CASE("reasons have names of their own") {
    std::vector<std::string> names;
    for (int i = 0; i <= static_cast<int>(Uncacheable::Catalog); ++i) {
        names.emplace_back(name_of(static_cast<Uncacheable>(i)));
    }
    std::sort(names.begin(), names.end());
    CHECK(std::unique(names.begin(), names.end()) == names.end());
    CHECK(names.front() != "?");
}
