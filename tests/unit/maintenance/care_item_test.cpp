#include "maintenance/care_item.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using weir::maintenance::some_of;

TEST_CASE("a few names are all told, of many the first ten") {
    CHECK(some_of({"a"}) == "a");
    CHECK(some_of({"a", "b"}) == "a, b");
    const std::vector<std::string> many(12, "t");
    CHECK(some_of(many) == "t, t, t, t, t, t, t, t, t, t and 2 more");
}
