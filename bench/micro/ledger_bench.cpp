// What the ledger costs: a worker per statement, the writer per row, and every question once the
// file is large. Usage: ledger_bench [FILE [STATEMENTS [DAYS [DIGESTS]]]]   (defaults: a file in
// /tmp, 2000000, 14, 1000)

#include "ledger/housekeeper.hpp"
#include "ledger/pending.hpp"
#include "ledger/questions.hpp"
#include "ledger/reader.hpp"
#include "ledger/recorder.hpp"
#include "ledger/store.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace weir::ledger;  // NOLINT(google-build-using-namespace)
using SteadyClock = std::chrono::steady_clock;

constexpr std::int64_t kNow = 1'795'341'600'000'000;
constexpr std::int64_t kDayUs = 24 * kHourUs;

double ms_since(SteadyClock::time_point begin) {
    return std::chrono::duration<double, std::milli>(SteadyClock::now() - begin).count();
}

/// Statements as an application's day has them: few digests make most of them, times spread by
/// their logarithm.
class Traffic {
public:
    explicit Traffic(std::size_t digests) {
        constexpr int kTextLength = 120;
        for (std::size_t i = 0; i < digests; ++i) {
            digests_.push_back(std::make_shared<const Digest>(
                Digest{.hash = (i + 1) * 0x9E37'79B9'7F4A'7C15U,
                       .text = "select " + std::to_string(i) + std::string(kTextLength, 'x'),
                       .kind = "select",
                       .tables = "orders"}));
            shares_.push_back(1.0 / static_cast<double>(i + 1));
        }
        for (const char* application : {"web", "worker", "report"}) {
            labels_.push_back(std::make_shared<const Labels>(
                Labels{.database = "shop", .user = "app", .application = application}));
        }
        choice_ = std::discrete_distribution<std::size_t>(shares_.begin(), shares_.end());
    }

    Statement next(std::int64_t ended_us) {
        Statement statement;
        const std::size_t digest = choice_(random_);
        statement.digest = digests_[digest];
        statement.labels = labels_[digest % labels_.size()];
        statement.ended_unix_us = ended_us;
        const auto total =
            static_cast<std::int64_t>(times_(random_)) + static_cast<std::int64_t>(digest);
        statement.total = std::chrono::microseconds{total};
        statement.wait = std::chrono::microseconds{total / 20};
        statement.server = statement.total - statement.wait;
        statement.rows = 3;
        statement.bytes = 300;
        constexpr std::int64_t kSlowUs = 20'000;
        constexpr std::uint64_t kFailedOf = 200;
        statement.is_slow = total > kSlowUs;
        if (random_() % kFailedOf == 0) {
            statement.error = weir::SqlState{"40001"};
            statement.detail = std::make_unique<weir::StatementDetail>();
            statement.detail->message =
                "could not serialize access due to update " + std::to_string(random_());
        }
        return statement;
    }

private:
    std::vector<DigestPtr> digests_;
    std::vector<LabelsPtr> labels_;
    std::vector<double> shares_;
    std::mt19937_64 random_{1};
    std::discrete_distribution<std::size_t> choice_;
    std::lognormal_distribution<double> times_{std::log(1500.0), 1.0};
};

/// What a worker spends on a statement.
void measure_recorder(std::size_t digests) {
    constexpr std::size_t kPrepared = 4096;
    constexpr int kRounds = 2000;
    constexpr int kHandOverEvery = 12;  // about 50,000 statements
    Traffic traffic{digests};
    std::vector<Statement> statements;
    for (std::size_t i = 0; i < kPrepared; ++i) {
        statements.push_back(traffic.next(kNow));
        statements.back().error.reset();
        statements.back().is_slow = false;
    }
    const std::atomic<double> none{0};
    Recorder recorder{none, 7};
    const auto measure = [&](const char* name, const auto& one) {
        double best = 1e9;
        for (int repetition = 0; repetition < 3; ++repetition) {
            const auto begin = SteadyClock::now();
            for (int round = 0; round < kRounds / 4; ++round) {
                for (Statement& statement : statements) {
                    one(statement);
                }
                if (round % kHandOverEvery == 0) {
                    recorder.hand_over();
                    static_cast<void>(recorder.take());
                }
            }
            constexpr double kNsPerMs = 1e6;
            best = std::min(
                best, ms_since(begin) * kNsPerMs / (static_cast<double>(kPrepared) * kRounds / 4));
        }
        std::printf("%-52s %8.1f ns\n", name, best);
    };
    std::uint64_t wanted = 0;
    measure("a statement: looked up, counted, not kept", [&](Statement& statement) {
        recorder.enter(statement.ended_unix_us);
        recorder.count(recorder.sums_of(statement.digest, statement.labels), statement);
        wanted += recorder.wants(statement) ? 1U : 0U;
    });
    std::uint64_t epoch = 0;
    Sums* sums = nullptr;
    measure("a statement: with a handle, counted, not kept", [&](Statement& statement) {
        recorder.enter(statement.ended_unix_us);
        if (recorder.epoch() != epoch) {
            sums = &recorder.sums_of(statement.digest, statement.labels);
            epoch = recorder.epoch();
        }
        recorder.count(*sums, statement);
        wanted += recorder.wants(statement) ? 1U : 0U;
    });
    static_cast<void>(wanted);
}

struct Load {
    std::string file;
    std::int64_t statements = 2'000'000;
    std::int64_t days = 14;
    std::size_t digests = 1000;
};

void write_one(Store& store, Recorder& recorder, Pending& pending, Batch& batch) {
    recorder.hand_over();
    if (const auto table = recorder.take()) {
        pending.add(*table);
    }
    while (auto sample = recorder.take_sample()) {
        batch.samples.push_back(std::move(*sample));
    }
    if (const auto trouble = store.write(batch, pending, Extent::Spreads)) {
        std::fprintf(stderr, "ledger_bench: %s\n", trouble->text.c_str());
        std::exit(1);  // NOLINT(concurrency-mt-unsafe): there is one thread
    }
    batch.clear();
}

void fill(const Load& load) {
    Store store;
    if (const auto trouble = store.open({.path = load.file, .max_size = 0})) {
        std::fprintf(stderr, "ledger_bench: %s\n", trouble->text.c_str());
        std::exit(1);  // NOLINT(concurrency-mt-unsafe): there is one thread
    }
    const std::atomic<double> all{1};
    Recorder recorder{all, 7};
    Traffic traffic{load.digests};
    Pending pending;
    Batch batch;
    constexpr std::int64_t kEachWrite = 5000;
    const std::int64_t step = load.days * kDayUs / load.statements;
    double longest = 0;
    const auto begin = SteadyClock::now();
    for (std::int64_t i = 0; i < load.statements; ++i) {
        recorder.add(traffic.next(kNow - load.days * kDayUs + i * step));
        if (i % kEachWrite == kEachWrite - 1) {
            const auto writing = SteadyClock::now();
            write_one(store, recorder, pending, batch);
            longest = std::max(longest, ms_since(writing));
        }
    }
    write_one(store, recorder, pending, batch);
    const double ms = ms_since(begin);
    constexpr double kPerSecond = 1000;
    std::printf("%-52s %8.0f rows/s, longest transaction %.0f ms\n",
                "rows and sums written",
                static_cast<double>(load.statements) / ms * kPerSecond,
                longest);
    Housekeeper housekeeper{store};
    const auto house = SteadyClock::now();
    housekeeper.begin(kNow);
    double slice = 0;
    for (bool has_more = true; has_more;) {
        const auto slicing = SteadyClock::now();
        has_more = housekeeper.work();
        slice = std::max(slice, ms_since(slicing));
    }
    std::printf(
        "%-52s %8.0f ms, longest slice %.0f ms\n", "days summed up", ms_since(house), slice);
    constexpr double kMega = 1e6;
    std::printf("%-52s %8.1f MB\n", "the file", static_cast<double>(store.bytes_used()) / kMega);
    for (const char* table :
         {"statement", "hourly", "hourly_hist", "daily", "daily_hist", "digest", "hourly_error"}) {
        Connection connection;
        const std::string sql = std::string{"SELECT count(*) FROM "} + table;
        if (connection.open(load.file, Connection::Mode::Read)) {
            std::printf("  %-50s %8lld rows\n",
                        table,
                        static_cast<long long>(connection.integer(sql.c_str()).value_or(-1)));
        }
    }
}

/// The best and the worst of five.
void ask(const char* name, const std::function<std::pair<std::size_t, std::string>()>& question) {
    double best = 1e9;
    double worst = 0;
    std::pair<std::size_t, std::string> answer;
    for (int i = 0; i < 5; ++i) {
        const auto begin = SteadyClock::now();
        answer = question();
        best = std::min(best, ms_since(begin));
        worst = std::max(worst, ms_since(begin));
    }
    std::printf("%-52s %8.2f ms (worst %.2f), %zu rows %s\n",
                name,
                best,
                worst,
                answer.first,
                answer.second.c_str());
}

template <class Row>
std::pair<std::size_t, std::string> size_of(const Answer<Row>& answer) {
    return {answer.rows.size(), answer.problem};
}

void ask_all(const std::string& file) {
    Reader reader;
    if (const auto problem = reader.open(file)) {
        std::fprintf(stderr, "ledger_bench: %s\n", problem->c_str());
        std::exit(1);  // NOLINT(concurrency-mt-unsafe): there is one thread
    }
    const auto last = [](std::int64_t hours) {
        return Window{.from_us = kNow - hours * kHourUs, .until_us = kNow};
    };
    constexpr std::int64_t kDay = 24;
    for (const std::int64_t hours : {std::int64_t{1}, kDay, 7 * kDay, 14 * kDay}) {
        const std::string span = std::to_string(hours) + " h";
        TopQuestion top;
        top.window = last(hours);
        ask(("top by total, " + span).c_str(),
            [&] { return size_of(top_statements(reader, top)); });
        top.order = StatementOrder::P95;
        ask(("top by p95, " + span).c_str(), [&] { return size_of(top_statements(reader, top)); });
        KeptQuestion kept;
        kept.window = last(hours);
        ask(("slow list, " + span).c_str(), [&] { return size_of(kept_statements(reader, kept)); });
        kept.filter.digest = 0x9E37'79B9'7F4A'7C15U * 900;
        ask(("slow list of a rare digest, " + span).c_str(),
            [&] { return size_of(kept_statements(reader, kept)); });
        CountQuestion count;
        count.window = last(hours);
        ask(("errors by class, " + span).c_str(),
            [&] { return size_of(errors_by_class(reader, count)); });
        ask(("errors by pattern, " + span).c_str(),
            [&] { return size_of(errors_by_pattern(reader, count)); });
    }
}

}  // namespace

int main(int count, char** words) {
    Load load;
    load.file = count > 1 ? words[1] : "/tmp/weir-ledger-bench.db";
    load.statements = count > 2 ? std::strtoll(words[2], nullptr, 10) : load.statements;
    load.days = count > 3 ? std::strtoll(words[3], nullptr, 10) : load.days;
    load.digests =
        count > 4 ? static_cast<std::size_t>(std::strtoull(words[4], nullptr, 10)) : load.digests;
    for (const char* part : {"", "-wal", "-shm", "-lock"}) {
        std::filesystem::remove(load.file + part);
    }
    measure_recorder(load.digests);
    fill(load);
    ask_all(load.file);
    return 0;
}
