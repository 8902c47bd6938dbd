#include "sql/read_route.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "sql/function_lists.hpp"

using weir::sql::FunctionCatalog;
using weir::sql::FunctionRow;
using weir::sql::statement_facts;
using weir::sql::Volatility;

namespace {

bool is_read(std::string_view sql, const FunctionCatalog& knowledge) {
    return weir::sql::is_read(statement_facts(sql), knowledge);
}

constexpr Volatility kStable = Volatility::Stable;
constexpr Volatility kVolatile = Volatility::Volatile;

constexpr std::array<FunctionRow, 9> kRows = {{
    {"pg_catalog", "lower", kStable},
    {"pg_catalog", "random", kVolatile},
    {"pg_catalog", "pg_is_in_recovery", kVolatile},
    {"pg_catalog", "lo_get", kVolatile},
    {"public", "own", kStable},
    {"public", "own_volatile", kVolatile},
    {"a", "twice", kStable},
    {"b", "twice", kVolatile},
    {"public", "txid_of", kStable},
}};

}  // namespace

TEST_CASE("knowledge says which functions are safe") {
    const FunctionCatalog knowledge{kRows};
    CHECK(knowledge.is_safe_read("", "lower"));
    CHECK(knowledge.is_safe_read("pg_catalog", "lower"));
    CHECK_FALSE(knowledge.is_safe_read("public", "lower"));
    CHECK_FALSE(knowledge.is_safe_read("", "LOWER"));
    CHECK(knowledge.is_safe_read("", "random"));
    CHECK_FALSE(knowledge.is_safe_read("", "lo_get"));
    CHECK(knowledge.is_safe_read("", "own"));
    CHECK_FALSE(knowledge.is_safe_read("", "own_volatile"));
    CHECK_FALSE(knowledge.is_safe_read("", "twice"));
    CHECK(knowledge.is_safe_read("a", "twice"));
    CHECK_FALSE(knowledge.is_safe_read("b", "twice"));
    CHECK_FALSE(knowledge.is_safe_read("", "unknown"));
    CHECK_FALSE(knowledge.is_safe_read("", ""));
}

TEST_CASE("a function of one's own hides a built-in one") {
    std::vector<FunctionRow> rows{kRows.begin(), kRows.end()};
    rows.push_back({"app", "random", kVolatile});
    rows.push_back({"app", "lower", kStable});
    const FunctionCatalog knowledge{rows};
    CHECK_FALSE(knowledge.is_safe_read("", "random"));
    CHECK(knowledge.is_safe_read("pg_catalog", "random"));
    CHECK_FALSE(knowledge.is_safe_read("app", "random"));
    CHECK(knowledge.is_safe_read("", "lower"));
}

TEST_CASE("one volatile row of a name decides, whatever the order") {
    constexpr std::array<FunctionRow, 3> kTwice = {
        {{"public", "f", kStable}, {"public", "f", kVolatile}, {"public", "f", kStable}}};
    CHECK_FALSE(FunctionCatalog{kTwice}.is_safe_read("", "f"));
}

TEST_CASE("versions follow what is known") {
    const FunctionCatalog knowledge{kRows};
    CHECK(FunctionCatalog{}.version() == 0);
    CHECK(FunctionCatalog{std::vector<FunctionRow>{}}.version() == 0);
    CHECK(knowledge.version() != 0);
    const std::vector<FunctionRow> turned{kRows.rbegin(), kRows.rend()};
    CHECK(FunctionCatalog{turned}.version() == knowledge.version());
    std::vector<FunctionRow> other{kRows.begin(), kRows.end()};
    other[4].volatility = kVolatile;
    CHECK(FunctionCatalog{other}.version() != knowledge.version());
    other[4] = {"public2", "own", kStable};
    CHECK(FunctionCatalog{other}.version() != knowledge.version());
}

TEST_CASE("more functions than fit make none safe") {
    std::vector<std::string> names;
    for (std::size_t i = 0; i <= FunctionCatalog::kRowsMax; ++i) {
        names.push_back("f" + std::to_string(i));
    }
    std::vector<FunctionRow> rows;
    rows.reserve(names.size());
    for (const std::string& name : names) {
        rows.push_back({"public", name, kStable});
    }
    CHECK_FALSE(FunctionCatalog{rows}.is_safe_read("", "f1"));
    CHECK(FunctionCatalog{rows}.version() == 0);
    rows.pop_back();
    CHECK(FunctionCatalog{rows}.is_safe_read("", "f1"));
}

TEST_CASE("before the catalog was asked only what calls nothing is a read") {
    const FunctionCatalog nothing;
    CHECK(is_read("SELECT a FROM t", nothing));
    CHECK(is_read("SELECT coalesce(a, 1), current_user, extract(year from b) FROM t", nothing));
    CHECK_FALSE(is_read("SELECT lower(a) FROM t", nothing));
    CHECK_FALSE(is_read("SELECT random()", nothing));
    CHECK_FALSE(is_read("SELECT count(*) FROM t", nothing));
}

TEST_CASE("the primary's own functions stay there, however the catalog calls them") {
    const FunctionCatalog knowledge{kRows};
    CHECK_FALSE(is_read("SELECT pg_is_in_recovery()", knowledge));
    CHECK_FALSE(is_read("SELECT txid_of()", knowledge));
    for (const std::string_view name : {"nextval",
                                        "pg_try_advisory_lock",
                                        "dblink_open",
                                        "lo_import",
                                        "lowrite",
                                        "pg_walfile_name",
                                        "txid_current",
                                        "set_config",
                                        "schema_to_xml_and_xmlschema",
                                        "pg_stat_file",
                                        "inet_server_port",
                                        "pg_ls_waldir",
                                        "pg_logical_emit_message"}) {
        INFO(name);
        CHECK(weir::sql::must_run_on_primary(name));
    }
    for (const std::string_view name : {"lower",
                                        "pg_sleep",
                                        "random",
                                        "pg_backend_pid",
                                        "version",
                                        "pg_typeof",
                                        "count",
                                        "pg_get_viewdef",
                                        "log",
                                        "pg_size_pretty",
                                        "to_xml",
                                        "xmlagg",
                                        "lower_inf",
                                        "location"}) {
        INFO(name);
        CHECK_FALSE(weir::sql::must_run_on_primary(name));
    }
}

TEST_CASE("of several statements none is taken for a read") {
    const FunctionCatalog knowledge{kRows};
    CHECK_FALSE(is_read("SELECT 1; SELECT 2", knowledge));
    CHECK(weir::sql::reads_by_grammar(statement_facts("SELECT own_volatile()")));
    CHECK_FALSE(weir::sql::reads_by_grammar(statement_facts("SELECT own_volatile(); SELECT 1")));
    CHECK_FALSE(weir::sql::reads_by_grammar(statement_facts("DELETE FROM t")));
}
