#include "sql/cursor_name.hpp"

#include <doctest/doctest.h>

namespace weir::sql {
namespace {

TEST_SUITE("cursor_name") {
    TEST_CASE("cursor name: of what declares one and of what reads it") {
        CHECK(cursor_name("DECLARE c CURSOR FOR SELECT 1") == "c");
        CHECK(cursor_name("declare \"My C\" no scroll cursor with hold for select 1") == "My C");
        CHECK(cursor_name("FETCH c") == "c");
        CHECK(cursor_name("FETCH NEXT FROM C") == "c");
        CHECK(cursor_name("FETCH FORWARD 100 FROM \"My C\";") == "My C");
        CHECK(cursor_name("fetch all in c /* ? */") == "c");
        CHECK(cursor_name("FETCH -1 c") == "c");
    }

    TEST_CASE("cursor name: of nothing else") {
        for (const std::string_view sql : {"",
                                           "SELECT 1",
                                           "FETCH",
                                           "FETCH ALL FROM c; SELECT 1",
                                           "FETCH 5",
                                           "DECLARE",
                                           "DECLARE 1",
                                           "MOVE 5 FROM c"}) {
            CHECK(cursor_name(sql).empty());
        }
    }
}

}  // namespace
}  // namespace weir::sql
