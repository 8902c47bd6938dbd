#include "ledger/housekeeper.hpp"

#include "ledger/audit.hpp"
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

void note_event(Book& book, std::int64_t t, const char* kind, events::Severity severity) {
    book.batch.events.push_back({.t = t,
                                 .event = {.kind = kind,
                                           .object = "shop/app",
                                           .severity = severity,
                                           .what = "in the last minute 1 leases",
                                           .data = std::string(200, ' ')}});
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

    TEST_CASE("housekeeper: of each job the last thousand runs are kept, as long as events are") {
        Book book{1};
        constexpr std::int64_t kMinuteUs = 60'000'000;
        for (std::int64_t i = 0; i < Housekeeper::kRunsOfJob + 500; ++i) {
            book.batch.job_runs.push_back({.job = "task often",
                                           .began_us = kTen - i * kMinuteUs - 5,
                                           .ended_us = kTen - i * kMinuteUs,
                                           .outcome = "done",
                                           .rows = 3,
                                           .text = "3 rows"});
        }
        for (std::int64_t day = 0; day < 40; ++day) {
            book.batch.job_runs.push_back({.job = "vacuum",
                                           .began_us = kTen - day * kDayUs,
                                           .ended_us = kTen - day * kDayUs,
                                           .outcome = "later",
                                           .rows = 0,
                                           .text = ""});
        }
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT count(DISTINCT t) FROM job_run") ==
              Housekeeper::kRunsOfJob + 500 + 40);
        CHECK(book.number("SELECT max(began) FROM job_run WHERE outcome = 'done'") == kTen - 5);
        Housekeeper housekeeper{book.store};
        housekeeper.set_retention({.events = std::chrono::hours{10 * 24}});
        housekeeper.begin(kTen);
        keep_house(book, housekeeper);
        CHECK(book.number("SELECT count(*) FROM job_run WHERE job = 'task often'") ==
              Housekeeper::kRunsOfJob);
        CHECK(book.number("SELECT max(began) FROM job_run WHERE job = 'task often'") == kTen - 5);
        CHECK(book.number("SELECT count(*) FROM job_run WHERE job = 'vacuum'") == 11);
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

    TEST_CASE("housekeeper: the audit has its share of the file, and its oldest lines go") {
        constexpr std::uint64_t kMax = std::uint64_t{2} << 20U;
        Book book{1, kMax};
        Housekeeper housekeeper{book.store};
        const std::string text(4000, 'x');
        for (int i = 0; i < 500; ++i) {
            book.batch.deeds.push_back(
                {.t = kTen,
                 .deed = {.who = "", .from = "", .action = "", .object = "", .text = text}});
            REQUIRE_FALSE(book.flush());
            housekeeper.check_size();
            keep_house(book, housekeeper);
            REQUIRE(book.store.bytes_used() <= kMax);
        }
        CHECK(audit_bytes(book.store.connection()) <= kMax / Housekeeper::kAuditShare);
        CHECK(book.number("SELECT count(*) FROM audit") >= 2);
        CHECK(book.number("SELECT max(id) FROM audit") == 500);
        CHECK(check_audit(book.store.connection()).state == AuditState::InOrder);
    }

    TEST_CASE("housekeeper: a disk that is full of audit is relieved of it, where max_size is 0") {
        Book book{1};
        for (int i = 0; i < 2000; ++i) {
            book.batch.deeds.push_back({.t = kTen,
                                        .deed = {.who = "",
                                                 .from = "",
                                                 .action = "",
                                                 .object = "",
                                                 .text = std::string(2000, 'x')}});
        }
        REQUIRE_FALSE(book.flush());
        const std::uint64_t before = book.store.bytes_used();
        Housekeeper housekeeper{book.store};
        Ballast ballast{book.path()};
        CHECK(housekeeper.relieve(ballast));
        CHECK(book.store.bytes_used() < before / 2);
        CHECK(book.number("SELECT count(*) FROM audit") >= 1);
    }

    TEST_CASE("housekeeper: what pools tell of every minute is kept for a week, warnings longer") {
        for (const int days : {90, 3, 0}) {
            CAPTURE(days);
            Book book{1};
            for (int day = 30; day > 0; --day) {
                note_event(book, kTen - day * kDayUs + 1, "pool", events::Severity::Info);
                note_event(book, kTen - day * kDayUs + 2, "pool", events::Severity::Warning);
                note_event(book, kTen - day * kDayUs + 3, "reload", events::Severity::Info);
            }
            REQUIRE_FALSE(book.flush());
            Housekeeper housekeeper{book.store};
            housekeeper.set_retention(
                {.statements = {}, .hourly = {}, .events = std::chrono::hours{days * 24}});
            for (int round = 0; round < 2; ++round) {
                housekeeper.begin(kTen);
                keep_house(book, housekeeper);
            }
            CHECK(book.number("SELECT count(*) FROM event WHERE kind = 'pool' AND severity = 0") ==
                  (days == 3 ? 3 : 7));
            CHECK(book.number("SELECT count(*) FROM event WHERE kind = 'reload'") ==
                  (days == 3 ? 3 : 30));
            CHECK(book.number("SELECT count(*) FROM event WHERE severity = 1") ==
                  (days == 3 ? 3 : 30));
        }
    }

    TEST_CASE("housekeeper: for room what pools tell of every minute goes first") {
        Book book{1, std::uint64_t{1} << 20U};
        Housekeeper housekeeper{book.store};
        for (int i = 0; i < 60; ++i) {
            for (int j = 0; j < 100; ++j) {
                note_event(book, kTen + i * 100 + j, "pool", events::Severity::Info);
            }
            note_event(book, kTen + i * 100 + 99, "pool", events::Severity::Warning);
            book.add(make_statement(make_digest(1, "select a"), make_labels(), kTen + i, 1));
            REQUIRE_FALSE(book.flush());
            housekeeper.check_size();
            keep_house(book, housekeeper);
        }
        CHECK(book.number("SELECT count(*) FROM event WHERE severity = 0") < 6000);
        CHECK(book.number("SELECT count(*) FROM event WHERE severity = 1") == 60);
        CHECK(book.number("SELECT count(*) FROM statement") == 60);
    }

    TEST_CASE("housekeeper: room is made of the histograms there are, the oldest first") {
        Book book{0};
        fill_days(book, 40);
        const DigestPtr digest = make_digest(3, "select c");
        book.add(make_statement(digest, make_labels(), kTen - 400 * kDayUs, 1000));
        for (int i = 0; i < 200; ++i) {
            const LabelsPtr labels = make_labels("shop", "user" + std::to_string(i));
            for (int day = 0; day < 40; ++day) {
                book.add(make_statement(digest, labels, kTen - day * kDayUs - 1, 1000));
            }
            REQUIRE_FALSE(book.flush());
        }
        Housekeeper housekeeper{book.store};
        housekeeper.begin(kTen);
        keep_house(book, housekeeper);
        REQUIRE(book.number("SELECT count(DISTINCT hour / 24) FROM hourly_hist") == 36);
        book.store.set_max_size(1);  // the least there is: one MiB
        REQUIRE(book.store.bytes_used() > std::uint64_t{1} << 20U);
        housekeeper.check_size();
        int slices = 0;
        while (book.number("SELECT count(DISTINCT hour / 24) FROM hourly_hist") > 30) {
            REQUIRE(++slices < 40);
            REQUIRE(housekeeper.work());
        }
        CHECK(book.number("SELECT max(hour) FROM hourly_hist") == kTen / kHourUs - 1);
        // It ends, also where there is not enough to give up.
        keep_house(book, housekeeper);
        CHECK(book.number("SELECT sum(calls) FROM hourly") > 0);
    }

    TEST_CASE("housekeeper: a day is summed up whole, however short hours are kept") {
        Book book{0};
        Housekeeper housekeeper{book.store};
        housekeeper.set_retention(
            {.statements = {}, .hourly = std::chrono::hours{6}, .events = {}});
        const DigestPtr digest = make_digest(1, "select a");
        constexpr std::int64_t kBegin = kTen / kDayUs * kDayUs;
        for (int hour = 0; hour < 60; ++hour) {
            book.add(make_statement(digest, make_labels(), kBegin + hour * kHourUs, 1000));
            REQUIRE_FALSE(book.flush());
            housekeeper.begin(kBegin + hour * kHourUs + 1);
            keep_house(book, housekeeper);
        }
        CHECK(book.number("SELECT count(*) FROM daily") == 2);
        CHECK(book.number("SELECT min(calls) FROM daily") == 24);
        CHECK(book.number("SELECT count(*) FROM hourly") <= 24);
    }

    TEST_CASE("housekeeper: with the hours go their errors and waits, for room too") {
        Book book{0};
        const DigestPtr digest = make_digest(1, "select a");
        for (int hour = 0; hour < 100; ++hour) {
            for (int i = 0; i < 100; ++i) {
                Statement statement =
                    make_statement(digest,
                                   make_labels("shop", "user" + std::to_string(i), "web"),
                                   kTen - hour * kHourUs,
                                   1000);
                statement.error = SqlState::parse("40001");
                statement.wait_reason = WaitReason::PoolFull;
                book.add(std::move(statement));
            }
            REQUIRE_FALSE(book.flush());
        }
        Housekeeper housekeeper{book.store};
        REQUIRE(book.store.connection().execute("DELETE FROM hourly_hist; DELETE FROM statement"));
        book.store.set_max_size(1);
        housekeeper.check_size();
        keep_house(book, housekeeper);
        const std::int64_t first = book.number("SELECT min(hour) FROM hourly");
        CHECK(first > kTen / kHourUs - 99);
        CHECK(book.number("SELECT min(hour) FROM hourly_error") == first);
        CHECK(book.number("SELECT min(hour) FROM hourly_wait") == first);
        CHECK(book.number("SELECT max(hour) FROM hourly_error") == kTen / kHourUs);
    }

    TEST_CASE("housekeeper: slow statements that stay are looked at once, not with every slice") {
        Book book{1};
        const DigestPtr digest = make_digest(1, "select a");
        for (int i = 0; i < 24'000; ++i) {
            Statement statement = make_statement(digest, make_labels(), kTen + i, 1000);
            statement.is_slow = i < 20'000;
            book.add(std::move(statement));
            if (i % 8000 == 0) {
                REQUIRE_FALSE(book.flush());
            }
        }
        REQUIRE_FALSE(book.flush());
        Housekeeper housekeeper{book.store};
        book.store.set_max_size(1);
        housekeeper.check_size();
        // One slice says that there are no pool events; four look at slow statements.
        for (int i = 0; i < 5; ++i) {
            REQUIRE(housekeeper.work());
            CHECK(housekeeper.rows_deleted() == 0);
        }
        REQUIRE(housekeeper.work());
        CHECK(housekeeper.rows_deleted() == 4000);
        CHECK(book.number("SELECT count(*) FROM statement WHERE class = 1") == 20'000);
    }

    TEST_CASE("housekeeper: names that nothing names any more go, others stay") {
        Book book{1};
        book.add(make_statement(
            make_digest(1, "select a"), make_labels("old", "old", "old"), kTen - 500 * kDayUs, 1));
        REQUIRE_FALSE(book.flush());
        book.add(make_statement(make_digest(1, "select a"), make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        Housekeeper housekeeper{book.store};
        using std::chrono::hours;
        const auto keep = [&](hours retention) {
            housekeeper.set_retention(
                {.statements = retention, .hourly = retention, .events = retention});
            housekeeper.begin(kTen);
            keep_house(book, housekeeper);
        };
        keep(hours{600 * 24});
        CHECK(book.number("SELECT count(*) FROM name") == 6);
        keep(hours{24});
        CHECK(book.number("SELECT count(*) FROM name") == 3);
        CHECK(book.number("SELECT count(*) FROM name WHERE text = 'old'") == 0);
        book.add(
            make_statement(make_digest(1, "select a"), make_labels("old", "old", "old"), kTen, 1));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT count(*) FROM hourly h JOIN name n ON n.id = h.db") == 2);
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
