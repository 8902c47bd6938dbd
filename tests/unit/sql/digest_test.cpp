#include "sql/digest.hpp"

#include <doctest/doctest.h>

#include <string>

#include "sql/session_facts.hpp"

using weir::sql::digest_text;
using weir::sql::session_facts;
using weir::sql::Shape;
using weir::sql::shape_of;
using weir::sql::stable_digest;
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

TEST_CASE("the digest people are told is the same in every process") {
    // Written down: rules and ledgers of other processes hold them.
    CHECK(digest_text(stable_digest("SELECT * FROM orders WHERE id = 1")) == "2d6229274f294bd3");
    CHECK(digest_text(stable_digest("select 1")) == "61a0463a1c92eb55");
    CHECK(digest_text(stable_digest("")) == "2d06800538d394c2");
    CHECK(digest_text(0xab) == "00000000000000ab");
    CHECK(stable_digest("SELECT * FROM t WHERE a = 1 -- x") ==
          stable_digest("select  *\nfrom T where a='b'"));
    CHECK(stable_digest("select a") != stable_digest("select b"));
}

TEST_CASE("a statement's shape") {
    const Shape shape = shape_of("/* x */ SELECT * FROM Orders WHERE id IN (1, 2) AND \"N\" = 'a'");
    CHECK(shape.text == "select * from orders where id in ( ? ) and \"N\" = ?");
    CHECK(shape.kind == "select");
    CHECK(shape.digest == stable_digest("select * from orders where id in (3) and \"N\" = $1"));
    CHECK(shape_of("(TABLE t)").kind == "table");
    CHECK(shape_of("") == shape_of("-- nothing\n"));
    CHECK(shape_of("").kind.empty());
    CHECK(shape_of(std::string(100, 'x')).kind == std::string(Shape::kKindBytesMax, 'x'));
}

TEST_CASE("a shape's text has a bound, its digest is of the whole") {
    std::string sql = "select";
    while (sql.size() < 2 * Shape::kTextBytesMax) {
        sql += " aaaa,";
    }
    const Shape one = shape_of(sql + " b");
    const Shape other = shape_of(sql + " c");
    CHECK(one.text.size() == Shape::kTextBytesMax);
    CHECK(one.text == other.text);
    CHECK(one.digest != other.digest);

    // No half of a character is left, wherever the cut falls; bytes that are none are kept.
    for (std::size_t blanks = 0; blanks < 4; ++blanks) {
        std::string wide(blanks + 1, 'x');
        while (wide.size() < Shape::kTextBytesMax + 8) {
            wide += "\xe2\x82\xac";
        }
        const std::string text = shape_of(wide).text;
        CHECK(text.size() + 3 > Shape::kTextBytesMax);
        CHECK((text.size() - blanks - 1) % 3 == 0);
    }
    CHECK(shape_of("select \xff\xfe").text == "select \xff\xfe");
    CHECK(shape_of(std::string(Shape::kTextBytesMax * 2, '\x80')).text.size() <=
          Shape::kTextBytesMax);
}
