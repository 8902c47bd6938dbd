#include "base/quantity.hpp"

#include <doctest/doctest.h>

#include <string_view>

using weir::kDurationUnits;
using weir::kSizeUnits;
using weir::QuantityStatus;
using weir::read_digits;
using weir::read_quantity;

TEST_CASE("digits are digits and nothing else") {
    CHECK(read_digits("0") == 0);
    CHECK(read_digits("0042") == 42);
    CHECK(read_digits("18446744073709551615") == 18'446'744'073'709'551'615ULL);
    for (const std::string_view text : {"",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "-1",
                                        "1.0",
                                        "0x1",
                                        "18446744073709551616",
                                        "99999999999999999999"}) {
        CAPTURE(text);
        CHECK_FALSE(read_digits(text).has_value());
    }
}

TEST_CASE("quantities say what is wrong with them") {
    CHECK(read_quantity("250ms", kDurationUnits).value == 250);
    CHECK(read_quantity("2 h", kDurationUnits).value == 7'200'000);
    CHECK(read_quantity("14d", kDurationUnits).value == 1'209'600'000);
    CHECK(read_quantity("64KiB", kSizeUnits).value == 65'536);
    CHECK(read_quantity("0", kSizeUnits).status == QuantityStatus::Ok);
    CHECK(read_quantity("5", kSizeUnits).status == QuantityStatus::NoUnit);
    CHECK(read_quantity("KiB", kSizeUnits).status == QuantityStatus::NoNumber);
    CHECK(read_quantity("", kSizeUnits).status == QuantityStatus::NoNumber);
    CHECK(read_quantity("-5s", kDurationUnits).status == QuantityStatus::NoNumber);
    CHECK(read_quantity("5kib", kSizeUnits).status == QuantityStatus::UnknownUnit);
    CHECK(read_quantity("5s ", kDurationUnits).status == QuantityStatus::UnknownUnit);
    CHECK(read_quantity("18446744073709551616B", kSizeUnits).status == QuantityStatus::TooLarge);
    CHECK(read_quantity("18446744073709551615GiB", kSizeUnits).status == QuantityStatus::TooLarge);
}
