#include "proxy/deallocate.hpp"

#include <doctest/doctest.h>

using weir::proxy::deallocated_name;

TEST_CASE("DEALLOCATE of one name is understood in all its spellings") {
    CHECK(deallocated_name("DEALLOCATE a1") == "a1");
    CHECK(deallocated_name("deallocate A1;") == "a1");
    CHECK(deallocated_name(" \n DEALLOCATE\tPREPARE  S_1 ; ; ") == "s_1");
    CHECK(deallocated_name("DEALLOCATE \"A \"\"b\"\"\"") == "A \"b\"");
    CHECK(deallocated_name("DEALLOCATE\"x\"") == "x");
    CHECK(deallocated_name("DEALLOCATE PREPARE \"x\"") == "x");
    CHECK(deallocated_name("DEALLOCATE _pg3_0") == "_pg3_0");
    CHECK(deallocated_name("DEALLOCATE prepare") == "prepare");
    CHECK(deallocated_name("DEALLOCATE \"all\"") == "all");
    CHECK(deallocated_name("DEALLOCATE naïve") == "naïve");
}

TEST_CASE("everything else is not") {
    for (const char* sql : {"",
                            ";",
                            "DEALLOCATE",
                            "DEALLOCATE ALL",
                            "DEALLOCATE PREPARE ALL;",
                            "DEALLOCATE a b",
                            "DEALLOCATE a; SELECT 1",
                            "DEALLOCATE a /* why */",
                            "DEALLOCATE \"open",
                            "DEALLOCATE \"\"",
                            "DEALLOCATES a",
                            "DELETE FROM a",
                            "-- x\nDEALLOCATE a",
                            "SELECT 1; DEALLOCATE a"}) {
        CAPTURE(sql);
        CHECK(!deallocated_name(sql));
    }
}
