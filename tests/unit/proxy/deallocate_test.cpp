#include "proxy/deallocate.hpp"

#include <doctest/doctest.h>

using weir::proxy::deallocated_name;
using weir::proxy::find_deallocation;

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

TEST_CASE("DEALLOCATE among other statements is found, with what stands around it") {
    const auto odbc = find_deallocation(
        "SAVEPOINT _per_query_svp_;DEALLOCATE \"_PLAN0x1\";RELEASE _per_query_svp_");
    REQUIRE(odbc);
    CHECK(odbc->name == "_PLAN0x1");
    CHECK(odbc->before == "SAVEPOINT _per_query_svp_;");
    CHECK(odbc->after == ";RELEASE _per_query_svp_");

    const auto alone = find_deallocation(" deallocate A ");
    REQUIRE(alone);
    CHECK(alone->name == "a");
    CHECK(alone->before.empty());
    CHECK(alone->after.empty());

    const auto last = find_deallocation("SELECT \";\"\"x\";;DEALLOCATE a;");
    REQUIRE(last);
    CHECK(last->before == "SELECT \";\"\"x\";;");
    CHECK(last->after == ";");
}

TEST_CASE("DEALLOCATE is not looked for where it is hard to see") {
    for (const char* sql : {"SELECT 1",
                            "SELECT ';DEALLOCATE a;'; DEALLOCATE a",
                            "DO $$ BEGIN; DEALLOCATE a; END $$",
                            "SELECT 1; -- DEALLOCATE a\n;DEALLOCATE a",
                            "SELECT /* ; */ 1; DEALLOCATE a",
                            "SELECT \"open; DEALLOCATE a",
                            "ROLLBACK; DEALLOCATE a",
                            " abort ; DEALLOCATE a",
                            "DEALLOCATE ALL; SELECT 1"}) {
        CAPTURE(sql);
        CHECK(!find_deallocation(sql));
    }
}
