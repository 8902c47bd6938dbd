#include "base/wildcard.hpp"

#include <doctest/doctest.h>

#include <string>

using weir::matches_wildcard;

TEST_CASE("a pattern without a star is the text itself") {
    CHECK(matches_wildcard("orders", "orders"));
    CHECK(matches_wildcard("", ""));
    CHECK_FALSE(matches_wildcard("orders", "order"));
    CHECK_FALSE(matches_wildcard("orders", "rders"));
    CHECK_FALSE(matches_wildcard("Orders", "orders"));
}

TEST_CASE("a star stands for any characters, also none") {
    CHECK(matches_wildcard("", "*"));
    CHECK(matches_wildcard("anything", "*"));
    CHECK(matches_wildcard("anything", "**"));
    CHECK(matches_wildcard("bi-report", "bi-*"));
    CHECK(matches_wildcard("bi-", "bi-*"));
    CHECK(matches_wildcard("the moon is full", "*moon*full"));
    CHECK(matches_wildcard("aXbXc", "a*b*c"));
    CHECK(matches_wildcard("abab", "*ab"));
    CHECK(matches_wildcard("abcab", "a*ab"));
}

TEST_CASE("all of the text must be there, in this order, and nothing counts twice") {
    CHECK_FALSE(matches_wildcard("report-bi-", "bi-*"));
    CHECK_FALSE(matches_wildcard("the moon is full.", "*moon*full"));
    CHECK_FALSE(matches_wildcard("full moon", "*moon*full"));
    CHECK_FALSE(matches_wildcard("aba", "ab*ba"));
    CHECK_FALSE(matches_wildcard("a", "a*a"));
    CHECK_FALSE(matches_wildcard("", "*a"));
}

TEST_CASE("many stars take no longer than the text is long, for each of them") {
    std::string pattern;
    for (int i = 0; i < 200; ++i) {
        pattern += "*a";
    }
    CHECK_FALSE(matches_wildcard(std::string(100'000, 'a') + "b", pattern));
    CHECK(matches_wildcard(std::string(100'000, 'a'), pattern));
}
