#include "sql/relation_catalog.hpp"

#include "tests/unit/sql/relation_table.hpp"

#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>

using weir::sql::FunctionCatalog;
using weir::sql::FunctionRow;
using weir::sql::QualifiedName;
using weir::sql::ReadSet;
using weir::sql::RelationCatalog;
using weir::sql::RelationRows;
using weir::sql::Uncacheable;
using weir::sql::Verbs;
using weir::sql::Volatility;
using weir::sql::WriteSet;
using weir::sql::WriteTarget;
using weir::sql::test::RelationTable;

namespace {

using Row = std::array<std::string_view, RelationRows::kColumns>;
using Oids = std::vector<std::uint32_t>;

RelationRows rows_of(std::initializer_list<Row> rows) {
    RelationRows all;
    for (const Row& row : rows) {
        std::array<std::optional<std::string_view>, RelationRows::kColumns> columns;
        std::copy(row.begin(), row.end(), columns.begin());
        all.add(columns);
    }
    return all;
}

ReadSet read(const RelationCatalog& catalog, const std::string& name) {
    const std::array<QualifiedName, 1> names = {{{"", name}}};
    return catalog.read_set(names);
}

WriteSet write(const RelationCatalog& catalog, const std::string& name, Verbs verbs) {
    const std::array<WriteTarget, 1> targets = {{{{"", name}, verbs}}};
    return catalog.write_set(targets);
}

WriteSet call(const RelationCatalog& catalog,
              const std::string& name,
              const FunctionCatalog& functions = {}) {
    const std::array<QualifiedName, 1> names = {{{"", name}}};
    return catalog.write_set_of_functions(names, functions);
}

}  // namespace

TEST_CASE("views in a circle end") {
    // PostgreSQL has none; but a bad row must not hang us.
    const RelationCatalog catalog{rows_of({{"relation", "20000", "public", "v", "a"},
                                           {"relation", "20001", "public", "v", "b"},
                                           {"relation", "20002", "public", "r", "t"},
                                           {"reads", "20000", "20001", "", ""},
                                           {"reads", "20001", "20000", "", ""},
                                           {"reads", "20001", "20002", "", ""}})};
    CHECK(read(catalog, "a").tables == Oids{20002});
    CHECK(write(catalog, "a", Verbs::Update).tables == Oids{20002});
}

TEST_CASE("a table may have the name of one of PostgreSQL's own") {
    const RelationCatalog catalog{
        rows_of({{"relation", "13000", "information_schema", "v", "parameters"},
                 {"reads", "13000", "1255", "", ""},
                 {"relation", "1255", "pg_catalog", "r", "pg_proc"},
                 {"relation", "20000", "public", "r", "parameters"},
                 {"relation", "20001", "public", "r", "pg_proc"}})};
    CHECK(write(catalog, "parameters", Verbs::Insert).tables == Oids{20000});
    CHECK(write(catalog, "pg_proc", Verbs::Insert).is_everything);
    CHECK(read(catalog, "parameters").why == Uncacheable::SystemCatalog);
    const std::array<QualifiedName, 1> own = {{{"public", "parameters"}}};
    CHECK(catalog.read_set(own).tables == Oids{20000});
}

TEST_CASE("long chains do not exhaust the stack") {
    RelationRows rows;
    constexpr std::uint32_t kLength = 30'000;
    for (std::uint32_t i = 0; i < kLength; ++i) {
        const std::string id = std::to_string(20000 + i);
        const std::string next = std::to_string(20001 + i);
        const std::string name = "v" + id;
        std::array<std::optional<std::string_view>, 5> row = {"relation", id, "public", "v", name};
        if (i + 1 == kLength) {
            row[3] = "r";
        }
        rows.add(row);
        if (i + 1 < kLength) {
            rows.add(std::array<std::optional<std::string_view>, 5>{"reads", id, next, "", ""});
        }
    }
    const RelationCatalog catalog{rows};
    CHECK(read(catalog, "v20000").tables == Oids{20000 + kLength - 1});
    CHECK(write(catalog, "v20000", Verbs::Insert).tables == Oids{20000 + kLength - 1});
}

TEST_CASE("a child that nobody else can see keeps its parent out") {
    const RelationCatalog catalog{
        rows_of({{"relation", "20000", "public", "r", "t"}, {"child", "20000", "20001", "", ""}})};
    CHECK(read(catalog, "t").why == Uncacheable::Temporary);
    CHECK(read(catalog, "t").tables.empty());
    CHECK(write(catalog, "t", Verbs::Insert).is_everything);
}

TEST_CASE("children decide with their parent") {
    for (const auto& one : {std::pair{"rR", Uncacheable::RowSecurity},
                            std::pair{"f", Uncacheable::Foreign},
                            std::pair{"rZ", Uncacheable::Time},
                            std::pair{"rL", Uncacheable::Rule},
                            std::pair{"S", Uncacheable::Sequence},
                            std::pair{"x", Uncacheable::Unknown},
                            std::pair{"", Uncacheable::Unknown}}) {
        const RelationCatalog catalog{rows_of({{"relation", "20000", "public", "p", "t"},
                                               {"relation", "20001", "public", one.first, "c"},
                                               {"child", "20000", "20001", "", ""}})};
        INFO(one.first);
        CHECK(read(catalog, "t").why == one.second);
        CHECK(read(catalog, "c").why == one.second);
    }
}

TEST_CASE("a view that calls what is not settled is refused") {
    const auto why = [](std::string_view word, std::string_view name) {
        return read(RelationCatalog{rows_of({{"relation", "20000", "public", "v", "v"},
                                             {"calls", "20000", "20009", word, name}})},
                    "v")
            .why;
    };
    CHECK(why("ri", "") == Uncacheable::No);
    CHECK(why("rs", "") == Uncacheable::Function);
    CHECK(why("rs", "to_char") == Uncacheable::No);
    CHECK(why("rs", "now") == Uncacheable::Function);
    CHECK(why("rv", "random") == Uncacheable::Function);
    CHECK(why("wv", "") == Uncacheable::No);
    CHECK(why("", "") == Uncacheable::Function);
}

TEST_CASE("a write goes on by what it is and what the constraint says") {
    const auto changed = [](std::string_view actions, Verbs verbs) {
        const RelationCatalog catalog{rows_of({{"relation", "20000", "public", "r", "t"},
                                               {"relation", "20001", "public", "r", "c"},
                                               {"cascade", "20000", "20001", actions, ""}})};
        return write(catalog, "t", verbs).tables.size() == 2;
    };
    CHECK(changed("ca", Verbs::Delete));
    CHECK_FALSE(changed("ca", Verbs::Update));
    CHECK_FALSE(changed("ca", Verbs::Insert));
    CHECK(changed("ca", Verbs::Truncate));
    CHECK(changed("aa", Verbs::Truncate));
    CHECK_FALSE(changed("aa", Verbs::Delete));
    CHECK_FALSE(changed("rr", Verbs::Delete));
    for (const std::string_view action : {"n", "d"}) {
        CHECK(changed(std::string{action} + "a", Verbs::Delete));
        CHECK(changed("a" + std::string{action}, Verbs::Update));
        CHECK_FALSE(changed("a" + std::string{action}, Verbs::Delete));
    }
    CHECK(changed("ac", Verbs::Update));
    CHECK_FALSE(changed("ac", Verbs::Delete));
    CHECK(changed("", Verbs::Delete));
}

TEST_CASE("a trigger runs for what it is made for, and one that is not understood for all") {
    const auto runs = [](std::string_view tgtype, Verbs verbs) {
        const RelationCatalog catalog{rows_of({{"relation", "20000", "public", "r", "t"},
                                               {"trigger", "20000", "20009", tgtype, ""},
                                               {"function", "20009", "public", "vo", "f"}})};
        return write(catalog, "t", verbs).is_everything;
    };
    CHECK(runs("5", Verbs::Insert));
    CHECK_FALSE(runs("5", Verbs::Delete));
    CHECK(runs("9", Verbs::Delete));
    CHECK(runs("17", Verbs::Update));
    CHECK(runs("32", Verbs::Truncate));
    CHECK_FALSE(runs("32", Verbs::Update));
    CHECK(runs("x", Verbs::Insert));
    CHECK(runs("", Verbs::Truncate));
}

TEST_CASE("languages that are not read are believed as far as they can be") {
    const auto does = [](std::string_view word, std::string_view name) {
        const RelationCatalog catalog{rows_of({{"function", "20009", "public", word, name}})};
        return call(catalog, std::string{name}).is_everything;
    };
    CHECK(does("vo", "f"));
    CHECK(does("so", "f"));
    CHECK_FALSE(does("io", "f"));
    CHECK(does("vc", "dblink_exec"));
    CHECK_FALSE(does("sc", "f"));
    CHECK_FALSE(does("ic", "f"));
    CHECK_FALSE(does("vc", "uuid_generate_v4"));
    CHECK(does("vo", "uuid_generate_v4"));
    CHECK_FALSE(does("vs", "f"));
    CHECK(does("", "f"));
}

TEST_CASE(
    "PostgreSQL's own functions that are called write no table, but for those that run text") {
    constexpr std::array<FunctionRow, 5> kMine = {
        {{"pg_catalog", "nextval", Volatility::Volatile},
         {"pg_catalog", "pg_sleep", Volatility::Volatile},
         {"pg_catalog", "lower", Volatility::Immutable},
         {"pg_catalog", "brand_new", Volatility::Volatile},
         {"pg_catalog", "ts_stat", Volatility::Volatile}}};
    const FunctionCatalog functions{kMine};
    const RelationCatalog catalog{rows_of({{"relation", "20000", "public", "r", "t"}})};
    CHECK(call(catalog, "nextval", functions).empty());
    CHECK(call(catalog, "pg_sleep", functions).empty());
    CHECK(call(catalog, "lower", functions).empty());
    CHECK(call(catalog, "brand_new", functions).is_everything);
    CHECK(call(catalog, "ts_stat", functions).is_everything);
    CHECK(call(catalog, "nothing", functions).is_everything);
}

TEST_CASE("sources come in pieces, with escapes") {
    const RelationCatalog catalog{
        rows_of({{"relation", "20000", "public", "r", "first_table"},
                 {"relation", "20001", "public", "r", "second"},
                 {"function", "20009", "public", "vs", "f"},
                 {"source", "20009", "", "", "DELETE FROM first_"},
                 {"source", "20009", "", "", "table WHERE x <> '\\303\\251\\\\'"}})};
    CHECK(call(catalog, "f").tables == Oids{20000});
}

TEST_CASE("rows that are none, or too many, leave nothing known") {
    CHECK(RelationCatalog{rows_of({})}.obstacle() == Uncacheable::Catalog);
    CHECK(RelationCatalog{rows_of({{"novelty", "1", "", "", ""}})}.obstacle() ==
          Uncacheable::Catalog);
    CHECK(RelationCatalog{rows_of({{"relation", "20000", "public", "r", "t"},
                                   {"source", "20009", "", "", "x"}})}
              .obstacle() == Uncacheable::Catalog);
    RelationRows many;
    for (std::size_t i = 0; i < RelationRows::kRowsMax; ++i) {
        many.add(std::array<std::optional<std::string_view>, 5>{
            "relation", "20000", "public", "r", "t"});
    }
    CHECK(RelationCatalog{many}.obstacle() == Uncacheable::No);
    many.add(std::array<std::optional<std::string_view>, 5>{"column", "", "", "", "at"});
    CHECK(RelationCatalog{many}.obstacle() == Uncacheable::Catalog);
    CHECK(RelationCatalog{many}.version() == 0);
    CHECK(write(RelationCatalog{many}, "t", Verbs::Insert).is_everything);
    RelationRows others;
    others.add(std::array<std::optional<std::string_view>, 1>{"off"});
    CHECK(others.size() == 0);
}

TEST_CASE("nulls and what is no number are taken for nothing") {
    RelationRows rows;
    rows.add(
        std::array<std::optional<std::string_view>, 5>{"relation", "x", std::nullopt, "r", "t"});
    rows.add(std::array<std::optional<std::string_view>, 5>{
        "child", std::nullopt, "99999999999", std::nullopt, std::nullopt});
    const RelationCatalog catalog{rows};
    CHECK(read(catalog, "t").why == Uncacheable::SystemCatalog);
    CHECK(write(catalog, "t", Verbs::Insert).is_everything);
}

TEST_CASE("versions follow what is known") {
    const RelationTable table;
    RelationTable other;
    CHECK(RelationCatalog{table.rows}.version() != 0);
    CHECK(RelationCatalog{table.rows}.version() == RelationCatalog{other.rows}.version());
    other.add({"column", "", "", "", "x"});
    CHECK(RelationCatalog{table.rows}.version() != RelationCatalog{other.rows}.version());
}

TEST_CASE("names without other letters than ASCII's are unknown") {
    const RelationCatalog catalog{rows_of({{"relation", "20000", "?", "r", ""},
                                           {"relation", "20001", "public", "v", "v"},
                                           {"reads", "20001", "20000", "", ""}})};
    CHECK(read(catalog, "\xc3\xa9").why == Uncacheable::Unknown);
    CHECK(read(catalog, "").why == Uncacheable::Unknown);
    CHECK(read(catalog, "v").tables == Oids{20000});
}
