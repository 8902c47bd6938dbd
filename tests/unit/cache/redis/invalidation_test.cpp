#include "cache/redis/invalidation.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace weir::cache {
namespace {

TEST_SUITE("invalidation") {
    TEST_CASE("invalidation: comes back as it was told") {
        for (const std::string_view database : {"shop", "", "a b\n1 b 2 3 c"}) {
            const Invalidation told{0,
                                    WritePhase::Begun,
                                    0xffff'ffff'ffff'ffff,
                                    {kWholeDatabase, 1, 0xffff'ffff},
                                    database};
            const std::string text = "18446744073709551615 " + invalidation_text(told);
            const auto heard = parse_invalidation(text);
            REQUIRE(heard.has_value());
            CHECK(heard->sequence == 0xffff'ffff'ffff'ffff);
            CHECK(heard->phase == WritePhase::Begun);
            CHECK(heard->instance == told.instance);
            CHECK(heard->tables == told.tables);
            CHECK(heard->database == database);
        }
        const Invalidation end{0, WritePhase::Ended, 3, {7}, "shop"};
        CHECK(invalidation_text(end) == "e 3 7 shop");
    }

    TEST_CASE("invalidation: anything else is no message") {
        for (const std::string_view text : {"",
                                            " ",
                                            "1",
                                            "1 e",
                                            "1 e 3",
                                            "1 e 3 7",
                                            "x e 3 7 db",
                                            " e 3 7 db",
                                            "-1 e 3 7 db",
                                            "1 x 3 7 db",
                                            "1 e x 7 db",
                                            "1 e 3  db",
                                            "1 e 3 ** db",
                                            "1 e 3 7,,8 d",
                                            "1 e 3 ,7 db",
                                            "1 e 3 7x d",
                                            "1 e 3 4294967296 db",
                                            "18446744073709551616 e 3 7 db"}) {
            CAPTURE(text);
            CHECK_FALSE(parse_invalidation(text).has_value());
        }
    }
}

}  // namespace
}  // namespace weir::cache
