#include "ledger/store.hpp"

#include "tests/support/ledger_book.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <fstream>
#include <string>

namespace weir::ledger {

using test::Book;
using test::kTen;
using test::make_digest;
using test::make_labels;
using test::make_statement;

TEST_SUITE("store") {
    TEST_CASE("store: what is written twice adds up, and nothing is counted twice") {
        Book book;
        const auto digest = make_digest(1, "select");
        for (int round = 0; round < 3; ++round) {
            for (int i = 0; i < 10; ++i) {
                book.add(make_statement(
                    digest, make_labels(), kTen + std::int64_t{round} * 100 + i, 1000));
            }
            REQUIRE_FALSE(book.flush());
            REQUIRE_FALSE(book.flush());
        }
        CHECK(book.number("SELECT sum(calls) FROM hourly") == 30);
        CHECK(book.number("SELECT sum(calls) FROM hourly_hist") == 30);
        CHECK(book.number("SELECT count(*) FROM hourly") == 1);
        CHECK(book.number("SELECT count(*) FROM statement") == 30);
        CHECK(book.number("SELECT sum(total_us) FROM hourly") == 30'000);
        CHECK(book.number(
                  "SELECT hist_quantile(total, 0.5) BETWEEN 970 AND 1030 FROM hourly_hist") == 1);
        CHECK(book.number("SELECT min(total_us + wait_us + server_us) FROM statement") == 2000);
        CHECK(book.pending.empty());
    }

    TEST_CASE(
        "store: two statements of one microsecond, and a clock that goes back, keep the order of "
        "arrival") {
        Book book;
        const auto digest = make_digest(1, "select");
        book.add(make_statement(digest, make_labels(), kTen, 1));
        book.add(make_statement(digest, make_labels(), kTen, 2));
        REQUIRE_FALSE(book.flush());
        book.add(make_statement(digest, make_labels(), kTen - kHourUs / 2, 3));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT count(*) FROM statement") == 3);
        CHECK(book.number("SELECT min(t)") == -1);
        static_cast<void>(book.store.connection().take_trouble());
        CHECK(book.number("SELECT max(t) FROM statement") == kTen + 2);
        CHECK(book.number("SELECT total_us FROM statement ORDER BY t DESC") == 3);
        // Sums are of the hour that the clock showed.
        CHECK(book.number("SELECT min(hour) FROM hourly") == kTen / kHourUs - 1);
    }

    TEST_CASE("store: rows of a clock that was ahead do not hold for those that come") {
        const test::Folder folder;
        const auto digest = make_digest(1, "select");
        const auto add = [&](Book& book, std::int64_t t) {
            book.add(make_statement(digest, make_labels(), t, 1));
            Session session;
            session.labels = make_labels();
            session.ended_unix_us = t;
            book.recorder.add(std::move(session));
            book.batch.events.push_back({.t = t, .event = {}});
            REQUIRE_FALSE(book.flush());
        };
        constexpr std::int64_t kAhead = kTen + 24 * kHourUs;
        {
            Book book{1, 0, folder.file()};
            add(book, kTen);
            for (int i = 0; i < 3; ++i) {
                add(book, kAhead);
            }
            add(book, kTen + 7);
            add(book, kTen + 7);
            book.store.close();
        }
        Book book{1, 0, folder.file()};
        add(book, kTen + 100);
        for (const char* sql : {"SELECT group_concat(t - ?) FROM statement",
                                "SELECT group_concat(t - ?) FROM session",
                                "SELECT group_concat(t - ?) FROM event"}) {
            CAPTURE(sql);
            Use times = book.store.connection().use(sql);
            times.with(kTen);
            REQUIRE(times.row());
            CHECK(times.text(0) == "0,7,8,100,86400000000,86400000001,86400000002");
        }
        // Real time comes to where the others are: there is room between and behind them.
        add(book, kAhead - 1);
        add(book, kAhead - 1);
        add(book, kAhead);
        CHECK(book.number("SELECT count(*) FROM statement") == 10);
        CHECK(book.number("SELECT max(t) FROM statement") == kAhead + 4);
        CHECK(book.number("SELECT count(*) FROM session") == 10);
    }

    TEST_CASE("store: times that a transaction took back are given again") {
        Book book;
        const auto digest = make_digest(1, "select");
        book.add(make_statement(digest, make_labels(), kTen + 24 * kHourUs, 1));
        REQUIRE_FALSE(book.flush());
        Connection other;
        REQUIRE(other.open(book.path(), Connection::Mode::Write));
        REQUIRE(other.execute("BEGIN IMMEDIATE"));
        book.add(make_statement(digest, make_labels(), kTen, 1));
        REQUIRE(book.flush());
        REQUIRE(other.execute("ROLLBACK"));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT min(t) FROM statement") == kTen);
    }

    TEST_CASE("store: a digest whose tables were not known at first gets them") {
        Book book;
        const auto unknown = std::make_shared<const Digest>(
            Digest{.hash = 5, .text = "select", .kind = "select", .tables = ""});
        book.add(make_statement(unknown, make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT count(*) FROM digest WHERE tables = ''") == 1);
        book.add(make_statement(unknown, make_labels(), kTen, 1));
        book.add(make_statement(make_digest(5, "select"), make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT count(*) FROM digest WHERE tables = 'orders'") == 1);
        book.add(make_statement(unknown, make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT count(*) FROM digest WHERE tables = 'orders'") == 1);
        CHECK(book.number("SELECT sum(calls) FROM hourly") == 4);
    }

    TEST_CASE("store: a name says until when it was in use") {
        Book book;
        const auto digest = make_digest(1, "select");
        book.add(make_statement(digest, make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT min(last_t) FROM name") == kTen + kHourUs);
        book.add(make_statement(digest, make_labels("shop", "app", "other"), kTen + kHourUs, 1));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT count(*) FROM name WHERE last_t = 1795348800000000") == 3);
        CHECK(book.number("SELECT last_t FROM name WHERE text = 'web'") == kTen + kHourUs);
        book.add(make_statement(digest, make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT max(last_t) FROM name") == kTen + 2 * kHourUs);
    }

    TEST_CASE("store: while the file is locked nothing is written, and then all of it") {
        Book book;
        const auto digest = make_digest(1, "select");
        book.add(make_statement(digest, make_labels(), kTen, 1));
        Connection other;
        REQUIRE(other.open(book.path(), Connection::Mode::Write));
        REQUIRE(other.execute("BEGIN IMMEDIATE"));
        for (int i = 0; i < 3; ++i) {
            const auto trouble = book.flush();
            REQUIRE(trouble);
            CHECK(trouble->kind == Trouble::Kind::Locked);
            book.add(make_statement(digest, make_labels(), kTen, 1));
        }
        REQUIRE(other.execute("ROLLBACK"));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT sum(calls) FROM hourly") == 4);
        CHECK(book.number("SELECT count(*) FROM statement") == 4);
    }

    TEST_CASE("store: names that a transaction took back are written again") {
        Book book{1, std::uint64_t{1} << 20U};
        const auto text = std::string(7000, 'x');
        std::uint64_t number = 0;
        std::optional<Trouble> trouble;
        while (!trouble) {
            for (int i = 0; i < 40; ++i) {
                ++number;
                book.add(
                    make_statement(make_digest(number, text), make_labels("d", "u", "a"), kTen, 1));
            }
            trouble = book.flush();
        }
        CHECK(trouble->kind == Trouble::Kind::Full);
        Housekeeper housekeeper{book.store};
        Ballast ballast{book.path()};
        book.store.set_max_size(std::uint64_t{4} << 20U);
        book.add(
            make_statement(make_digest(number, text), make_labels("new", "new", "new"), kTen, 1));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT count(*) FROM statement s LEFT JOIN digest d ON d.id = s.digest"
                          " WHERE d.id IS NULL") == 0);
        CHECK(book.number(
                  "SELECT count(*) FROM statement s LEFT JOIN name n ON n.id = s.db AND n.kind = 1"
                  " WHERE n.id IS NULL") == 0);
    }

    TEST_CASE("store: the file, its log and its index are private") {
        Book book;
        book.add(make_statement(make_digest(1, "select"), make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        for (const char* part : {"", "-wal", "-shm", "-lock"}) {
            struct stat status {};

            REQUIRE(::stat((book.path() + part).c_str(), &status) == 0);
            CHECK((status.st_mode & 0777U) == 0600U);
        }
    }

    TEST_CASE("store: what is no database, or one of something else, is told apart") {
        const test::Folder folder;
        std::ofstream{folder.file("text")} << std::string(10'000, 'x');
        Store store;
        const auto ruined = store.open({.path = folder.file("text"), .max_size = 0});
        REQUIRE(ruined);
        CHECK(ruined->kind == Trouble::Kind::Corrupt);
        {
            Connection foreign;
            REQUIRE(foreign.open(folder.file("foreign"), Connection::Mode::Write));
            REQUIRE(foreign.execute("CREATE TABLE theirs(id)"));
        }
        const auto foreign = store.open({.path = folder.file("foreign"), .max_size = 0});
        REQUIRE(foreign);
        CHECK(foreign->kind == Trouble::Kind::Other);
        CHECK(foreign->text.find("something else") != std::string::npos);
    }

    TEST_CASE("store: a file that was not closed in order is looked through") {
        const test::Folder folder;
        {
            Book book{1, 0, folder.file()};
            for (int i = 0; i < 20'000; ++i) {
                book.add(
                    make_statement(make_digest(1 + i % 900, "select " + std::to_string(i % 900)),
                                   make_labels(),
                                   kTen + i,
                                   i));
                if (i % 5000 == 0) {
                    REQUIRE_FALSE(book.flush());
                }
            }
            REQUIRE_FALSE(book.flush());
            REQUIRE(book.store.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)"));
            book.store.close();
        }
        {
            Connection connection;
            REQUIRE(connection.open(folder.file(), Connection::Mode::Write));
            REQUIRE(connection.execute("UPDATE meta SET value = '0' WHERE key = 'clean_stop'"));
        }
        {
            std::fstream file{folder.file(), std::ios::in | std::ios::out | std::ios::binary};
            for (int page = 100; page < 140; ++page) {
                file.seekp(std::streamoff{page} * 4096);
                file << std::string(4096, '\x5A');
            }
        }
        Store store;
        const auto trouble = store.open({.path = folder.file(), .max_size = 0});
        REQUIRE(trouble);
        CHECK(trouble->kind == Trouble::Kind::Corrupt);
    }

    TEST_CASE("store: in memory all is as in a file, and bounded") {
        Book book{1, 0, ":memory:"};
        book.add(make_statement(make_digest(1, "select"), make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        Reader reader;
        book.open(reader);
        const auto rows = reader.select("SELECT sum(calls) FROM hourly");
        REQUIRE(rows);
        CHECK(std::get<std::int64_t>(rows->rows[0][0]) == 1);
        CHECK(book.store.pages_max() ==
              static_cast<std::int64_t>(Store::kMemoryBytesMax / Store::kPageBytes));
        CHECK(book.store.file() == "");
    }

    TEST_CASE("store: errors are counted by state and by pattern, waits by reason") {
        Book book;
        const auto digest = make_digest(1, "insert");
        for (int i = 0; i < 5; ++i) {
            Statement statement = make_statement(digest, make_labels(), kTen + i, 100);
            statement.error = SqlState::parse("23505");
            statement.wait_reason = WaitReason::PoolFull;
            statement.detail = std::make_unique<StatementDetail>();
            statement.detail->message = "duplicate key value \"" + std::to_string(i) + "\"";
            book.add(std::move(statement));
        }
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT n FROM hourly_error WHERE sqlstate = '23505'") == 5);
        CHECK(book.number("SELECT n FROM error_pattern WHERE pattern = 'duplicate key value ?'") ==
              5);
        CHECK(book.number("SELECT count(*) FROM statement WHERE pattern = 1 AND class = 2") == 5);
        CHECK(book.number("SELECT n FROM hourly_wait WHERE why = 1") == 5);
        CHECK(book.number("SELECT us FROM hourly_wait WHERE why = 1") == 50);
    }

    TEST_CASE("store: a client's bytes that are no text do no harm") {
        Book book;
        Statement statement = make_statement(
            make_digest(1, "select '\xFF'"), make_labels("\xFE", "\xC3", "a\x01"), kTen, 1);
        statement.is_slow = true;
        statement.detail = std::make_unique<StatementDetail>();
        statement.detail->text = std::string{"select '\xFF\0'", 10};
        statement.detail->parameters = std::string{"\0\xC3", 2};
        book.add(std::move(statement));
        REQUIRE_FALSE(book.flush());
        CHECK(book.number("SELECT json_valid(detail) FROM statement") == 1);
    }
}

}  // namespace weir::ledger
