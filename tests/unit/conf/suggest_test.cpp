#include "conf/suggest.hpp"

#include <doctest/doctest.h>

#include <string>

using weir::conf::edit_distance;
using weir::conf::nearest;

TEST_SUITE_BEGIN("suggest");

TEST_CASE("suggest: distance counts insertions, removals, changes and swaps") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("threads", "threds") == 1);
    CHECK(edit_distance("threads", "thraeds") == 1);
    CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("suggest: the nearest name wins and a far one is not offered") {
    CHECK(nearest("max_client", {"min", "max", "max_clients"}) == "max_clients");
    CHECK(nearest("pol", {"pool", "log"}) == "pool");
    CHECK(nearest("zzz", {"pool", "log"}).empty());
    CHECK(nearest("", {"pool"}).empty());
    CHECK(nearest(std::string(1000, 'a'), {"a"}).empty());
}

TEST_SUITE_END();
