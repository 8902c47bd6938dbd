#include "ledger/housekeeper.hpp"

#include "tests/support/ledger_book.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir::ledger {

using test::Book;
using test::kTen;
using test::make_digest;
using test::make_labels;
using test::make_statement;

namespace {

constexpr std::int64_t kDayUs = kHourUs * kHoursOfDay;

/// Four statements an hour, of two digests, for so many days before kTen.
void fill_days(Book& book, int days) {
    const DigestPtr digests[] = {make_digest(1, "select a"), make_digest(2, "select b")};
    for (std::int64_t hour = days * kHoursOfDay; hour > 0; --hour) {
        for (int i = 0; i < 4; ++i) {
            book.add(
                make_statement(digests[i % 2], make_labels(), kTen - hour * kHourUs + i, 1000 + i));
        }
        if (hour % 200 == 0) {
            REQUIRE_FALSE(book.flush());
        }
    }
    REQUIRE_FALSE(book.flush());
}

void keep_house(Book& book, Housekeeper& housekeeper) {
    int slices = 0;
    while (housekeeper.work()) {
        REQUIRE(++slices < 100'000);
    }
    REQUIRE_FALSE(book.store.connection().trouble());
}

}  // namespace

TEST_SUITE("housekeeper") {
    TEST_CASE("housekeeper: days that are over are summed up, exactly") {
        Book book{0};
        fill_days(book, 5);
        Housekeeper housekeeper{book.store};
        housekeeper.begin(kTen);
        keep_house(book, housekeeper);
        CHECK(book.number("SELECT count(*) FROM daily WHERE day = 20778") == 2);
        CHECK(book.number("SELECT max(day) FROM daily") == kTen / kDayUs - 1);
        CHECK(book.number("SELECT sum(calls) FROM daily") ==
              book.number(
                  "SELECT sum(calls) FROM hourly WHERE hour / 24 <= (SELECT max(day) FROM daily)"));
        CHECK(book.number("SELECT sum(calls) FROM daily_hist") ==
              book.number("SELECT sum(calls) FROM daily"));
        CHECK(book.number(
                  "SELECT hist_quantile(total, 0.5) BETWEEN 970 AND 1030 FROM daily_hist") == 1);
    }

    TEST_CASE("housekeeper: what comes late to a day that is summed up is added to it") {
        Book book{0};
        fill_days(book, 3);
        Housekeeper housekeeper{book.store};
        housekeeper.begin(kTen);
        keep_house(book, housekeeper);
        book.add(make_statement(make_digest(1, "select a"), make_labels(), kTen - kDayUs, 1000));
        book.add(make_statement(make_digest(9, "select new"), make_labels(), kTen - kDayUs, 1000));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT sum(calls) FROM daily") ==
              book.number(
                  "SELECT sum(calls) FROM hourly WHERE hour / 24 <= (SELECT max(day) FROM daily)"));
        CHECK(book.number("SELECT sum(calls) FROM daily_hist") ==
              book.number("SELECT sum(calls) FROM daily"));
        housekeeper.begin(kTen + kHourUs);
        keep_house(book, housekeeper);
        CHECK(book.number("SELECT count(*) FROM daily") ==
              book.number("SELECT count(*) FROM daily_hist"));
    }

    TEST_CASE("housekeeper: what is older than its retention goes, and nothing else") {
        Book book{1};
        fill_days(book, 40);
        for (int day = 0; day < 40; ++day) {
            book.batch.events.push_back(
                {.t = kTen - day * kDayUs,
                 .event = {.kind = "reload", .object = "", .what = "x", .data = ""}});
            book.batch.deeds.push_back({.t = kTen - day * kDayUs, .deed = {}});
            Session session;
            session.labels = make_labels();
            session.ended_unix_us = kTen - day * kDayUs;
            book.recorder.add(std::move(session));
        }
        REQUIRE_FALSE(book.flush());
        Housekeeper housekeeper{book.store};
        using std::chrono::hours;
        housekeeper.set_retention(
            {.statements = hours{5 * 24}, .hourly = hours{38 * 24}, .events = hours{10 * 24}});
        housekeeper.begin(kTen);
        keep_house(book, housekeeper);
        CHECK(book.number("SELECT count(*) FROM statement") == 5 * 24 * 4);
        CHECK(book.number("SELECT count(*) FROM session") == 6);
        CHECK(book.number("SELECT count(*) FROM event") == 11);
        CHECK(book.number("SELECT count(*) FROM audit") == 40);
        CHECK(book.number("SELECT min(hour) FROM hourly") ==
              kTen / kHourUs - std::int64_t{38} * 24);
        CHECK(book.number("SELECT min(hour) FROM hourly_hist") ==
              kTen / kHourUs - std::int64_t{35} * 24);
        // The days have all of it.
        CHECK(book.number("SELECT min(day) FROM daily") == (kTen - 40 * kDayUs) / kDayUs);
        CHECK(book.number("SELECT sum(calls) FROM daily_hist") ==
              book.number("SELECT sum(calls) FROM daily"));
    }

    TEST_CASE("housekeeper: nothing is too old where retention is zero") {
        Book book{1};
        fill_days(book, 3);
        Housekeeper housekeeper{book.store};
        housekeeper.begin(kTen + 1000 * kDayUs);
        keep_house(book, housekeeper);
        CHECK(book.number("SELECT count(*) FROM statement") == 3 * 24 * 4);
        CHECK(book.number("SELECT sum(calls) FROM hourly") == 3 * 24 * 4);
    }

    TEST_CASE("housekeeper: digests that nothing is about any more go after a while") {
        Book book{1};
        book.add(
            make_statement(make_digest(77, "select old"), make_labels(), kTen - 500 * kDayUs, 1));
        REQUIRE_FALSE(book.flush());
        book.add(make_statement(make_digest(1, "select a"), make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        Housekeeper housekeeper{book.store};
        using std::chrono::hours;
        housekeeper.set_retention(
            {.statements = hours{24}, .hourly = hours{24}, .events = hours{24}});
        housekeeper.begin(kTen);
        keep_house(book, housekeeper);
        housekeeper.begin(kTen);
        keep_house(book, housekeeper);
        CHECK(book.number("SELECT count(*) FROM digest") == 1);
        book.add(make_statement(make_digest(77, "select old"), make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT count(*) FROM digest") == 2);
        CHECK(book.number("SELECT sum(calls) FROM hourly h JOIN digest d ON d.id = h.digest") == 2);
    }

    TEST_CASE("housekeeper: a file that is nearly full loses samples first, and is never full") {
        constexpr std::uint64_t kMax = std::uint64_t{4} << 20U;
        Book book{1, kMax};
        Housekeeper housekeeper{book.store};
        const auto digest = make_digest(1, "select a");
        book.batch.deeds.push_back({.t = kTen, .deed = {}});
        std::int64_t t = kTen;
        for (int round = 0; round < 200; ++round) {
            for (int i = 0; i < 1000; ++i) {
                Statement statement = make_statement(digest, make_labels(), ++t, 1000);
                statement.is_slow = i == 0;
                book.add(std::move(statement));
            }
            REQUIRE_FALSE(book.flush());
            housekeeper.check_size();
            keep_house(book, housekeeper);
            REQUIRE(book.store.bytes_used() <= kMax);
        }
        CHECK(book.number("SELECT sum(calls) FROM hourly") == 200'000);
        CHECK(book.number("SELECT count(*) FROM statement WHERE class = 1") == 200);
        CHECK(book.number("SELECT count(*) FROM statement") < 100'000);
        CHECK(book.number("SELECT count(*) FROM audit") == 1);
        CHECK(housekeeper.rows_deleted() > 100'000);
    }

    TEST_CASE("housekeeper: free pages are given back") {
        Book book{1};
        fill_days(book, 3);
        for (int i = 0; i < 50'000; ++i) {
            book.add(make_statement(
                make_digest(1, "select a"), make_labels(), kTen - 2 * kDayUs + i, 1));
            if (i % 8000 == 0) {
                REQUIRE_FALSE(book.flush());
            }
        }
        REQUIRE_FALSE(book.flush());
        const std::int64_t before = book.number("PRAGMA page_count");
        Housekeeper housekeeper{book.store};
        housekeeper.set_retention(
            {.statements = std::chrono::hours{1}, .hourly = {}, .events = {}});
        housekeeper.begin(kTen + kDayUs);
        keep_house(book, housekeeper);
        CHECK(book.number("PRAGMA page_count") < before / 2);
    }
}

}  // namespace weir::ledger
