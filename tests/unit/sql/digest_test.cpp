#include "sql/digest.hpp"

#include <doctest/doctest.h>

#include "sql/session_facts.hpp"

using weir::sql::session_facts;
using weir::sql::without_literals;

namespace {

std::uint64_t digest(std::string_view sql) {
    return session_facts(sql).effects.digest;
}

}  // namespace

TEST_CASE("statements are alike but for literals, blanks, comments and case") {
    CHECK(digest("SELECT * FROM t WHERE a = 1") == digest("select  *\nfrom T where a=2 -- x"));
    CHECK(digest("select 1, 2, 3") == digest("select 'a'"));
    CHECK(digest("select * from t where a in (1)") ==
          digest("select * from t where a in ($1, $2)"));
    CHECK(digest("select a") != digest("select b"));
    CHECK(digest("select \"A\"") != digest("select \"a\""));
    CHECK(digest("select 'a'\n'b'") == digest("select 'a'"));
    CHECK(digest("select a b") != digest("select ab"));
}

TEST_CASE("the text without literals tells no secret") {
    CHECK(without_literals("ALTER ROLE a PASSWORD 'secret'", 100) == "alter role a password ?");
    CHECK(without_literals("select $$x$$, 12, \"Q\"", 100) == "select ? , \"Q\"");
    CHECK(without_literals("select abcdef", 10) == "select abc");
}

TEST_CASE("numbers that are more than numbers, and names with escapes, are told apart") {
    CHECK(digest("select 1from a") != digest("select 1 a"));
    CHECK(digest("select 1from a") == digest("SELECT 1FROM a"));
    CHECK(digest("select 1_000, 0xFf, 1e+5") == digest("select 1"));
    CHECK(digest("select U&\"a\\0062\"") != digest("select \"a\\0062\""));
}
