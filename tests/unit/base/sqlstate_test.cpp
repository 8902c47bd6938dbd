#include "base/sqlstate.hpp"

#include "base/result.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir {
namespace {

TEST_SUITE("sqlstate") {
    TEST_CASE("sqlstate: literals and parsed text are the same") {
        // A consteval constructor inside CHECK crashes Clang 14.
        constexpr SqlState kViolation{"08P01"};
        CHECK(kViolation.text() == "08P01");
        CHECK(SqlState::parse("08P01") == kViolation);
        CHECK(SqlState::parse("ZZZZZ")->text() == "ZZZZZ");
        CHECK(SqlState::parse("00000")->text() == "00000");
        CHECK(SqlState{}.text() == "00000");
        CHECK(sqlstate::kQueryCanceled.class_text() == "57");
    }

    TEST_CASE("sqlstate: texts that are none") {
        for (const std::string_view text :
             {"", "0800", "080066", "08p01", "08 01", "08-01", "08P0\xc3"}) {
            CAPTURE(text);
            CHECK(!SqlState::parse(text));
        }
        CHECK(!SqlState::parse(std::string_view{"08P0\0", 5}));
    }

    TEST_CASE("sqlstate: every character in every place survives") {
        constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        for (std::size_t place = 0; place < 5; ++place) {
            for (const char digit : kDigits) {
                std::string text = "42P01";
                text[place] = digit;
                REQUIRE(SqlState::parse(text));
                CHECK(SqlState::parse(text)->text() == text);
            }
        }
    }
}

TEST_SUITE("server trouble") {
    TEST_CASE("server trouble: hinders statements that are not wrong") {
        for (const char* text : {"08006", "53200", "53300", "57P01", "57P03", "58030", "XX000"}) {
            CAPTURE(text);
            CHECK(is_server_trouble(*SqlState::parse(text)));
        }
        for (const char* text : {"00000",
                                 "22012",
                                 "23505",
                                 "25P03",
                                 "40001",
                                 "40P01",
                                 "42601",
                                 "42501",
                                 "54000",
                                 "55P03",
                                 "57014",
                                 "P0001"}) {
            CAPTURE(text);
            CHECK_FALSE(is_server_trouble(*SqlState::parse(text)));
        }
    }
}

TEST_SUITE("result") {
    TEST_CASE("result: carries a value or an error with its literal") {
        const Result<int> good{7};
        CHECK(good);
        CHECK(*good == 7);
        const Result<int> bad =
            fail(ErrorCode::Network, sqlstate::kConnectionFailure, "connection lost", 104);
        REQUIRE(!bad);
        CHECK(bad.error().code() == ErrorCode::Network);
        CHECK(bad.error().what() == "connection lost");
        CHECK(bad.error().detail() == 104);
        const Result<void> passed_on = fail(bad.error());
        CHECK(passed_on.error().sqlstate().text() == "08006");
    }
}

}  // namespace
}  // namespace weir
