#include "conf/units.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace std::chrono_literals;
using weir::conf::format_duration;
using weir::conf::format_size;
using weir::conf::parse_duration;
using weir::conf::parse_size;

TEST_SUITE_BEGIN("units");

TEST_CASE("units: durations are read in every unit") {
    CHECK(parse_duration("250ms").value == 250ms);
    CHECK(parse_duration("15s").value == 15s);
    CHECK(parse_duration("5m").value == 5min);
    CHECK(parse_duration("1h").value == 1h);
    CHECK(parse_duration("7d").value == 168h);
    CHECK(parse_duration("15 s").value == 15s);
}

TEST_CASE("units: zero needs no unit") {
    CHECK(parse_duration("0").value == 0ms);
    CHECK(parse_duration("0s").value == 0ms);
    CHECK(parse_size("0").value == 0U);
}

TEST_CASE("units: a wrong duration says what is accepted") {
    const std::string form =
        R"(; accepted: a whole number and ms, s, m, h or d, such as "250ms"; 0 switches it off)";
    CHECK(parse_duration("15").problem == "has no unit" + form);
    CHECK(parse_duration("15sec").problem == "has an unknown unit" + form);
    CHECK(parse_duration("1.5s").problem == "has an unknown unit" + form);
    CHECK(parse_duration("-1s").problem == "does not begin with a whole number" + form);
    CHECK(parse_duration("").problem == "does not begin with a whole number" + form);
    CHECK(parse_duration("s").problem == "does not begin with a whole number" + form);
    CHECK(parse_duration("99999999999999999999s").problem == "is too large" + form);
    CHECK(parse_duration("18446744073709551615d").problem == "is too large" + form);
    CHECK(parse_duration("3651d").problem == "is too long; accepted: up to 3650d");
    CHECK(parse_duration("3650d").value.has_value());
}

TEST_CASE("units: durations are written in the largest unit that is exact") {
    CHECK(format_duration(0ms) == "0s");
    CHECK(format_duration(1500ms) == "1500ms");
    CHECK(format_duration(60s) == "1m");
    CHECK(format_duration(90s) == "90s");
    CHECK(format_duration(24h) == "1d");
}

TEST_CASE("units: sizes are read in binary and decimal units") {
    CHECK(parse_size("512B").value == 512U);
    CHECK(parse_size("64KiB").value == 65536U);
    CHECK(parse_size("256MiB").value == 268435456U);
    CHECK(parse_size("2GiB").value == 2147483648U);
    CHECK(parse_size("1kB").value == 1000U);
    CHECK(parse_size("3MB").value == 3000000U);
    CHECK(parse_size("1GB").value == 1000000000U);
}

TEST_CASE("units: a wrong size says what is accepted") {
    const std::string form =
        R"(; accepted: a whole number and B, KiB, MiB, GiB, kB, MB or GB, such as "64KiB")";
    CHECK(parse_size("64").problem == "has no unit" + form);
    CHECK(parse_size("64k").problem == "has an unknown unit" + form);
    CHECK(parse_size("x").problem == "does not begin with a whole number" + form);
    CHECK(parse_size("18446744073709551615KiB").problem == "is too large" + form);
}

TEST_CASE("units: what is written is read back") {
    for (const std::uint64_t bytes : {1ULL, 1000ULL, 1024ULL, 1536ULL, 1048576ULL, 5368709120ULL}) {
        CHECK(parse_size(format_size(bytes)).value == bytes);
    }
    CHECK(format_size(0) == "0");
    for (const auto duration : {1ms, 999ms, 61000ms, 3600000ms, 86400000ms}) {
        CHECK(parse_duration(format_duration(duration)).value == duration);
    }
}

TEST_SUITE_END();
