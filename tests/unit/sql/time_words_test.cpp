#include "sql/time_words.hpp"

#include <doctest/doctest.h>

#include <string>

using weir::sql::has_time_word;
using weir::sql::literals_have_time_word;

TEST_CASE("words for a time that goes on are found wherever letters end") {
    for (const char* text : {"now",
                             "NOW",
                             " now ",
                             "Today",
                             "tomorrow 10:00",
                             "today10:00",
                             "10:00 yesterday",
                             "[now,)",
                             "{2020-01-01,today}",
                             "_now",
                             "now\n",
                             "\xc3\xa9now",
                             "{\"at\": \"now\"}"}) {
        INFO(text);
        CHECK(has_time_word(text));
    }
    for (const char* text : {"",
                             "no",
                             "nowhere",
                             "snow",
                             "know",
                             "todays",
                             "2020-01-01 10:00:00+02",
                             "epoch",
                             "infinity",
                             "yesterdays",
                             "tomorro",
                             "n o w"}) {
        INFO(text);
        CHECK_FALSE(has_time_word(text));
    }
    CHECK(has_time_word(std::string_view{"\0now", 4}));
}

TEST_CASE("only literals of a statement count") {
    CHECK(literals_have_time_word("SELECT 'now'::timestamptz"));
    CHECK(literals_have_time_word("SELECT timestamp 'today'"));
    CHECK(literals_have_time_word("SELECT $$now$$"));
    CHECK(literals_have_time_word("SELECT $tag$tomorrow$tag$"));
    CHECK_FALSE(literals_have_time_word("SELECT now, \"today\" FROM tomorrow -- 'now'"));
    CHECK_FALSE(literals_have_time_word("SELECT /* 'now' */ 'x', 'it''s'"));
    CHECK_FALSE(literals_have_time_word(""));
    CHECK_FALSE(literals_have_time_word("SELECT now FROM t WHERE a = $1 AND b = $23"));
    CHECK(literals_have_time_word("SELECT $1, $$now$$"));
    CHECK(literals_have_time_word("SELECT $1$$now$$"));
    CHECK(literals_have_time_word("SELECT $1, $_1$now$_1$"));
    CHECK_FALSE(literals_have_time_word("SELECT $1, now, $"));
}

TEST_CASE("a word may be written otherwise") {
    CHECK(literals_have_time_word("SELECT 'no'\n'w'"));
    CHECK(literals_have_time_word("SELECT E'\\x6eow'"));
    CHECK(literals_have_time_word("SELECT U&'\\006eow'"));
    CHECK(literals_have_time_word("SELECT U&'z006eow' UESCAPE 'z'"));
    CHECK(literals_have_time_word("SELECT u&'x'"));
    CHECK_FALSE(literals_have_time_word("SELECT E'plain', e'', 'no', 'w'"));
    CHECK_FALSE(literals_have_time_word("SELECT 'a\\b'"));
}
