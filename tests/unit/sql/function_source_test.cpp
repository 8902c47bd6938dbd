#include "sql/function_source.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using weir::SessionEffect;
using weir::SessionEffects;
using weir::sql::FunctionSource;
using weir::sql::read_function_source;

namespace {

bool is_quiet(std::string_view source) {
    const FunctionSource found = read_function_source(source);
    return found.known.empty() && !found.is_dynamic && !found.has_unnamed_setting;
}

bool has_name(const FunctionSource& found, std::string_view name) {
    return std::binary_search(
        found.names.begin(), found.names.end(), weir::sql::hash_of_name(name));
}

}  // namespace

TEST_CASE("functions that leave nothing") {
    for (const char* source :
         {"SELECT 1",
          "BEGIN UPDATE t SET a = 1; RETURN NEW; END",
          "BEGIN INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 2; END",
          "BEGIN PERFORM set_config('a.b', 'c', true); END",
          "BEGIN x := set_config('a.b', CASE WHEN y THEN 'c' ELSE 'd' END, true); END",
          "BEGIN SET LOCAL work_mem = '1MB'; END",
          "BEGIN -- SET work_mem = 1;\n /* ; SET a = b */ NULL; END",
          "BEGIN RAISE NOTICE 'x; SET work_mem = 1'; END",
          "BEGIN x := $a$; SET work_mem = 1$a$; END",
          "BEGIN GRANT EXECUTE ON FUNCTION f TO g; END",
          "BEGIN OPEN c FOR SELECT 1; CLOSE c; END",
          "BEGIN PERFORM pg_advisory_xact_lock(1); END"}) {
        CAPTURE(source);
        CHECK(is_quiet(source));
    }
}

TEST_CASE("SET is a statement wherever one can begin") {
    for (const char* source : {"SET work_mem = '1MB'",
                               "SELECT 1; SET work_mem = '1MB'",
                               "BEGIN SET work_mem = '1MB'; END",
                               "BEGIN NULL; SET SESSION work_mem = '1MB'; END",
                               "BEGIN IF a THEN SET work_mem = '1MB'; END IF; END",
                               "BEGIN IF a THEN NULL; ELSE SET work_mem = '1MB'; END IF; END",
                               "BEGIN LOOP SET work_mem = '1MB'; END LOOP; END",
                               "BEGIN <<here>> SET work_mem = '1MB'; END",
                               "<<outer>> DECLARE x int; BEGIN RESET work_mem; END",
                               "BEGIN EXCEPTION WHEN OTHERS THEN SET work_mem = '1MB'; END",
                               "begin perform set_config('work_mem', v, false); end",
                               "begin perform set_config('work_mem', v, is_local); end",
                               "begin return \"set_config\"('work_mem', v, false); end"}) {
        CAPTURE(source);
        CHECK(read_function_source(source).known == SessionEffects{SessionEffect::Settings});
    }
}

TEST_CASE("every kind of state") {
    const auto known = [](std::string_view source) { return read_function_source(source).known; };
    CHECK(known("BEGIN CREATE TEMP TABLE t (x int); END").has(SessionEffect::Temporary));
    CHECK(known("DECLARE c CURSOR WITH HOLD FOR SELECT 1").has(SessionEffect::Cursors));
    CHECK(known("PREPARE p AS SELECT 1").has(SessionEffect::Statements));
    CHECK(known("BEGIN LISTEN x; END").has(SessionEffect::Channels));
    CHECK(known("SELECT pg_advisory_lock(1)").has(SessionEffect::Locks));
    for (const char* source : {"BEGIN PERFORM setseed(.5); END",
                               "BEGIN SET seed TO .5; END",
                               "BEGIN SET LOCAL seed TO .5; END",
                               "SELECT set_config('seed', '.5', true)",
                               "SELECT dblink_connect('x')",
                               "LOAD 'x'",
                               "SELECT pg_replication_origin_session_setup('x')",
                               "BEGIN EXECUTE 'SELECT setseed(.5)'; END",
                               "BEGIN EXECUTE 'DO ''BEGIN PERFORM setseed(.5); END'''; END"}) {
        CAPTURE(source);
        CHECK(known(source).has(SessionEffect::Lasting));
    }
}

TEST_CASE("SQL that is not in the text") {
    for (const char* source : {"BEGIN EXECUTE x; END",
                               "BEGIN RETURN QUERY EXECUTE x USING y; END",
                               "BEGIN FOR r IN EXECUTE x LOOP NULL; END LOOP; END",
                               "BEGIN OPEN c FOR EXECUTE x; END",
                               "SELECT query_to_xml($1, true, true, '')",
                               "SELECT U&\"\\0066\"()",
                               "SELECT set_config($1, $2, true)"}) {
        CAPTURE(source);
        CHECK(read_function_source(source).is_dynamic);
    }
}

TEST_CASE("names of settings") {
    using Names = std::vector<std::string>;
    const auto names = [](std::string_view source) {
        return read_function_source(source).custom_settings;
    };
    CHECK(names("BEGIN PERFORM set_config('App.Tenant', t, false); END") == Names{"app.tenant"});
    CHECK(names("BEGIN SET a.b = 1; SET a.b = 2; SET LOCAL c.d = 1; END") == Names{"a.b", "c.d"});
    CHECK(names("BEGIN EXECUTE 'SET a.b = ' || x; END") == Names{"a.b"});
    CHECK(read_function_source("SELECT set_config(n, v, false)").has_unnamed_setting);
    CHECK(read_function_source("SELECT set_config(E'a\\x2eb', v, false)").has_unnamed_setting);
    CHECK_FALSE(read_function_source("SELECT set_config('a.b', v, false)").has_unnamed_setting);
}

TEST_CASE("which functions it may call, and whether it writes") {
    const FunctionSource found =
        read_function_source("BEGIN PERFORM app.Helper(1); INSERT INTO \"T x\" VALUES (1); END");
    CHECK(has_name(found, "helper"));
    CHECK(has_name(found, "T x"));
    CHECK_FALSE(has_name(found, "Helper"));
    CHECK(found.writes);
    CHECK_FALSE(read_function_source("SELECT 1").writes);
    CHECK(has_name(read_function_source("BEGIN EXECUTE 'SELECT other()'; END"), "other"));
}

TEST_CASE("hostile sources are read to their end") {
    for (const char* source : {"",
                               ";",
                               "((((",
                               "))))",
                               "'",
                               "$$",
                               "\"",
                               "U&\"",
                               "BEGIN EXECUTE",
                               "<<",
                               ">>>>",
                               "set_config(",
                               "DO",
                               "DO $$DO $x$DO$x$$$"}) {
        CAPTURE(source);
        static_cast<void>(read_function_source(source));
    }
    std::string deep = "EXECUTE ";
    for (int i = 0; i < 2000; ++i) {
        deep += "$a" + std::to_string(i) + "$ EXECUTE ";
    }
    CHECK(read_function_source(deep).is_dynamic);
    std::string blocks;
    for (int i = 0; i < 2000; ++i) {
        blocks += "DO $a" + std::to_string(i) + "$ ";
    }
    CHECK(read_function_source(blocks).known.has(SessionEffect::Lasting));
}
