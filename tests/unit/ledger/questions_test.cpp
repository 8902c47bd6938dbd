#include "ledger/questions.hpp"

#include "tests/support/ledger_book.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

namespace weir::ledger {

using test::Book;
using test::kTen;
using test::make_digest;
using test::make_labels;
using test::make_statement;

namespace {

constexpr std::int64_t kDayUs = 24 * kHourUs;

/// Digest n (1..30) ran n times and took 100 * (31 - n) µs each; those of a multiple of ten failed.
void fill(Book& book, std::int64_t t = kTen) {
    for (int n = 1; n <= 30; ++n) {
        for (int i = 0; i < n; ++i) {
            Statement statement = make_statement(
                make_digest(static_cast<std::uint64_t>(n), "select " + std::to_string(n)),
                make_labels(n % 2 == 0 ? "even" : "odd", "app", "web"),
                t + std::int64_t{n} * 100 + i,
                std::int64_t{100} * (31 - n));
            statement.is_slow = n == 3;
            if (n % 5 == 0) {
                statement.cache = i == 0 ? CacheUse::Miss : CacheUse::Hit;
                statement.saved = microseconds{i == 0 ? 0 : 40};
            }
            if (n % 10 == 0) {
                statement.error = SqlState::parse(n == 10 ? "40001" : "40P01");
                statement.detail = std::make_unique<StatementDetail>();
                statement.detail->message = "it failed " + std::to_string(i);
            }
            book.add(std::move(statement));
        }
    }
    REQUIRE_FALSE(book.flush());
}

std::vector<std::uint64_t> digests_of(const Answer<StatementRow>& answer) {
    std::vector<std::uint64_t> digests;
    for (const StatementRow& row : answer.rows) {
        digests.push_back(row.digest);
    }
    return digests;
}

}  // namespace

TEST_SUITE("questions") {
    TEST_CASE("questions: the top list comes in every order") {
        Book book;
        fill(book);
        Reader reader;
        book.open(reader);
        const auto first = [&](StatementOrder order) {
            const auto answer =
                top_statements(reader, {.window = {}, .filter = {}, .order = order, .page = {}});
            REQUIRE(answer.problem == "");
            REQUIRE(answer.rows.size() == 20);
            CHECK(answer.next != "");
            return answer.rows[0].digest;
        };
        CHECK(first(StatementOrder::Calls) == 30);
        CHECK(first(StatementOrder::Rows) == 30);
        CHECK(first(StatementOrder::Mean) == 1);
        CHECK(first(StatementOrder::P95) == 1);
        CHECK(first(StatementOrder::Errors) == 30);
        for (const StatementOrder order :
             {StatementOrder::Total, StatementOrder::Server, StatementOrder::Wait}) {
            const std::uint64_t digest = first(order);
            CHECK((digest == 15 || digest == 16));  // n * (31 - n)
        }
    }

    TEST_CASE("questions: pages follow each other without a gap or a repetition, in every order") {
        Book book;
        fill(book);
        Reader reader;
        book.open(reader);
        for (int order = 0; order < 8; ++order) {
            CAPTURE(order);
            TopQuestion question;
            question.order = static_cast<StatementOrder>(order);
            question.page.limit = 7;
            std::vector<std::uint64_t> all;
            do {
                const auto answer = top_statements(reader, question);
                REQUIRE(answer.problem == "");
                const auto digests = digests_of(answer);
                all.insert(all.end(), digests.begin(), digests.end());
                question.page.cursor = answer.next;
            } while (!question.page.cursor.empty());
            CHECK(all.size() == 30);
            CHECK(std::set<std::uint64_t>(all.begin(), all.end()).size() == 30);
        }
    }

    TEST_CASE("questions: a cursor is good for its own question only") {
        Book book;
        fill(book);
        Reader reader;
        book.open(reader);
        TopQuestion question;
        question.page.limit = 5;
        const std::string cursor = top_statements(reader, question).next;
        REQUIRE_FALSE(cursor.empty());
        const auto is_refused = [&](TopQuestion other, const std::string& with) {
            other.page.cursor = with;
            return !top_statements(reader, other).problem.empty();
        };
        CHECK_FALSE(is_refused(question, cursor));
        TopQuestion by_calls = question;
        by_calls.order = StatementOrder::Calls;
        CHECK(is_refused(by_calls, cursor));
        TopQuestion narrowed = question;
        narrowed.filter.database = "even";
        CHECK(is_refused(narrowed, cursor));
        for (std::size_t i = 0; i < cursor.size(); ++i) {
            std::string changed = cursor;
            changed[i] = changed[i] == '0' ? '1' : '0';
            CHECK(is_refused(question, changed));
            CHECK(is_refused(question, cursor.substr(0, i) + "x"));
        }
        CHECK(is_refused(question, cursor + "0"));
        CHECK(is_refused(question, "'; DROP TABLE statement"));
        KeptQuestion kept;
        kept.page.cursor = cursor;
        CHECK(kept_statements(reader, kept).problem != "");
    }

    TEST_CASE("questions: filters narrow, and an unknown name finds nothing") {
        Book book;
        fill(book);
        Reader reader;
        book.open(reader);
        TopQuestion question;
        question.page.limit = 100;
        question.filter.database = "even";
        CHECK(top_statements(reader, question).rows.size() == 15);
        question.filter.digest = 4;
        const auto one = top_statements(reader, question);
        REQUIRE(one.rows.size() == 1);
        CHECK(one.rows[0].figures.calls == 4);
        CHECK(one.rows[0].figures.mean_us() == 2700);
        question.filter.digest = 5;
        CHECK(top_statements(reader, question).rows.empty());
        question.filter = {.database = "nowhere", .user = "", .application = "", .digest = {}};
        const auto none = top_statements(reader, question);
        CHECK(none.rows.empty());
        CHECK(none.problem == "");
        question.filter = {.database = "", .user = "app", .application = "web", .digest = {}};
        CHECK(top_statements(reader, question).rows.size() == 30);
        question.window.until_us = kTen;
        CHECK(top_statements(reader, question).rows.empty());
    }

    TEST_CASE("questions: a long window gives the same from days and hours as from hours") {
        Book book{0};
        for (int day = 20; day >= 0; --day) {
            fill(book, kTen - day * kDayUs);
        }
        Reader reader;
        book.open(reader);
        TopQuestion question;
        question.window = {.from_us = kTen - 10 * kDayUs - 3 * kHourUs, .until_us = kTen + kHourUs};
        question.page.limit = 100;
        const auto by_hours = top_statements(reader, question);
        Housekeeper housekeeper{book.store};
        housekeeper.begin(kTen + kHourUs);
        while (housekeeper.work()) {
        }
        REQUIRE(book.store.last_summed_day() == kTen / kDayUs - 1);
        const auto by_days = top_statements(reader, question);
        REQUIRE(by_days.problem == "");
        REQUIRE(by_hours.rows.size() == 30);
        REQUIRE(by_days.rows.size() == 30);
        for (std::size_t i = 0; i < by_hours.rows.size(); ++i) {
            const StatementRow& hours = by_hours.rows[i];
            const StatementRow& days = by_days.rows[i];
            CHECK(days.digest == hours.digest);
            CHECK(days.figures.calls == hours.digest * 11);
            CHECK(days.figures.total_us == hours.figures.total_us);
            const std::uint64_t runs = hours.digest % 5 == 0 ? hours.digest : 0;
            const std::uint64_t misses = runs > 0 ? 1 : 0;
            for (const Figures* figures : {&hours.figures, &days.figures}) {
                CHECK(figures->cache_hits == (runs - misses) * 11);
                CHECK(figures->cache_misses == misses * 11);
                CHECK(figures->cache_saved_us == figures->cache_hits * 40);
            }
            REQUIRE(days.figures.total);
            CHECK(days.figures.total->p95 == hours.figures.total->p95);
        }
        const auto sums = statement_sums(reader, question.window);
        REQUIRE(sums.problem == "");
        std::uint64_t calls = 0;
        std::uint64_t total_us = 0;
        for (const StatementRow& row : by_hours.rows) {
            calls += row.figures.calls;
            total_us += row.figures.total_us;
        }
        CHECK(sums.rows.at(0).figures.calls == calls);
        CHECK(sums.rows.at(0).figures.total_us == total_us);
        CHECK(sums.rows.at(0).digests == 30);
        // Also where the hours are gone.
        REQUIRE(book.store.connection().execute("DELETE FROM hourly WHERE hour < " +
                                                std::to_string(kTen / kHourUs - 48)));
        CHECK(statement_sums(reader, question.window).rows.at(0).figures.calls ==
              calls - 30 * 31 / 2);
        const Window empty{.from_us = kTen + kDayUs, .until_us = kTen + 2 * kDayUs};
        CHECK(statement_sums(reader, empty).rows.at(0).figures.calls == 0);
    }

    TEST_CASE("questions: slow and failed statements come newest first") {
        Book book;
        fill(book);
        Reader reader;
        book.open(reader);
        const auto slow = kept_statements(reader, {});
        REQUIRE(slow.rows.size() == 3);
        CHECK(slow.rows[0].ended_us > slow.rows[1].ended_us);
        CHECK(slow.rows[0].is_slow);
        CHECK(slow.rows[0].weight == 1);
        CHECK(slow.rows[0].database == "odd");
        KeptQuestion question;
        question.kind = KeptKind::Failed;
        question.page.limit = 7;
        std::size_t failed = 0;
        std::int64_t last = INT64_MAX;
        do {
            const auto answer = kept_statements(reader, question);
            REQUIRE(answer.problem == "");
            for (const KeptRow& row : answer.rows) {
                CHECK(row.ended_us < last);
                last = row.ended_us;
                CHECK(row.sqlstate.substr(0, 2) == "40");
                CHECK(row.detail.message.substr(0, 9) == "it failed");
                ++failed;
            }
            question.page.cursor = answer.next;
        } while (!question.page.cursor.empty());
        CHECK(failed == 60);
        question = {};
        question.kind = KeptKind::All;
        question.filter.digest = 12;
        CHECK(kept_statements(reader, question).rows.size() == 12);
        question.filter.digest.reset();
        question.page.limit = kPageMax;
        CHECK(kept_statements(reader, question).rows.size() == 465);
    }

    TEST_CASE("questions: errors come by state, class and pattern, waits by reason") {
        Book book;
        fill(book);
        Statement waited = make_statement(
            make_digest(1, "select 1"), make_labels("even", "app", "web"), kTen, 50'000);
        waited.wait_reason = WaitReason::Dialling;
        book.add(std::move(waited));
        REQUIRE_FALSE(book.flush());
        Reader reader;
        book.open(reader);
        const auto states = errors_by_state(reader, {});
        REQUIRE(states.rows.size() == 2);
        CHECK(states.rows[0].sqlstate == "40P01");
        CHECK(states.rows[0].count == 50);
        const auto classes = errors_by_class(reader, {});
        REQUIRE(classes.rows.size() == 1);
        CHECK(classes.rows[0].count == 60);
        CountQuestion question;
        question.filter.digest = 10;
        CHECK(errors_by_class(reader, question).rows[0].count == 10);
        const auto patterns = errors_by_pattern(reader, {});
        REQUIRE(patterns.rows.size() == 2);
        CHECK(patterns.rows[0].pattern == "it failed ?");
        CHECK(patterns.rows[0].count == 50);
        CHECK(patterns.rows[0].first_us < patterns.rows[0].last_us);
        const auto waits = waits_by_reason(reader, {});
        REQUIRE(waits.rows.size() == 1);
        CHECK(waits.rows[0].reason == WaitReason::Dialling);
        CHECK(waits.rows[0].us == 5000);
        REQUIRE(waits.rows[0].times);
    }

    TEST_CASE("questions: sessions, events and the audit come newest first, page by page") {
        Book book;
        for (int i = 0; i < 25; ++i) {
            Session session;
            session.labels = make_labels();
            session.id = static_cast<std::uint64_t>(i);
            session.ended_unix_us = kTen + i;
            session.end_reason = "client closed";
            book.recorder.add(std::move(session));
            book.batch.events.push_back({.t = kTen,
                                         .event = {.kind = i % 5 == 0 ? "failover" : "reload",
                                                   .object = "shop",
                                                   .severity = events::Severity::Warning,
                                                   .what = "event " + std::to_string(i),
                                                   .data = ""}});
            book.batch.deeds.push_back({.t = kTen,
                                        .deed = {.who = "admin",
                                                 .from = "127.0.0.1",
                                                 .action = "PAUSE",
                                                 .object = "shop",
                                                 .text = "deed " + std::to_string(i)}});
        }
        REQUIRE_FALSE(book.flush());
        Reader reader;
        book.open(reader);
        SessionQuestion sessions;
        sessions.page.limit = 10;
        const auto first = ended_sessions(reader, sessions);
        REQUIRE(first.rows.size() == 10);
        CHECK(first.rows[0].id == 24);
        CHECK(first.rows[0].labels->database == "shop");
        sessions.page.cursor = first.next;
        CHECK(ended_sessions(reader, sessions).rows[0].id == 14);
        EventQuestion failovers;
        failovers.kind = "failover";
        failovers.page.limit = 3;
        const auto some = noted_events(reader, failovers);
        REQUIRE(some.rows.size() == 3);
        CHECK(some.rows[0].what == "event 20");
        failovers.page.cursor = some.next;
        const auto rest = noted_events(reader, failovers);
        CHECK(rest.rows.size() == 2);
        CHECK(rest.next == "");
        EventQuestion others;
        others.page.cursor = some.next;
        CHECK(noted_events(reader, others).problem != "");
        AuditQuestion audit;
        audit.page.limit = 24;
        const auto deeds = audited_deeds(reader, audit);
        REQUIRE(deeds.rows.size() == 24);
        CHECK(deeds.rows[0].text == "deed 24");
        audit.page.cursor = deeds.next;
        CHECK(audited_deeds(reader, audit).rows.size() == 1);
    }

    TEST_CASE("questions: what pools tell of every minute does not push out what is notable") {
        Book book;
        const auto note = [&book](const char* kind, events::Severity severity) {
            static std::int64_t t = kTen;
            book.batch.events.push_back(
                {.t = ++t,
                 .event = {
                     .kind = kind, .object = "", .severity = severity, .what = "x", .data = ""}});
        };
        for (int i = 0; i < 25'000; ++i) {
            note("pool", events::Severity::Info);
            if (i % 5000 == 0) {
                note("pool", events::Severity::Warning);
                note("reload", events::Severity::Info);
                note("breaker", events::Severity::Info);
            }
        }
        REQUIRE_FALSE(book.flush());
        Reader reader;
        book.open(reader);
        EventQuestion question;
        question.choice = EventChoice::Notable;
        question.page.limit = 1000;
        const auto notable = noted_events(reader, question);
        REQUIRE(notable.problem == "");
        // Of the pools' the newest 20,000 were looked at.
        CHECK(notable.rows.size() == 5 + 5 + 3);
        for (std::size_t i = 1; i < notable.rows.size(); ++i) {
            CHECK(notable.rows[i].t < notable.rows[i - 1].t);
        }
        question.page.limit = 4;
        const auto first = noted_events(reader, question);
        question.page.cursor = first.next;
        CHECK(noted_events(reader, question).rows.at(0).t == notable.rows[4].t);
        question.choice = EventChoice::All;
        CHECK(noted_events(reader, question).problem == kBadCursor);
        question.page.cursor = "";
        question.page.limit = 1000;
        CHECK(noted_events(reader, question).rows.size() == 1000);
        question.kind = "pool";
        question.choice = EventChoice::Notable;
        CHECK(noted_events(reader, question).rows.size() == 1000);
    }

    TEST_CASE("questions: statements that took so long are found behind many that did not") {
        Book book;
        for (int i = 0; i < 3000; ++i) {
            Statement statement = make_statement(
                make_digest(1, "select"), make_labels(), kTen + i, i % 1000 == 0 ? 900'000 : 2000);
            statement.is_slow = true;
            book.add(std::move(statement));
        }
        REQUIRE_FALSE(book.flush());
        Reader reader;
        book.open(reader);
        KeptQuestion question;
        question.least_us = 900'000;
        question.page.limit = 2;
        const auto first = kept_statements(reader, question);
        REQUIRE(first.rows.size() == 2);
        CHECK(first.rows[0].ended_us == kTen + 2000);
        question.page.cursor = first.next;
        const auto rest = kept_statements(reader, question);
        CHECK(rest.rows.size() == 1);
        CHECK(rest.next == "");
        question.page.cursor = "";
        question.least_us = 900'001;
        CHECK(kept_statements(reader, question).rows.empty());
    }
}

}  // namespace weir::ledger
