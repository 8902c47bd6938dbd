#include "ledger/recorder.hpp"

#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

namespace weir::ledger {

using test::kTen;
using test::make_digest;
using test::make_labels;
using test::make_statement;

namespace {

constexpr std::uint64_t kSeed = 7;

std::uint64_t calls_of(const SumsTable& table) {
    std::uint64_t calls = 0;
    for (const Sums& sums : table.sums) {
        calls += sums.totals.calls;
    }
    return calls;
}

}  // namespace

TEST_SUITE("recorder") {
    TEST_CASE("recorder: sums add up for each digest and labels") {
        const std::atomic<double> none{0};
        Recorder recorder{none, kSeed};
        const auto digest = make_digest(1, "select");
        const auto shop = make_labels("shop");
        const auto bank = make_labels("bank");
        for (int i = 1; i <= 10; ++i) {
            recorder.add(make_statement(digest, shop, kTen, std::int64_t{i} * 1000));
            recorder.add(make_statement(digest, bank, kTen, i));
        }
        Statement failed = make_statement(digest, shop, kTen, 500);
        failed.error = sqlstate::kProtocolViolation;
        failed.is_retried = true;
        failed.wait_reason = WaitReason::PoolFull;
        recorder.add(std::move(failed));
        const auto cached = make_labels("kept");
        for (int i = 0; i < 3; ++i) {
            Statement kept = make_statement(digest, cached, kTen, 0);
            kept.cache = i == 0 ? CacheUse::Miss : CacheUse::Hit;
            kept.saved = microseconds{i * 100};
            recorder.add(std::move(kept));
        }
        recorder.hand_over();
        const auto table = recorder.take();
        REQUIRE(table);
        std::map<std::string, const Sums*> by_database;
        for (const Sums& sums : table->sums) {
            if (sums.totals.calls > 0) {
                by_database[sums.labels->database] = &sums;
            }
        }
        REQUIRE(by_database.size() == 3);
        CHECK(by_database["kept"]->totals.calls == 3);
        CHECK(by_database["kept"]->totals.cache_hits == 2);
        CHECK(by_database["kept"]->totals.cache_misses == 1);
        CHECK(by_database["kept"]->totals.cache_saved_us == 300);
        const Totals& totals = by_database["shop"]->totals;
        CHECK(totals.calls == 11);
        CHECK(totals.errors == 1);
        CHECK(totals.retried == 1);
        CHECK(totals.cache_hits + totals.cache_misses + totals.cache_saved_us == 0);
        CHECK(totals.rows == 22);
        CHECK(totals.total_us == 55'500);
        CHECK(totals.min_us == 500);
        CHECK(totals.max_us == 10'000);
        CHECK(by_database["shop"]->spread.total.total() == 11);
        REQUIRE(by_database["shop"]->errors.size() == 1);
        CHECK(by_database["shop"]->errors[0].count == 1);
        REQUIRE(table->waits.size() == 1);
        CHECK(table->waits[0].us == 50);
        CHECK(by_database["bank"]->totals.total_us == 55);
        CHECK(by_database["bank"]->hour == kTen / kHourUs);
    }

    TEST_CASE(
        "recorder: a statement counts in the hour it ended in, also when the clock goes back") {
        const std::atomic<double> none{0};
        Recorder recorder{none, kSeed};
        const auto digest = make_digest(1, "select");
        const auto labels = make_labels();
        const std::uint64_t epoch = recorder.epoch();
        recorder.enter(kTen - 1);
        CHECK(recorder.epoch() != epoch);  // the first statement says what hour it is
        recorder.count(recorder.sums_of(digest, labels),
                       make_statement(nullptr, nullptr, kTen - 1, 10));
        recorder.add(make_statement(digest, labels, kTen, 10));
        recorder.add(make_statement(digest, labels, kTen + 5, 10));
        recorder.add(make_statement(digest, labels, kTen - 2, 10));
        recorder.hand_over();
        const auto table = recorder.take();
        std::map<std::int64_t, std::uint64_t> by_hour;
        for (const Sums& each : table->sums) {
            by_hour[each.hour] += each.totals.calls;
        }
        CHECK(by_hour[kTen / kHourUs - 1] == 2);
        CHECK(by_hour[kTen / kHourUs] == 2);
    }

    TEST_CASE("recorder: a writer that takes nothing costs nothing: the worker goes on adding") {
        const std::atomic<double> none{0};
        Recorder recorder{none, kSeed};
        const auto digest = make_digest(1, "select");
        const auto labels = make_labels();
        for (int i = 0; i < 50; ++i) {
            recorder.add(make_statement(digest, labels, kTen + i, 10));
            recorder.hand_over();
        }
        const auto first = recorder.take();
        REQUIRE(first);
        CHECK(calls_of(*first) == 1);
        CHECK(recorder.take() == nullptr);
        recorder.hand_over();
        const auto second = recorder.take();
        REQUIRE(second);
        CHECK(calls_of(*second) == 49);
        recorder.add(make_statement(digest, labels, kTen, 10));
        const auto rest = recorder.take_rest();
        REQUIRE(rest);
        CHECK(calls_of(*rest) == 1);
        CHECK(recorder.take_rest() == nullptr);
    }

    TEST_CASE("recorder: beyond its bounds statements count for (other), and none is lost") {
        const std::atomic<double> none{0};
        Recorder recorder{none, kSeed};
        const auto labels = make_labels();
        constexpr std::uint64_t kDigests = 20'000;
        for (std::uint64_t i = 1; i <= kDigests; ++i) {
            recorder.add(make_statement(make_digest(i, "select"), labels, kTen, 10));
        }
        recorder.hand_over();
        const auto table = recorder.take();
        CHECK(calls_of(*table) == kDigests);
        CHECK(table->sums.size() <= Recorder::kEntriesMax + 2);
        std::uint64_t other = 0;
        for (const Sums& sums : table->sums) {
            other += sums.digest->hash == 0 ? sums.totals.calls : 0;
        }
        CHECK(other == kDigests - Recorder::kDigestsMax);
        CHECK(recorder.losses().folded >= Recorder::kDigestsMax);
        // The next hour has room again.
        recorder.add(make_statement(make_digest(kDigests, "select"), labels, kTen + kHourUs, 10));
        recorder.hand_over();
        const auto next = recorder.take();
        REQUIRE(calls_of(*next) == 1);
    }

    TEST_CASE("recorder: a table that nobody takes for hours stays bounded, and exact in sum") {
        const std::atomic<double> none{0};
        Recorder recorder{none, kSeed};
        const auto labels = make_labels();
        recorder.add(make_statement(make_digest(1, "select"), labels, kTen, 10));
        recorder.hand_over();
        constexpr int kHours = 30;
        constexpr int kEach = 1000;
        for (int hour = 0; hour < kHours; ++hour) {
            for (int i = 0; i < kEach; ++i) {
                const auto digest = make_digest(1 + hour * kEach + i, "select");
                recorder.add(make_statement(digest, labels, kTen + hour * kHourUs, 10));
            }
            recorder.hand_over();
        }
        static_cast<void>(recorder.take());
        recorder.hand_over();
        const auto table = recorder.take();
        CHECK(calls_of(*table) == kHours * kEach);
        CHECK(table->sums.size() <= Recorder::kEntriesMax + kHours);
    }

    TEST_CASE("recorder: applications beyond 32 of a database are one") {
        const std::atomic<double> all{1};
        Recorder recorder{all, kSeed};
        const auto digest = make_digest(1, "select");
        for (int i = 0; i < 100; ++i) {
            recorder.add(make_statement(
                digest, make_labels("shop", "app", "app-" + std::to_string(i)), kTen, 10));
            recorder.add(make_statement(digest, make_labels("bank", "app", "one"), kTen, 10));
        }
        recorder.hand_over();
        const auto table = recorder.take();
        std::map<std::string, std::uint64_t> by_application;
        for (const Sums& sums : table->sums) {
            by_application[sums.labels->application] += sums.totals.calls;
        }
        CHECK(by_application.size() == Recorder::kApplicationsMax + 2);
        CHECK(by_application[kOtherName] == 100 - Recorder::kApplicationsMax);
        CHECK(by_application["one"] == 100);
        // So are those of samples: the file's names are bounded too.
        std::map<std::string, int> sampled;
        while (const auto sample = recorder.take_sample()) {
            ++sampled[sample->statement.labels->application];
        }
        CHECK(sampled.size() == Recorder::kApplicationsMax + 2);
    }

    TEST_CASE(
        "recorder: slow and failed statements are kept, others by chance, with their weight") {
        const std::atomic<double> tenth{0.1};
        Recorder recorder{tenth, kSeed};
        const auto digest = make_digest(1, "select");
        const auto labels = make_labels();
        double weight = 0;
        std::size_t certain = 0;
        std::size_t chosen = 0;
        constexpr int kCount = 50'000;
        for (int i = 0; i < kCount; ++i) {
            Statement statement = make_statement(digest, labels, kTen, 10);
            statement.is_slow = i % 100 == 0;
            recorder.add(std::move(statement));
            while (const auto sample = recorder.take_sample()) {
                weight += sample->weight;
                ++(sample->statement.is_slow ? certain : chosen);
            }
        }
        CHECK(certain == kCount / 100);
        CHECK(chosen > 4600);
        CHECK(chosen < 5300);
        CHECK(weight == doctest::Approx(kCount).epsilon(0.08));
    }

    TEST_CASE("recorder: what does not fit is dropped and counted, and it recovers") {
        const std::atomic<double> all{1};
        Recorder recorder{all, kSeed};
        const auto digest = make_digest(1, "select");
        const auto labels = make_labels();
        for (std::size_t i = 0; i < Recorder::kSamplesMax + 10; ++i) {
            recorder.add(make_statement(digest, labels, kTen, 10));
        }
        for (std::size_t i = 0; i < Recorder::kSessionsMax + 3; ++i) {
            Session session;
            session.labels = labels;
            recorder.add(std::move(session));
        }
        CHECK(recorder.losses().samples == 10);
        CHECK(recorder.losses().sessions == 3);
        REQUIRE(recorder.take_sample());
        recorder.add(make_statement(digest, labels, kTen, 10));
        CHECK(recorder.losses().samples == 10);
        recorder.hand_over();
        CHECK(calls_of(*recorder.take()) == Recorder::kSamplesMax + 11);
    }

    TEST_CASE("recorder: details are cut, and left out where too much is on its way") {
        const std::atomic<double> all{1};
        Recorder recorder{all, kSeed};
        const auto digest = make_digest(1, "select");
        const auto labels = make_labels();
        constexpr int kCount = 400;
        for (int i = 0; i < kCount; ++i) {
            Statement statement = make_statement(digest, labels, kTen, 10);
            statement.detail = std::make_unique<StatementDetail>();
            statement.detail->text = std::string(kDetailTextMax - 1, 'x') + "\xC3\xA4 and more";
            statement.detail->plan = std::string(2 * kDetailPlanMax, 'p');
            recorder.add(std::move(statement));
        }
        CHECK(recorder.losses().details > 0);
        int with = 0;
        while (const auto sample = recorder.take_sample()) {
            if (sample->statement.detail) {
                ++with;
                CHECK(sample->statement.detail->text.size() == kDetailTextMax - 1);
                CHECK(sample->statement.detail->plan.size() == kDetailPlanMax);
            }
        }
        CHECK(with + static_cast<int>(recorder.losses().details) == kCount);
        Statement statement = make_statement(digest, labels, kTen, 10);
        statement.detail = std::make_unique<StatementDetail>();
        recorder.add(std::move(statement));
        CHECK(recorder.take_sample()->statement.detail != nullptr);
    }

    TEST_CASE("recorder: everything that one thread counts reaches the other") {
        const std::atomic<double> none{0};
        Recorder recorder{none, kSeed};
        constexpr int kCount = 200'000;
        std::atomic<bool> is_done{false};
        std::thread worker{[&] {
            const auto labels = make_labels();
            const DigestPtr digests[] = {
                make_digest(1, "a"), make_digest(2, "b"), make_digest(3, "c")};
            for (int i = 0; i < kCount; ++i) {
                recorder.add(
                    make_statement(digests[i % 3], labels, kTen + std::int64_t{i} * 100, 10));
                if (i % 97 == 0) {
                    recorder.hand_over();
                }
            }
            is_done = true;
        }};
        std::uint64_t calls = 0;
        while (!is_done) {
            if (const auto table = recorder.take()) {
                calls += calls_of(*table);
            }
            std::this_thread::yield();
        }
        worker.join();
        for (const auto& table : {std::shared_ptr<SumsTable>{recorder.take()},
                                  std::shared_ptr<SumsTable>{recorder.take_rest()}}) {
            calls += table ? calls_of(*table) : 0;
        }
        CHECK(calls == kCount);
    }
}

}  // namespace weir::ledger
