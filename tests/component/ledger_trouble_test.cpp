#include "ledger/ledger.hpp"
#include "ledger/schema.hpp"
#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace weir {

using namespace weir::ledger;  // NOLINT(google-build-using-namespace)
using test::kPatience;
using test::kTen;
using test::make_digest;
using test::make_labels;
using test::make_statement;
using test::wait_for;

namespace {

/// Adds statements and hands them over; nothing here may wait for the file.
void add(Ledger& ledger, int count, std::int64_t t = kTen) {
    static const DigestPtr kDigest = make_digest(1, "select");
    static const LabelsPtr kLabels = make_labels();
    Recorder& recorder = ledger.recorder(0);
    for (int i = 0; i < count; ++i) {
        recorder.add(make_statement(kDigest, kLabels, t + i, 1000));
    }
    recorder.hand_over();
}

std::int64_t number(const std::string& uri, const std::string& sql) {
    Reader reader;
    if (reader.open(uri)) {
        return -1;
    }
    const auto rows = reader.select(sql);
    return rows && !rows->rows.empty() && std::holds_alternative<std::int64_t>(rows->rows[0][0])
               ? std::get<std::int64_t>(rows->rows[0][0])
               : -1;
}

std::int64_t calls_in(const std::string& uri) {
    return number(uri, "SELECT sum(calls) FROM hourly");
}

bool is_ok(Ledger& ledger) {
    return ledger.status().state == LedgerState::Ok;
}

bool is_degraded(Ledger& ledger) {
    return ledger.status().state == LedgerState::Degraded;
}

/// A small file system in memory; needs the right to mount.
class SmallDisk {
public:
    explicit SmallDisk(const std::string& folder)
        : folder_{folder}, is_there_{is_mounted(folder)} {}

    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    SmallDisk(SmallDisk&&) = delete;
    SmallDisk& operator=(SmallDisk&&) = delete;

    ~SmallDisk() {
        if (is_there_) {
            ::umount2(folder_.c_str(), MNT_DETACH);
        }
    }

    [[nodiscard]] bool is_there() const { return is_there_; }

private:
    static bool is_mounted(const std::string& folder) {
        std::filesystem::create_directory(folder);
        return ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=16m") == 0;
    }

    std::string folder_;
    bool is_there_;
};

}  // namespace

TEST_SUITE("ledger in trouble") {
    TEST_CASE(
        "ledger: while another program locks the file nobody waits, nothing is lost, and it "
        "recovers") {
        const test::Folder folder;
        Ledger ledger{test::ledger_options(folder.file())};
        add(ledger, 10);
        REQUIRE(ledger.sync(kPatience));
        Connection other;
        REQUIRE(other.open(folder.file(), Connection::Mode::Write));
        REQUIRE(other.execute("PRAGMA busy_timeout = 30000; BEGIN IMMEDIATE"));
        add(ledger, 500);
        REQUIRE(wait_for(ledger, [&] { return is_degraded(ledger); }));
        CHECK(ledger.status().problem.find("locked") != std::string::npos);
        CHECK_FALSE(ledger.sync(std::chrono::milliseconds{200}));
        for (int i = 0; i < 50; ++i) {
            add(ledger, 1000);
        }
        ledger.note(events::Event{.kind = "reload", .object = "", .what = "x", .data = ""});
        CHECK(ledger.status().problem != "");
        REQUIRE(other.execute("ROLLBACK"));
        REQUIRE(wait_for(ledger, [&] { return is_ok(ledger); }));
        ledger.recorder(0).hand_over();  // what the writer did not take when it was busy
        REQUIRE(ledger.sync(kPatience));
        CHECK(calls_in(folder.file()) == 50'510);
        const LedgerStatus status = ledger.status();
        CHECK(status.problem == "");
        CHECK(status.last_problem.find("locked") != std::string::npos);
        CHECK(number(folder.file(), "SELECT count(*) FROM statement") ==
              50'510 - static_cast<std::int64_t>(status.dropped_samples));
        CHECK(number(folder.file(), "SELECT count(*) FROM event WHERE kind = 'ledger'") == 1);
        CHECK(number(folder.file(), "SELECT count(*) FROM event WHERE kind = 'reload'") == 1);
    }

    TEST_CASE("ledger: a folder that is not there is waited for") {
        const test::Folder folder;
        const std::string file = folder.file("later/ledger.db");
        Ledger ledger{test::ledger_options(file)};
        add(ledger, 5);
        REQUIRE(wait_for(ledger, [&] { return is_degraded(ledger); }));
        CHECK(ledger.status().problem.find("later") != std::string::npos);
        CHECK(ledger.uri() == "");
        std::filesystem::create_directory(folder.file("later"));
        REQUIRE(wait_for(ledger, [&] { return is_ok(ledger); }));
        REQUIRE(ledger.sync(kPatience));
        CHECK(calls_in(file) == 5);
    }

    TEST_CASE("ledger: a place that nothing can be written to is said, and nothing else stops") {
        Ledger ledger{test::ledger_options("/proc/weir/ledger.db")};
        add(ledger, 5);
        REQUIRE(wait_for(ledger, [&] { return is_degraded(ledger); }));
        CHECK_FALSE(ledger.sync(std::chrono::milliseconds{100}));
        ledger.stop();
    }

    TEST_CASE("ledger: a file that is ruined is set aside, and a new one begun") {
        const test::Folder folder;
        std::ofstream{folder.file()} << std::string(50'000, 'x');
        std::ofstream{folder.file("ledger.db-wal")} << "also ruined";
        Ledger ledger{test::ledger_options(folder.file())};
        add(ledger, 5);
        REQUIRE(wait_for(ledger, [&] { return is_ok(ledger); }));
        REQUIRE(ledger.sync(kPatience));
        CHECK(calls_in(folder.file()) == 5);
        int aside = 0;
        for (const auto& entry : std::filesystem::directory_iterator{folder.file("")}) {
            aside += entry.path().string().find(".corrupt-") != std::string::npos ? 1 : 0;
        }
        CHECK(aside >= 1);
        CHECK(ledger.status().last_problem.find("ruined") != std::string::npos);
    }

    TEST_CASE("ledger: a ruined page that is met: the file is set aside, and the sums go on") {
        const test::Folder folder;
        {
            Ledger ledger{test::ledger_options(folder.file())};
            add(ledger, 5);
            REQUIRE(ledger.sync(kPatience));
        }
        const std::int64_t page =
            number(folder.file(), "SELECT rootpage FROM sqlite_schema WHERE name = 'hourly_hist'");
        REQUIRE(page > 1);
        {
            std::fstream file{folder.file(), std::ios::in | std::ios::out | std::ios::binary};
            file.seekp((page - 1) * 4096);
            file << std::string(4096, '\x5A');
        }
        Ledger ledger{test::ledger_options(folder.file())};
        REQUIRE(wait_for(ledger, [&] { return is_ok(ledger); }));
        add(ledger, 7);
        REQUIRE(wait_for(ledger, [&] { return ledger.sync(kPatience); }));
        CHECK(ledger.status().last_problem.find("ruined") != std::string::npos);
        CHECK(is_ok(ledger));
        CHECK(calls_in(folder.file()) == 7);
    }

    TEST_CASE(
        "ledger: the second process with the same file is refused, and takes over when the first "
        "ends") {
        const test::Folder folder;
        auto first = std::make_unique<Ledger>(test::ledger_options(folder.file()));
        add(*first, 3);
        REQUIRE(first->sync(kPatience));
        Ledger second{test::ledger_options(folder.file())};
        add(second, 4);
        REQUIRE(wait_for(second, [&] { return is_degraded(second); }));
        CHECK(second.status().problem.find("in use by process") != std::string::npos);
        add(*first, 3);
        first.reset();
        REQUIRE(wait_for(second, [&] { return is_ok(second); }));
        REQUIRE(second.sync(kPatience));
        CHECK(calls_in(folder.file()) == 10);
    }

    TEST_CASE("ledger: a disk that is full loses the oldest samples and not the sums") {
        const test::Folder folder;
        const SmallDisk disk{folder.file("disk")};
        if (!disk.is_there()) {
            MESSAGE("no right to mount: the limit of the file's size is tested instead");
            return;
        }
        auto options = test::ledger_options(folder.file("disk/ledger.db"));
        options.settings.max_size = 0;  // only the disk says when it is enough
        options.settings.retention = {};
        Ledger ledger{options};
        std::int64_t t = kTen;
        std::int64_t added = 0;
        const auto fill_up = [&] {
            add(ledger, 1000, t += 1000);
            added += 1000;
            static_cast<void>(ledger.sync(kPatience));
            return ledger.status().rows_deleted > 0 || is_degraded(ledger);
        };
        for (int i = 0; i < 1000 && !fill_up(); ++i) {
        }
        REQUIRE((ledger.status().rows_deleted > 0 || is_degraded(ledger)));
        // Somebody else takes the rest of the disk, and gives it back.
        std::ofstream hog{folder.file("disk/hog")};
        hog << std::string(std::size_t{16} << 20U, 'x');
        hog.close();
        for (int i = 0; i < 20; ++i) {
            static_cast<void>(fill_up());
        }
        std::filesystem::remove(folder.file("disk/hog"));
        REQUIRE(wait_for(ledger, [&] { return is_ok(ledger) && ledger.sync(kPatience); }));
        ledger.recorder(0).hand_over();
        REQUIRE(ledger.sync(kPatience));
        CHECK(calls_in(folder.file("disk/ledger.db")) == added);
        const std::int64_t samples =
            number(folder.file("disk/ledger.db"), "SELECT count(*) FROM statement");
        CHECK(samples > 0);
        CHECK(samples < added);
    }

    TEST_CASE("ledger: a file at its limit goes on with the newest") {
        const test::Folder folder;
        auto options = test::ledger_options(folder.file());
        options.settings.max_size = std::uint64_t{2} << 20U;
        options.pace.rows_every = std::chrono::milliseconds{1};
        Ledger ledger{options};
        std::int64_t t = kTen;
        for (int i = 0; i < 120; ++i) {
            add(ledger, 1000, t += 1000);
            REQUIRE(wait_for(ledger, [&] { return ledger.sync(kPatience); }));
        }
        CHECK(calls_in(folder.file()) == 120'000);
        CHECK(is_ok(ledger));
        CHECK(ledger.status().rows_deleted > 0);
        CHECK(std::filesystem::file_size(folder.file()) <= std::uintmax_t{2} << 20U);
        CHECK(number(folder.file(), "SELECT max(t) FROM statement") == t + 999);
    }

    TEST_CASE(
        "ledger: giving up the ballast makes room enough for SQLite's log, however small it is") {
        const test::Folder folder;
        auto options = test::ledger_options(folder.file());
        options.settings.max_size = std::uint64_t{16} << 20U;  // a ballast of 1 MiB
        options.pace.rows_every = std::chrono::milliseconds{1};
        Ledger ledger{options};
        for (int i = 0; i < 100; ++i) {
            add(ledger, 200, kTen + i * 1000);
            REQUIRE(wait_for(ledger, [&] { return ledger.sync(kPatience); }));
        }
        CHECK(std::filesystem::file_size(folder.file("ledger.db-ballast")) == std::uintmax_t{1}
                                                                                  << 20U);
        CHECK(std::filesystem::file_size(folder.file("ledger.db-wal")) <= std::uintmax_t{1} << 20U);
    }

    TEST_CASE("ledger: a newer program's file is left alone") {
        const test::Folder folder;
        {
            Connection newer;
            REQUIRE(newer.open(folder.file(), Connection::Mode::Write));
            REQUIRE(newer.execute(
                "PRAGMA application_id = 1464158546; PRAGMA user_version = 99; CREATE TABLE x(y)"));
        }
        Ledger ledger{test::ledger_options(folder.file())};
        add(ledger, 3);
        REQUIRE(ledger.sync(kPatience));
        CHECK(ledger.status().file ==
              folder.file("ledger.db-v" + std::to_string(schema_steps().size())));
        CHECK(calls_in(ledger.uri()) == 3);
        CHECK(number(folder.file(), "SELECT count(*) FROM sqlite_schema") == 1);
    }

    TEST_CASE("ledger: rows that can never be written do not stop the others") {
        const test::Folder folder;
        Ledger ledger{test::ledger_options(folder.file())};
        add(ledger, 3);
        REQUIRE(ledger.sync(kPatience));
        {
            Connection other;
            REQUIRE(other.open(folder.file(), Connection::Mode::Write));
            REQUIRE(other.execute(
                "PRAGMA busy_timeout = 30000; CREATE TRIGGER no BEFORE INSERT ON statement BEGIN"
                " SELECT raise(ABORT, 'never'); END"));
        }
        add(ledger, 5);
        static_cast<void>(ledger.sync(kPatience));
        REQUIRE(wait_for(ledger, [&] { return ledger.sync(kPatience); }));
        CHECK(calls_in(folder.file()) == 8);
        CHECK(ledger.status().dropped_samples == 5);
        CHECK(is_ok(ledger));
    }

    TEST_CASE("ledger: sums that can never be written do not take the rows with them") {
        const test::Folder folder;
        Ledger ledger{test::ledger_options(folder.file())};
        add(ledger, 3);
        REQUIRE(ledger.sync(kPatience));
        {
            Connection other;
            REQUIRE(other.open(folder.file(), Connection::Mode::Write));
            REQUIRE(other.execute(
                "PRAGMA busy_timeout = 30000; CREATE TRIGGER no BEFORE INSERT ON hourly BEGIN"
                " SELECT raise(ABORT, 'never'); END"));
        }
        add(ledger, 5, kTen + 1000);
        REQUIRE(ledger.sync(kPatience));
        CHECK(number(folder.file(), "SELECT count(*) FROM statement") == 8);
        CHECK(ledger.status().calls_refused == 5);
        CHECK(ledger.status().dropped_samples == 0);
        CHECK(is_ok(ledger));
        {
            Connection other;
            REQUIRE(other.open(folder.file(), Connection::Mode::Write));
            REQUIRE(other.execute(
                "PRAGMA busy_timeout = 30000; DROP TRIGGER no; CREATE TRIGGER no BEFORE INSERT ON"
                " hourly_hist BEGIN SELECT raise(ABORT, 'never'); END"));
        }
        // Where only histograms are refused the sums stay.
        add(ledger, 7, kTen + 2000);
        REQUIRE(ledger.sync(kPatience));
        CHECK(calls_in(folder.file()) == 10);
        CHECK(number(folder.file(), "SELECT count(*) FROM statement") == 15);
        CHECK(ledger.status().dropped_samples == 0);
    }

    TEST_CASE("ledger: a file that is locked when it is opened is soon tried again") {
        const test::Folder folder;
        {
            Ledger ledger{test::ledger_options(folder.file())};
            add(ledger, 5);
        }
        Connection other;
        REQUIRE(other.open(folder.file(), Connection::Mode::Write));
        REQUIRE(other.execute("BEGIN IMMEDIATE"));
        auto options = test::ledger_options(folder.file());
        options.pace.retry_every = std::chrono::hours{1};
        Ledger ledger{options};
        REQUIRE(wait_for(ledger, [&] { return is_degraded(ledger); }));
        REQUIRE(other.execute("ROLLBACK"));
        CHECK(wait_for(ledger, [&] { return is_ok(ledger); }));
    }

    TEST_CASE("ledger: what could not be opened is tried once more at the end") {
        const test::Folder folder;
        const std::string file = folder.file("later/ledger.db");
        auto options = test::ledger_options(file);
        options.pace.retry_every = std::chrono::hours{1};
        Ledger ledger{options};
        add(ledger, 5);
        REQUIRE(wait_for(ledger, [&] { return is_degraded(ledger); }));
        std::filesystem::create_directory(folder.file("later"));
        ledger.stop();
        CHECK(calls_in(file) == 5);
    }
}

}  // namespace weir
