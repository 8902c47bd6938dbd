#include "sql/cursor_name.hpp"

#include <doctest/doctest.h>

namespace weir::sql {
namespace {

using Kind = CursorUse::Kind;

TEST_SUITE("cursor_name") {
    TEST_CASE("cursor name: of what declares one, reads it and closes it") {
        const auto check = [](std::string_view sql, Kind kind, std::string_view name) {
            CAPTURE(sql);
            const CursorUse use = cursor_use(sql);
            CHECK(use.kind == kind);
            CHECK(use.name == name);
            CHECK(use.fetches == (kind == Kind::Fetches));
        };
        check("DECLARE c CURSOR FOR SELECT 1", Kind::Declares, "c");
        check("declare \"My C\" no scroll cursor with hold for select 1", Kind::Declares, "My C");
        check("FETCH c", Kind::Fetches, "c");
        check("FETCH NEXT FROM C", Kind::Fetches, "c");
        check("FETCH FORWARD 100 FROM \"My C\";", Kind::Fetches, "My C");
        check("fetch all in c /* ? */", Kind::Fetches, "c");
        check("FETCH -1 c", Kind::Fetches, "c");
        check("CLOSE c", Kind::Closes, "c");
        check("CLOSE \"all\"", Kind::Closes, "all");
    }

    TEST_CASE("cursor name: one may outlive its transaction") {
        CHECK(cursor_use("DECLARE c CURSOR WITH HOLD FOR SELECT 1").is_held);
        CHECK_FALSE(cursor_use("DECLARE hold CURSOR WITHOUT").is_held);
        CHECK_FALSE(cursor_use("DECLARE c CURSOR FOR SELECT 1").is_held);
    }

    TEST_CASE("cursor name: not where it is not certain") {
        for (const std::string_view sql : {"FETCH",
                                           "FETCH 5",
                                           "FETCH c U&\"\\0063\"",
                                           "DECLARE",
                                           "DECLARE 1",
                                           "DECLARE U&\"\\0063\" CURSOR FOR SELECT 1",
                                           "CLOSE ALL"}) {
            CAPTURE(sql);
            const CursorUse use = cursor_use(sql);
            CHECK(use.kind != Kind::None);
            CHECK(use.kind != Kind::Several);
            CHECK(use.name.empty());
        }
        for (const std::string_view sql : {"", "SELECT 1", "SELECT 1; SELECT 2", "MOVE 5 FROM c"}) {
            CAPTURE(sql);
            CHECK(cursor_use(sql).kind == Kind::None);
            CHECK_FALSE(cursor_use(sql).fetches);
        }
    }

    TEST_CASE("cursor name: several statements are not taken apart") {
        for (const std::string_view sql : {"BEGIN; DECLARE c CURSOR FOR SELECT 1",
                                           "CLOSE c; DECLARE c CURSOR FOR SELECT 1",
                                           "SELECT 1; CLOSE ALL;"}) {
            CAPTURE(sql);
            CHECK(cursor_use(sql).kind == Kind::Several);
            CHECK(cursor_use(sql).name.empty());
            CHECK_FALSE(cursor_use(sql).fetches);
        }
        for (const std::string_view sql : {"FETCH ALL FROM c; SELECT 1", "SELECT 1; FETCH c"}) {
            CAPTURE(sql);
            CHECK(cursor_use(sql).kind == Kind::Several);
            CHECK(cursor_use(sql).fetches);
        }
    }
}

}  // namespace
}  // namespace weir::sql
