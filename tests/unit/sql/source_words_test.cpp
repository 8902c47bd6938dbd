#include "sql/source_words.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using weir::sql::read_source_words;
using weir::sql::SourceLanguage;
using weir::sql::SourceWords;

namespace {

SourceWords plpgsql(std::string_view source) {
    return read_source_words(source, SourceLanguage::PlPgSql);
}

SourceWords in_sql(std::string_view source) {
    return read_source_words(source, SourceLanguage::Sql);
}

bool has(const SourceWords& words, const std::string& name) {
    return std::binary_search(words.names.begin(), words.names.end(), name);
}

}  // namespace

TEST_CASE("names in a source are told, without comments and strings") {
    const SourceWords words =
        in_sql("SELECT F(a), \"Quoted\" FROM app.orders /* gone */ WHERE b = 'x' -- too");
    CHECK(has(words, "f"));
    CHECK(has(words, "Quoted"));
    CHECK(has(words, "app"));
    CHECK(has(words, "orders"));
    CHECK_FALSE(has(words, "gone"));
    CHECK_FALSE(has(words, "x"));
    CHECK_FALSE(has(words, "too"));
    CHECK_FALSE(words.writes);
    CHECK_FALSE(words.is_opaque);
    CHECK(in_sql("").names.empty());
}

TEST_CASE("what writes rows is told") {
    for (const char* source : {"INSERT INTO t VALUES (1)",
                               "update t set a = 1",
                               "DELETE FROM t",
                               "TRUNCATE t",
                               "MERGE INTO t USING u ON true WHEN MATCHED THEN DO NOTHING",
                               "COPY t FROM '/x'",
                               "REFRESH MATERIALIZED VIEW m"}) {
        INFO(source);
        CHECK(plpgsql(source).writes);
        CHECK_FALSE(plpgsql(source).is_opaque);
    }
    CHECK_FALSE(plpgsql("IF TG_OP = 'INSERT' THEN NEW.at := now(); END IF;").writes);
}

TEST_CASE("what cannot be told from the text, or changes the schema, is opaque") {
    for (const char* source : {"EXECUTE 'x'",
                               "BEGIN execute format('DELETE FROM %I', $1); END",
                               "CREATE TABLE x (id int)",
                               "ALTER TABLE t ADD a int",
                               "DROP TABLE t",
                               "GRANT SELECT ON t TO x",
                               "DO $$ x $$",
                               "DO LANGUAGE plpgsql $$ x $$",
                               "SELECT query_to_xml($1, true, true, '')",
                               "SELECT U&\"\\0074\"()",
                               "DELETE FROM \"\xc3\xa9\"",
                               "DELETE FROM \xc3\xa9"}) {
        INFO(source);
        CHECK(plpgsql(source).is_opaque);
        CHECK(in_sql(source).is_opaque);
    }
    CHECK_FALSE(plpgsql("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING").is_opaque);
    CHECK_FALSE(plpgsql("RAISE NOTICE '\xc3\xa9 execute'").is_opaque);
}

TEST_CASE("INTO makes a table in SQL alone") {
    CHECK_FALSE(plpgsql("SELECT a INTO b FROM t").is_opaque);
    CHECK(in_sql("SELECT a INTO b FROM t").is_opaque);
    CHECK_FALSE(in_sql("INSERT INTO t VALUES (1)").is_opaque);
}

TEST_CASE("of a definition the head is left out") {
    const SourceWords words = in_sql(
        "CREATE OR REPLACE FUNCTION public.f(x integer DEFAULT g(1))\n RETURNS void\n LANGUAGE "
        "sql\n"
        "BEGIN ATOMIC\n DELETE FROM app.twin\n   WHERE (twin.id = f.x);\nEND\n ; h(2)");
    CHECK_FALSE(words.is_opaque);
    CHECK(words.writes);
    CHECK(has(words, "twin"));
    CHECK(has(words, "h"));
    CHECK_FALSE(has(words, "g"));
    const SourceWords value = in_sql(
        "CREATE OR REPLACE FUNCTION public.f()\n RETURNS integer\n LANGUAGE sql\nRETURN "
        "public.g(1)");
    CHECK_FALSE(value.is_opaque);
    CHECK(has(value, "g"));
    CHECK_FALSE(has(value, "integer"));
}

TEST_CASE("names are cut where PostgreSQL cuts them") {
    const std::string name(63, 'x');
    CHECK(has(in_sql("DELETE FROM " + name + "yz"), name));
    CHECK(has(in_sql("DELETE FROM \"" + name + "yz\""), name));
}

TEST_CASE("a source that is too long is opaque") {
    std::string source(weir::sql::kSourceWordsBytesMax, ' ');
    CHECK_FALSE(in_sql(source).is_opaque);
    source += ' ';
    CHECK(in_sql(source).is_opaque);
}
