#include "ledger/ledger.hpp"
#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <string>

namespace weir {

using namespace weir::ledger;  // NOLINT(google-build-using-namespace)
using test::kPatience;
using test::kTen;
using test::make_digest;
using test::make_labels;
using test::make_statement;

namespace {

/// What the child tells of itself; it is shared memory.
struct Progress {
    std::atomic<std::int64_t> added;   ///< statements it may have handed over
    std::atomic<std::int64_t> synced;  ///< of these, in the file for certain
};

/// Writes until it is killed.
[[noreturn]] void write_on(const std::string& file, Progress& progress) {
    // Every transaction has the rows and their sums: then the two agree at every moment.
    auto options = test::ledger_options(file);
    options.pace.rows_every = std::chrono::hours{1};
    options.pace.totals_every = std::chrono::hours{1};
    options.pace.spreads_every = std::chrono::hours{1};
    Ledger ledger{options};
    Recorder& recorder = ledger.recorder(0);
    const auto labels = make_labels();
    for (std::int64_t n = progress.synced;;) {
        for (int i = 0; i < 200; ++i, ++n) {
            progress.added = n + 1;
            recorder.add(make_statement(
                make_digest(1 + n % 40, "select"), labels, kTen + n, 100 + n % 1000));
        }
        recorder.hand_over();
        if (ledger.sync(kPatience)) {
            progress.synced = n;
        }
    }
}

std::int64_t number(Reader& reader, const char* sql) {
    const auto rows = reader.select(sql);
    REQUIRE(rows);
    return std::holds_alternative<std::int64_t>(rows->rows[0][0])
               ? std::get<std::int64_t>(rows->rows[0][0])
               : 0;
}

}  // namespace

TEST_SUITE("ledger that is killed") {
    TEST_CASE(
        "ledger: killed at any moment, its sums are those of its rows, and nothing is counted "
        "twice") {
        const test::Folder folder;
        void* memory = ::mmap(
            nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        REQUIRE(memory != MAP_FAILED);
        auto& progress = *new (memory) Progress{};
        std::mt19937 random{99};  // NOLINT(cert-msc51-cpp): the same each time
        std::int64_t before = 0;
        for (int round = 0; round < 8; ++round) {
            const pid_t child = ::fork();
            REQUIRE(child >= 0);
            if (child == 0) {
                write_on(folder.file(), progress);
            }
            // Some way into its work, at no moment in particular.
            const std::int64_t wanted =
                progress.synced + 1 + static_cast<std::int64_t>(random() % 3000);
            while (progress.synced < wanted) {
                REQUIRE(::waitpid(child, nullptr, WNOHANG) == 0);
                ::usleep(static_cast<useconds_t>(random() % 2000));
            }
            ::kill(child, SIGKILL);
            REQUIRE(::waitpid(child, nullptr, 0) == child);
            Reader reader;
            REQUIRE_FALSE(reader.open(folder.file()));
            const std::int64_t calls = number(reader, "SELECT sum(calls) FROM hourly");
            CHECK(calls == number(reader, "SELECT count(*) FROM statement"));
            CHECK(calls == number(reader, "SELECT sum(calls) FROM hourly_hist"));
            CHECK(number(reader, "SELECT sum(total_us) FROM hourly") ==
                  number(reader, "SELECT sum(total_us) FROM statement"));
            CHECK(number(reader,
                         "SELECT count(*) FROM (SELECT digest, sum(calls) c FROM hourly GROUP BY "
                         "digest) h"
                         " JOIN (SELECT digest, count(*) n FROM statement GROUP BY digest) s"
                         " USING (digest) WHERE c <> n") == 0);
            CHECK(calls - before >= progress.synced - before);
            CHECK(calls <= progress.added);
            before = calls;
            // The next one goes on behind what is there.
            progress.synced = calls;
        }
        ::munmap(memory, sizeof(Progress));
    }
}

}  // namespace weir
