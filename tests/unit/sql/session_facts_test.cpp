#include "sql/session_facts.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using weir::SessionEffect;
using weir::SessionEffects;
using weir::sql::session_facts;

namespace {

SessionEffects known(std::string_view sql) {
    return session_facts(sql).effects.known;
}

}  // namespace

TEST_CASE("what changes settings") {
    for (const char* sql : {"SET work_mem = '1MB'",
                            "set session work_mem to default",
                            "SET TIME ZONE 'UTC'",
                            "SET ROLE x",
                            "SET SESSION AUTHORIZATION x",
                            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                            "RESET ALL",
                            "SELECT set_config('a', 'b', false)",
                            "SELECT 1; SELECT pg_catalog.set_config('a', 'b', $1)",
                            "select set_config('a', f(true), x)",
                            "/* x */ -- y\n SET a = b"}) {
        CAPTURE(sql);
        CHECK(known(sql) == SessionEffects{SessionEffect::Settings});
        CHECK_FALSE(session_facts(sql).effects.is_inert);
    }
}

TEST_CASE("what ends with the transaction changes nothing") {
    for (const char* sql : {"SET LOCAL work_mem = '1MB'",
                            "SET TRANSACTION READ ONLY",
                            "SET CONSTRAINTS ALL DEFERRED",
                            "BEGIN",
                            "COMMIT",
                            "SHOW work_mem",
                            "ROLLBACK TO SAVEPOINT a",
                            ""}) {
        CAPTURE(sql);
        CHECK(known(sql).empty());
        CHECK(session_facts(sql).effects.is_inert);
    }
    CHECK(known("SELECT set_config('a.b', $1, true), set_config('c', f(1, 2), true)").empty());
    CHECK(known("SELECT pg_advisory_xact_lock(1)").empty());
    CHECK(session_facts("SET LOCAL a.b = 1").is_local_set);
    CHECK_FALSE(session_facts("SET LOCAL a.b = 1; SELECT 1").is_local_set);
}

TEST_CASE("what pins") {
    CHECK(known("CREATE TEMP TABLE t (a int)") == SessionEffects{SessionEffect::Temporary});
    CHECK(known("select 1 into temporary t") == SessionEffects{SessionEffect::Temporary});
    CHECK(known("create table pg_temp.t ()") == SessionEffects{SessionEffect::Temporary});
    CHECK(known("LISTEN x") == SessionEffects{SessionEffect::Channels});
    CHECK(known("unlisten *") == SessionEffects{SessionEffect::Channels});
    CHECK(known("LOAD 'x'") == SessionEffects{SessionEffect::Lasting});
    CHECK(known("select setseed(0.5)") == SessionEffects{SessionEffect::Lasting});
    CHECK(known("DECLARE c CURSOR WITH HOLD FOR SELECT 1") ==
          SessionEffects{SessionEffect::Cursors});
    CHECK(known("DECLARE c CURSOR FOR SELECT 1").empty());
    CHECK(known("PREPARE p AS SELECT 1") == SessionEffects{SessionEffect::Statements});
    CHECK(known("PREPARE TRANSACTION 'x'").empty());
    CHECK(known("DEALLOCATE p") == SessionEffects{SessionEffect::Statements});
    CHECK(known("select pg_try_advisory_lock(1)") == SessionEffects{SessionEffect::Locks});
    CHECK(known("select pg_advisory_unlock_all ()") == SessionEffects{SessionEffect::Locks});
    CHECK(known("DISCARD ALL").has(SessionEffect::Temporary));
    CHECK(known("select 'create temp table'").empty());
    CHECK(session_facts("DO $$ begin end $$").effects.is_opaque);
    CHECK(session_facts("execute p(1)").effects.is_opaque);
}

TEST_CASE("which setting is reset") {
    const auto name = [](const char* sql) { return session_facts(sql).reset_name; };
    CHECK(name("RESET work_mem") == "work_mem");
    CHECK(name("reset TimeZone;") == "timezone");
    CHECK(name("RESET TIME ZONE") == "timezone");
    CHECK(name("RESET SESSION AUTHORIZATION") == "session_authorization");
    CHECK(name("RESET ALL") == "all");
    CHECK(name("DISCARD ALL") == "all");
    CHECK(name("DISCARD PLANS").empty());
    CHECK(name("SET a TO DEFAULT") == "a");
    CHECK(name("SET a.b = default") == "a.b");
    CHECK(name("SET TIME ZONE DEFAULT") == "timezone");
    CHECK(name("SET a = 'default'").empty());
    CHECK(name("SET LOCAL a TO DEFAULT").empty());
    CHECK(name("RESET a; SELECT 1").empty());
}

TEST_CASE("settings with a dot are known by name") {
    const auto names = [](const char* sql) { return session_facts(sql).custom_settings; };
    using Names = std::vector<std::string>;
    CHECK(names("SET My.Var = 1") == Names{"my.var"});
    CHECK(names("SET LOCAL my.var TO 'x'") == Names{"my.var"});
    CHECK(names("SELECT set_config('a.b', 'x', false), current_setting('c.d', true)") ==
          Names{"a.b", "c.d"});
    CHECK(names("DO $$ begin perform set_config('a.b', 'x', false); set c.d = 1; end $$") ==
          Names{"a.b", "c.d"});
    CHECK(names("CREATE FUNCTION f() RETURNS int AS $x$ select current_setting('a.b') $x$") ==
          Names{"a.b"});
    CHECK(names("select 'set_config(''a.b'')'").empty());
    CHECK(names("SELECT set_config('a.b''; drop', 'x', false)").empty());
    CHECK(session_facts("SELECT set_config($1, $2, false)").effects.has_unnamed_setting);
    CHECK(session_facts("SELECT set_config('a' || 'b', $2, false)").effects.has_unnamed_setting);
    CHECK_FALSE(session_facts("SELECT set_config($1, $2, true)").effects.has_unnamed_setting);
}

TEST_CASE("sequences") {
    CHECK(session_facts("select lastval()").effects.reads_sequences);
    CHECK_FALSE(session_facts("select lastval()").effects.may_advance_sequences);
    CHECK(session_facts("insert into t values (1)").effects.may_advance_sequences);
    CHECK(session_facts("select f(1)").effects.may_advance_sequences);
    CHECK_FALSE(session_facts("select a from t where a in (1)").effects.may_advance_sequences);
}

TEST_CASE("cut anywhere, a statement does no harm") {
    const std::string whole =
        "SET SESSION a.b = 'c'; SELECT set_config('x.y', f(1), true) FROM \"t\" /* z */; DISCARD "
        "ALL";
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        CHECK_NOTHROW(static_cast<void>(session_facts(std::string_view{whole}.substr(0, cut))));
    }
}

TEST_CASE("what no look at the session shows") {
    for (const char* sql : {"SET seed TO .5",
                            "SET LOCAL seed = 0.5",
                            "SELECT set_config('seed', '.5', true)",
                            "SELECT pg_replication_origin_session_setup('x')",
                            "DO $$ BEGIN PERFORM setseed(0.5); END $$",
                            "DO 'BEGIN PERFORM set_config(''seed'', ''0.5'', false); END'",
                            "DO $$ BEGIN EXECUTE 'SELECT setseed(.5)'; END $$"}) {
        CAPTURE(sql);
        CHECK(known(sql).has(SessionEffect::Lasting));
        CHECK_FALSE(session_facts(sql).effects.is_inert);
    }
    CHECK(session_facts("SELECT set_config($1, $2, true)").effects.may_leave_unlisted);
}

TEST_CASE("settings whose names are not in plain letters") {
    static constexpr const char* kNamedArguments =
        "SELECT set_config(setting_name => 'my.v', new_value => 'x', is_local => false)";
    for (const char* sql : {"SET \"my\".\"v\xc3\xa4r\" = 'v'",
                            "SET my.U&\"v\\0061r\" = 'v'",
                            "SELECT set_config(E'my\\x2eesc', 'v', false)",
                            "SELECT set_config('my.'\n'var', 'v', false)",
                            "SELECT set_config(U&'my\\002eesc', 'v', false)",
                            "SELECT set_config('work_mem', set_config('my.v', 'x', true), false)",
                            kNamedArguments}) {
        CAPTURE(sql);
        CHECK(session_facts(sql).effects.has_unnamed_setting);
        CHECK(known(sql).has(SessionEffect::Settings));
    }
    CHECK_FALSE(session_facts("SET \"my\".\"var\" = 'v'").effects.has_unnamed_setting);
    CHECK(session_facts("SELECT U&\"s\\0065t_config\"('a.b', 'c', false)").effects.is_opaque);
}

TEST_CASE("SQL that is given as text may do anything") {
    CHECK(session_facts("SELECT query_to_xml('SELECT f()', true, true, '')").effects.is_opaque);
    CHECK(session_facts("CREATE EXTENSION x").effects.is_opaque);
    CHECK(session_facts("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
              .effects.changes_catalog);
    CHECK_FALSE(session_facts("SELECT 1").effects.changes_catalog);
}
