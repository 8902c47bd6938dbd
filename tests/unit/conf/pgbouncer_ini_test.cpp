#include "conf/pgbouncer_ini.hpp"

#include "conf/import_databases.hpp"
#include "conf/import_table.hpp"
#include "conf/value.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace weir::conf;

TEST_SUITE_BEGIN("pgbouncer_ini");

TEST_CASE("connection string: pairs between spaces, quotes, doubled quotes") {
    const auto pairs = parse_connection_string(
        " host=10.0.0.1\tport = 5433  connect_query='select ''x'' = 1' password='' dbname=a''b ");
    REQUIRE(pairs.value);
    CHECK(*pairs.value == IniPairs{{"host", "10.0.0.1"},
                                   {"port", "5433"},
                                   {"connect_query", "select 'x' = 1"},
                                   {"password", ""},
                                   {"dbname", "a''b"}});
    CHECK(parse_connection_string("").value->empty());
    CHECK(parse_connection_string("user=").value == IniPairs{{"user", ""}});
}

TEST_CASE("connection string: mistakes are named without the text, which may be a password") {
    for (const char* text :
         {"secret", "=x", "a=b secret", "password='secret", "password='secret''"}) {
        CAPTURE(text);
        const auto pairs = parse_connection_string(text);
        CHECK_FALSE(pairs.value);
        CHECK(pairs.problem.find("secret") == std::string::npos);
        CHECK_FALSE(pairs.problem.empty());
    }
}

TEST_CASE("import: seconds with decimals become durations") {
    CHECK(seconds_text("60").value == "1m");
    CHECK(seconds_text("1.5").value == "1500ms");
    CHECK(seconds_text("0").value == "0s");
    CHECK(seconds_text("0.0001").value == "1ms");
    for (const char* text : {"", "-1", "1s", "nan", "inf", "1e99", " 1"}) {
        CAPTURE(text);
        CHECK_FALSE(seconds_text(text).value);
    }
}

TEST_CASE("import: lists lose their spaces and empty entries") {
    CHECK(split_list(" a, b ,,c") == std::vector<std::string>{"a", "b", "c"});
    CHECK(split_list("").empty());
}

TEST_CASE("import table: every setting is there once, and says why it is not carried over") {
    std::set<std::string_view> seen;
    for (const KnownSetting& known : pgbouncer_settings()) {
        CAPTURE(known.name);
        CHECK(seen.insert(known.name).second);
        const bool is_left_out = known.carry == Carry::NotNeeded || known.carry == Carry::Missing;
        CHECK((known.key.empty() || !is_left_out));
        CHECK((!known.why.empty() || !is_left_out));
    }
    CHECK(seen.size() > 90);
    CHECK(find_pgbouncer_setting("pool_mode") != nullptr);
    CHECK(find_pgbouncer_setting("POOL_MODE") == nullptr);  // as PgBouncer: case counts
}

TEST_SUITE_END();
