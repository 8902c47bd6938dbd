#include "sql/session_facts_memo.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

using weir::sql::session_facts;
using weir::sql::SessionFacts;
using weir::sql::SessionFactsMemo;

namespace {

void check_same(const SessionFacts& one, const SessionFacts& other) {
    CHECK(one.effects.known == other.effects.known);
    CHECK(one.effects.is_opaque == other.effects.is_opaque);
    CHECK(one.effects.is_inert == other.effects.is_inert);
    CHECK(one.effects.reads_sequences == other.effects.reads_sequences);
    CHECK(one.effects.may_advance_sequences == other.effects.may_advance_sequences);
    CHECK(one.effects.is_reset == other.effects.is_reset);
    CHECK(one.effects.begins_transaction == other.effects.begins_transaction);
    CHECK(one.effects.changes_reading == other.effects.changes_reading);
    CHECK(one.effects.has_unnamed_setting == other.effects.has_unnamed_setting);
    CHECK(one.effects.may_leave_unlisted == other.effects.may_leave_unlisted);
    CHECK(one.effects.changes_catalog == other.effects.changes_catalog);
    CHECK(one.effects.digest == other.effects.digest);
    CHECK(one.is_local_set == other.is_local_set);
    CHECK(one.reset_name == other.reset_name);
    CHECK(one.custom_settings == other.custom_settings);
}

// Pairs that differ by a literal, or by how they are written, alone.
constexpr std::array<std::string_view, 34> kTexts = {
    "SELECT a FROM t WHERE id = 1",
    "select a from T where id = 'x'",
    "BEGIN",
    "begin; select 1; commit",
    "SELECT lastval()",
    "SELECT f(1), currval('a')",
    "SELECT set_config('a.b', 'c', true)",
    "SELECT set_config('seed', 'c', true)",
    "SELECT set_config('search_path', 'c', false)",
    "SELECT current_setting('a.b')",
    "SELECT current_setting('c.d')",
    "SET search_path = a",
    "SET LOCAL a.b = '1'",
    "SET LOCAL seed = 1",
    "RESET ALL",
    "RESET a.b",
    "DO $$ begin perform setseed(1); end $$",
    "DO $$ begin end $$",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT set_config(''a.b'', ''1'', false)'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SELECT \"set_config\"('a.b', 'c', false)",
    "SELECT \"\\0061\"",
    "SELECT U&\"\\0061\"",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_advisory_xact_lock(1)",
    "CREATE TEMP TABLE t (a int)",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "EXECUTE p('a')",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    "INSERT INTO t VALUES (1, 2), (3, 4)",
    "select 1; -- ; set a = 1",
    "LISTEN a",
    "",
    ";;",
};

}  // namespace

TEST_CASE("a remembered text has the facts that reading it has") {
    SessionFactsMemo memo;
    for (int round = 0; round < 3; ++round) {
        for (const std::string_view sql : kTexts) {
            CAPTURE(sql);
            check_same(memo.facts(sql), session_facts(sql));
            CHECK(memo.digest(sql) == session_facts(sql).effects.digest);
            check_same(memo.facts(sql), session_facts(sql));  // once more for the same request
        }
    }
    CHECK(memo.size() > 0);
}

TEST_CASE("what a literal decides is not remembered") {
    SessionFactsMemo memo;
    static_cast<void>(memo.facts("SELECT set_config('a', 'b', true)"));
    static_cast<void>(memo.facts("SELECT current_setting('a.b')"));
    static_cast<void>(memo.facts("DO $$ begin end $$"));
    static_cast<void>(memo.facts("SET LOCAL a.b = 1"));
    CHECK(memo.size() == 0);
    static_cast<void>(memo.facts("SELECT 1"));
    static_cast<void>(memo.facts("SELECT 2"));
    CHECK(memo.size() == 1);
}

TEST_CASE("what is remembered has an end") {
    SessionFactsMemo memo;
    for (std::size_t i = 0; i <= SessionFactsMemo::kEntriesMax; ++i) {
        static_cast<void>(memo.facts("SELECT a" + std::to_string(i)));
    }
    CHECK(memo.size() == 1);
}
