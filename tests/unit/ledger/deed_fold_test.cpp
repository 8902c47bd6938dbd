#include "ledger/deed_fold.hpp"

#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace weir::ledger {

using test::kTen;

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

NotedDeed deed(std::int64_t t, const std::string& text, const std::string& from = "::1") {
    return {
        .t = t,
        .deed = {.who = "app", .from = from, .action = "create", .object = "shop", .text = text}};
}

}  // namespace

TEST_SUITE("deed fold") {
    TEST_CASE("deed fold: the same deed over and over is some lines, and one with the number") {
        DeedFold fold;
        std::vector<NotedDeed> lines;
        for (int i = 0; i < 100; ++i) {
            fold.add(deed(kTen + i, "create table t"), lines);
        }
        fold.take_due(kTen + DeedFold::kMinuteUs - 1, lines);
        CHECK(lines.size() == 3);
        fold.take_due(kTen + DeedFold::kMinuteUs, lines);
        REQUIRE(lines.size() == 4);
        CHECK(lines[3].t == kTen + 99);
        CHECK(lines[3].deed.who == "app");
        CHECK(lines[3].deed.from == "::1");
        CHECK(lines[3].deed.text == "(97 more within a minute) create table t");
        fold.take_due(kTen + 2 * DeedFold::kMinuteUs, lines);
        fold.take_all(lines);
        CHECK(lines.size() == 4);
    }

    TEST_CASE("deed fold: what is different, or done again later, has a line of its own") {
        DeedFold fold;
        std::vector<NotedDeed> lines;
        for (int i = 0; i < 4; ++i) {
            fold.add(deed(kTen + i * 30 * kSecondUs, "PAUSE shop"), lines);
            fold.add(deed(kTen + i * 30 * kSecondUs, "RESUME shop"), lines);
        }
        CHECK(lines.size() == 8);
        fold.take_all(lines);
        CHECK(lines.size() == 8);
    }

    TEST_CASE("deed fold: a minute that is over is told when the next one begins") {
        DeedFold fold;
        std::vector<NotedDeed> lines;
        for (int i = 0; i < 5; ++i) {
            fold.add(deed(kTen, "x"), lines);
        }
        fold.add(deed(kTen + 61 * kSecondUs, "x"), lines);
        REQUIRE(lines.size() == 5);
        CHECK(lines[3].deed.text == "(2 more within a minute) x");
        CHECK(lines[4].t == kTen + 61 * kSecondUs);
        // A clock that goes back ends the minute too.
        fold.add(deed(kTen, "x"), lines);
        CHECK(lines.size() == 6);
    }

    TEST_CASE("deed fold: several clients that did the same are said to be several") {
        DeedFold fold;
        std::vector<NotedDeed> lines;
        for (int i = 0; i < 5; ++i) {
            fold.add(deed(kTen, "x", "10.0.0." + std::to_string(i)), lines);
        }
        fold.take_all(lines);
        REQUIRE(lines.size() == 4);
        CHECK(lines[3].deed.from == "(several)");
    }

    TEST_CASE("deed fold: remembers a bounded number, and loses none") {
        DeedFold fold;
        std::vector<NotedDeed> lines;
        constexpr std::size_t kMany = 2 * DeedFold::kKindsMax;
        for (int round = 0; round < 5; ++round) {
            for (std::size_t i = 0; i < kMany; ++i) {
                fold.add(deed(kTen, std::to_string(i)), lines);
            }
        }
        fold.take_all(lines);
        CHECK(lines.size() == DeedFold::kKindsMax * 4 + (kMany - DeedFold::kKindsMax) * 5);
    }
}

}  // namespace weir::ledger
