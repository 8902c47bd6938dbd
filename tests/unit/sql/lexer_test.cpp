#include "sql/lexer.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using weir::sql::Lexer;
using weir::sql::Token;
using weir::sql::TokenKind;

namespace {

std::string spelled(std::string_view sql) {
    static constexpr std::string_view kLetters = "wqsnp.";
    Lexer lexer{sql};
    std::string all;
    for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
        all += kLetters[static_cast<std::size_t>(token.kind)];
        all.append(":").append(token.text).append(" ");
    }
    return all;
}

}  // namespace

TEST_CASE("words, names, numbers and symbols") {
    CHECK(spelled("select A.b1, \"C\"\"d\" from t_$1") ==
          "w:select w:A .:. w:b1 .:, q:C\"\"d w:from w:t_$1 ");
    CHECK(spelled("1 1.5 .5 1e10 1e+5 1E-5 1..2 $1 $23") ==
          "n:1 n:1.5 n:.5 n:1e10 n:1e+5 n:1E-5 n:1..2 p:$1 p:$23 ");
    CHECK(spelled("a+1-2") == "w:a .:+ n:1 .:- n:2 ");
    CHECK(spelled("caf\xc3\xa9") == "w:caf\xc3\xa9 ");
}

TEST_CASE("strings of every kind") {
    CHECK(spelled("'a''b' E'c\\'d' B'01' x'1F' N'n' U&'d\\0061' U&\"n\"") ==
          "s:a''b s:c\\'d s:01 s:1F s:n s:d\\0061 q:n ");
    CHECK(spelled("$$a'b$$ $tag$ $$ ; $tag$ x") == "s:a'b s: $$ ;  w:x ");
    CHECK(spelled("'back\\' 'x'") == "s:back\\ s:x ");
    CHECK(spelled("e 'x'") == "w:e s:x ");
}

TEST_CASE("comments are left out, nested ones too") {
    CHECK(spelled("a -- b 'c\n d /* e /* f */ g */ h") == "w:a w:d w:h ");
    CHECK(spelled("--") == "");
    CHECK(spelled("/* never closed") == "");
}

TEST_CASE("what is cut off comes to an end") {
    const std::string whole =
        "select 'a''b', E'\\'', $t$x$t$, \"q\"\"r\", U&'z', 1.5e+3 -- c\n /* d */ $1";
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        CHECK_NOTHROW(static_cast<void>(spelled(std::string_view{whole}.substr(0, cut))));
    }
    CHECK(spelled("'abc") == "s:abc ");
    CHECK(spelled("e'abc\\") == "s:abc\\ ");
    CHECK(spelled("'") == "s: ");
    CHECK(spelled("$x$abc") == "s:abc ");
    CHECK(spelled("$x") == ".:$ w:x ");
    CHECK(spelled("$") == ".:$ ");
}

TEST_CASE("text that cannot be cut is known by the session's settings") {
    CHECK(weir::sql::can_cut("on", "UTF8"));
    CHECK(weir::sql::can_cut("", ""));
    CHECK_FALSE(weir::sql::can_cut("off", "UTF8"));
    CHECK_FALSE(weir::sql::can_cut("on", "SJIS"));
}

TEST_CASE("names are folded unless they are quoted") {
    CHECK(weir::sql::name_of({TokenKind::Word, "FooBar"}) == "foobar");
    CHECK(weir::sql::name_of({TokenKind::Quoted, "Foo\"\"Bar"}) == "Foo\"Bar");
}

TEST_CASE("tokens say where they begin, prefix included") {
    constexpr std::string_view kText = "a /* x */ U&\"b\" E'c' $t$d$t$ -- y";
    Lexer lexer{kText};
    std::vector<std::size_t> starts;
    Token token = lexer.next();
    for (; token.kind != TokenKind::End; token = lexer.next()) {
        starts.push_back(lexer.start());
        CHECK(token.has_escapes == (token.text == "b" || token.text == "c"));
    }
    CHECK(starts == std::vector<std::size_t>{0, 10, 16, 21});
    CHECK(lexer.start() == kText.size());
}

TEST_CASE("plain numbers") {
    using weir::sql::is_plain_number;
    for (const std::string_view text :
         {"1", "1.5", ".5", "1e5", "1E-5", "1_000", "0x1F", "0b01", "0o17", "0xdead_beef"}) {
        CHECK_MESSAGE(is_plain_number(text), text);
    }
    for (const std::string_view text : {"1from", "1x", "1ee", "1e5e5", "0xg", "1$", "1\xc3\xa9"}) {
        CHECK_MESSAGE(!is_plain_number(text), text);
    }
}
