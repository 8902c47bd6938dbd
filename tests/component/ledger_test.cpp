#include "ledger/ledger.hpp"

#include "ledger/audit.hpp"
#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace weir {

using namespace weir::ledger;  // NOLINT(google-build-using-namespace)
using test::kPatience;
using test::kTen;
using test::make_digest;
using test::make_labels;
using test::make_statement;

namespace {

Session ended_session() {
    Session session;
    session.labels = make_labels();
    session.ended_unix_us = kTen;
    return session;
}

}  // namespace

TEST_SUITE("ledger") {
    TEST_CASE("ledger: what a worker counts and keeps can be asked for") {
        const test::Folder folder;
        Ledger ledger{test::ledger_options(folder.file())};
        const auto orders = make_digest(11, "select orders");
        const auto users = make_digest(22, "select users");
        Recorder& recorder = ledger.recorder(0);
        for (int i = 0; i < 100; ++i) {
            recorder.add(make_statement(orders, make_labels(), kTen + i, 1000 + i));
        }
        Statement slow =
            make_statement(users, make_labels("shop", "bi", "report"), kTen + 500, 2'000'000);
        slow.is_slow = true;
        slow.detail = std::make_unique<StatementDetail>();
        slow.detail->trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
        recorder.add(std::move(slow));
        recorder.hand_over();
        REQUIRE(ledger.sync(kPatience));

        Reader reader;
        REQUIRE_FALSE(reader.open(folder.file()));
        const auto top = top_statements(reader, {});
        REQUIRE(top.problem == "");
        REQUIRE(top.rows.size() == 2);
        CHECK(top.rows[0].text == "select users");
        CHECK(top.rows[0].figures.total_us == 2'000'000);
        CHECK(top.rows[1].figures.calls == 100);
        CHECK(top.rows[1].figures.rows == 200);
        CHECK(top.rows[1].figures.min_us == 1000);
        CHECK(top.rows[1].figures.max_us == 1099);
        REQUIRE(top.rows[1].figures.total);
        CHECK(top.rows[1].figures.total->p95 >= 1064);
        CHECK(top.rows[1].figures.total->p95 <= 1099);

        const auto kept = kept_statements(reader, {});
        REQUIRE(kept.problem == "");
        REQUIRE(kept.rows.size() == 1);
        CHECK(kept.rows[0].digest == 22);
        CHECK(kept.rows[0].user == "bi");
        CHECK(kept.rows[0].application == "report");
        CHECK(kept.rows[0].detail.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736");
        CHECK(ledger.status().state == LedgerState::Ok);
        CHECK(ledger.status().rows_written == 101);
    }

    TEST_CASE("ledger: what several workers count at once adds up to what they counted") {
        const test::Folder folder;
        auto options = test::ledger_options(folder.file());
        options.workers = 3;
        options.settings.sample_rate = 0.1;
        Ledger ledger{options};
        constexpr int kEach = 30'000;
        std::vector<std::thread> workers;
        for (std::size_t worker = 0; worker < 3; ++worker) {
            workers.emplace_back([&ledger, worker] {
                Recorder& recorder = ledger.recorder(worker);
                const auto labels = make_labels("shop", "user" + std::to_string(worker % 2));
                const DigestPtr digests[] = {
                    make_digest(1, "a"), make_digest(2, "b"), make_digest(3, "c")};
                for (int i = 0; i < kEach; ++i) {
                    recorder.add(make_statement(digests[i % 3], labels, kTen + i, i));
                    if (i % 500 == 0) {
                        recorder.hand_over();
                    }
                    if (i % 1000 == 0) {
                        ledger.note(events::Deed{.who = "u",
                                                 .from = "",
                                                 .action = "GRANT",
                                                 .object = std::to_string(worker),
                                                 .text = std::to_string(i)});
                    }
                }
                recorder.hand_over();
            });
        }
        Reader reader;
        REQUIRE(ledger.sync(kPatience));
        REQUIRE_FALSE(reader.open(ledger.uri()));
        for (int i = 0; i < 20; ++i) {
            static_cast<void>(ledger.refresh(kPatience));
            CHECK(top_statements(reader, {}).problem == "");
            static_cast<void>(ledger.status());
        }
        for (std::thread& worker : workers) {
            worker.join();
        }
        ledger.stop();
        const auto top = top_statements(reader, {});
        REQUIRE(top.rows.size() == 3);
        std::uint64_t calls = 0;
        for (const StatementRow& row : top.rows) {
            calls += row.figures.calls;
        }
        CHECK(calls == 3 * kEach);
        CHECK(check_audit(reader.ask()).state == AuditState::InOrder);
        AuditQuestion audit;
        audit.page.limit = kPageMax;
        CHECK(audited_deeds(reader, audit).rows.size() == 90);
    }

    TEST_CASE("ledger: in memory it answers while the process lives") {
        Ledger ledger{test::ledger_options(":memory:")};
        Recorder& recorder = ledger.recorder(0);
        for (int i = 0; i < 10; ++i) {
            recorder.add(make_statement(make_digest(1, "select"), make_labels(), kTen + i, 1000));
        }
        recorder.hand_over();
        REQUIRE(ledger.sync(kPatience));
        Reader reader;
        REQUIRE_FALSE(reader.open(ledger.uri()));
        CHECK(top_statements(reader, {}).rows.at(0).figures.calls == 10);
        Ledger other{test::ledger_options(":memory:")};
        REQUIRE(other.sync(kPatience));
        CHECK(other.uri() != ledger.uri());
        Reader of_other;
        REQUIRE_FALSE(of_other.open(other.uri()));
        CHECK(top_statements(of_other, {}).rows.empty());
    }

    TEST_CASE("ledger: without a path it is off, and nobody waits for it") {
        Ledger ledger{test::ledger_options("")};
        ledger.note(events::Event{.kind = "x", .object = "", .what = "", .data = ""});
        CHECK_FALSE(ledger.sync(kPatience));
        CHECK(ledger.status().state == LedgerState::Off);
        CHECK(name_of(ledger.status().state) == "off");
    }

    TEST_CASE("ledger: what was not handed over is written when it stops") {
        const test::Folder folder;
        {
            Ledger ledger{test::ledger_options(folder.file())};
            for (int i = 0; i < 3000; ++i) {
                ledger.recorder(0).add(
                    make_statement(make_digest(1, "select"), make_labels(), kTen + i, 1));
            }
            for (std::size_t i = 0; i < Recorder::kSessionsMax; ++i) {
                ledger.recorder(0).add(ended_session());
            }
            ledger.note(
                events::Event{.kind = "process", .object = "", .what = "stops", .data = ""});
        }
        Reader reader;
        REQUIRE_FALSE(reader.open(folder.file()));
        CHECK(top_statements(reader, {}).rows.at(0).figures.calls == 3000);
        CHECK(std::get<std::int64_t>(reader.select("SELECT count(*) FROM statement")->rows[0][0]) ==
              3000);
        CHECK(std::get<std::int64_t>(reader.select("SELECT count(*) FROM session")->rows[0][0]) ==
              Recorder::kSessionsMax);
        CHECK(noted_events(reader, {}).rows.size() == 1);
    }

    TEST_CASE("ledger: sessions that end in a storm take no statement's place") {
        const test::Folder folder;
        Ledger ledger{test::ledger_options(folder.file("later/ledger.db"))};
        REQUIRE(
            test::wait_for(ledger, [&] { return ledger.status().state == LedgerState::Degraded; }));
        constexpr int kRounds = 6;
        constexpr int kEach = 2000;
        for (int round = 0; round < kRounds; ++round) {
            for (std::size_t i = 0; i < Recorder::kSessionsMax; ++i) {
                ledger.recorder(0).add(ended_session());
            }
            static_cast<void>(ledger.sync(kPatience));
        }
        for (int round = 0; round < kRounds; ++round) {
            for (int i = 0; i < kEach; ++i) {
                ledger.recorder(0).add(
                    make_statement(make_digest(1, "select"), make_labels(), kTen, 1));
            }
            static_cast<void>(ledger.sync(kPatience));
        }
        CHECK(ledger.recorder(0).losses().samples == 0);
        CHECK(ledger.recorder(0).losses().sessions > 0);
        std::filesystem::create_directory(folder.file("later"));
        REQUIRE(test::wait_for(ledger, [&] { return ledger.status().state == LedgerState::Ok; }));
        Reader reader;
        REQUIRE_FALSE(reader.open(folder.file("later/ledger.db")));
        CHECK(test::wait_for(ledger, [&] {
            return std::get<std::int64_t>(
                       reader.select("SELECT count(*) FROM statement")->rows[0][0]) ==
                   kRounds * kEach;
        }));
    }

    TEST_CASE("ledger: events beyond what fits are dropped and counted") {
        const test::Folder folder;
        Ledger ledger{test::ledger_options(folder.file("no/such/folder.db"))};
        REQUIRE(
            test::wait_for(ledger, [&] { return ledger.status().state == LedgerState::Degraded; }));
        constexpr std::size_t kMany = 20'000;
        for (std::size_t i = 0; i < kMany; ++i) {
            ledger.note(events::Event{.kind = "x", .object = "", .what = "", .data = ""});
            ledger.note(
                events::Deed{.who = "", .from = "", .action = "", .object = "", .text = ""});
        }
        const LedgerStatus status = ledger.status();
        CHECK(status.dropped_events > 0);
        CHECK(status.dropped_deeds > 0);
        CHECK(status.dropped_events + status.dropped_deeds < 2 * kMany);
    }

    TEST_CASE("ledger: settings change while it runs") {
        const test::Folder folder;
        Ledger ledger{test::ledger_options(folder.file())};
        const auto add = [&] {
            for (int i = 0; i < 100; ++i) {
                ledger.recorder(0).add(
                    make_statement(make_digest(1, "select"), make_labels(), kTen + i, 1));
            }
            ledger.recorder(0).hand_over();
            REQUIRE(ledger.sync(kPatience));
        };
        add();
        ledger.apply(test::ledger_settings(folder.file(), 0));
        add();
        Reader reader;
        REQUIRE_FALSE(reader.open(folder.file()));
        const auto samples = [&] {
            return std::get<std::int64_t>(
                reader.select("SELECT count(*) FROM statement")->rows[0][0]);
        };
        CHECK(samples() == 100);
        CHECK(top_statements(reader, {}).rows.at(0).figures.calls == 200);
        CHECK(ledger.status().state == LedgerState::Ok);
    }

    TEST_CASE("ledger: what is too old goes as soon as retention says so") {
        const test::Folder folder;
        const auto clock = std::make_shared<std::atomic<std::int64_t>>(kTen);
        Ledger ledger{test::ledger_options(folder.file(), clock)};
        ledger.recorder(0).add(make_statement(make_digest(1, "select"), make_labels(), kTen, 1));
        ledger.recorder(0).hand_over();
        REQUIRE(ledger.sync(kPatience));
        clock->store(kTen + 2 * kHourUs);
        auto settings = test::ledger_settings(folder.file());
        settings.retention.statements = std::chrono::hours{1};
        ledger.apply(settings);
        Reader reader;
        REQUIRE_FALSE(reader.open(folder.file()));
        REQUIRE(test::wait_for(ledger, [&] {
            return std::get<std::int64_t>(
                       reader.select("SELECT count(*) FROM statement")->rows[0][0]) == 0;
        }));
        CHECK(top_statements(reader, {}).rows.at(0).figures.calls == 1);
    }
}

}  // namespace weir
