#include "ledger/reader.hpp"

#include "ledger/backup.hpp"
#include "tests/support/ledger_book.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace weir::ledger {

using test::Book;
using test::kTen;
using test::make_digest;
using test::make_labels;
using test::make_statement;

TEST_SUITE("reader") {
    TEST_CASE("reader: can read and nothing else") {
        Book book;
        book.add(make_statement(make_digest(1, "select"), make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        Reader reader;
        book.open(reader);
        for (const char* refused : {"DELETE FROM statement",
                                    "DROP TABLE statement",
                                    "ATTACH '/tmp/x' AS x",
                                    "PRAGMA user_version = 7",
                                    "PRAGMA query_only = OFF",
                                    "VACUUM INTO '/tmp/weir-never'",
                                    "SELECT load_extension('x')",
                                    "INSERT INTO meta VALUES ('a', 'b')",
                                    "BEGIN IMMEDIATE",
                                    "CREATE TEMP TABLE x(y)",
                                    "",
                                    "SELECT FROM",
                                    "SELECT * FROM nowhere"}) {
            CAPTURE(refused);
            CHECK_FALSE(reader.select(refused));
            CHECK(reader.problem() != "");
        }
        const auto rows = reader.select(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5)"
            " SELECT i, 'x' || i, NULL, 1.5 FROM n");
        REQUIRE(rows);
        CHECK(rows->columns.size() == 4);
        CHECK(rows->rows.size() == 5);
        CHECK(std::get<std::string>(rows->rows[4][1]) == "x5");
        CHECK(reader.problem() == "");
    }

    TEST_CASE("reader: one statement, and nothing behind it") {
        Book book;
        Reader reader;
        book.open(reader);
        for (const char* fine :
             {"SELECT 1;", "SELECT 1; -- that is all", " ;SELECT 1 ; ;/* */ \n"}) {
            CAPTURE(fine);
            CHECK(reader.select(fine));
            CHECK(reader.problem() == "");
        }
        for (const std::string& several : {std::string{"SELECT 1; SELECT 2"},
                                           std::string{"SELECT 1; DELETE FROM statement"},
                                           std::string{"SELECT 1; nonsense"},
                                           std::string{"SELECT 1\0 nonsense", 18}}) {
            CAPTURE(several);
            CHECK_FALSE(reader.select(several));
            CHECK(reader.problem() == "one statement at a time: there is more behind the first");
        }
        for (const char* empty : {"", " ", ";", "-- nothing"}) {
            CAPTURE(empty);
            CHECK_FALSE(reader.select(empty));
            CHECK(reader.problem() == "there is no statement");
        }
    }

    TEST_CASE("reader: never more than ten thousand rows, nor longer than two seconds") {
        Book book;
        Reader reader;
        book.open(reader);
        const auto many = reader.select(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000) SELECT i "
            "FROM n",
            1'000'000);
        REQUIRE(many);
        CHECK(many->rows.size() == Reader::kRowsMax);
        CHECK(many->is_cut);
        CHECK_FALSE(
            reader.select("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "
                          "count(*) FROM n"));
        CHECK(reader.problem() == "it took longer than two seconds");
        CHECK(reader.select("SELECT 1"));  // and it recovers
    }

    TEST_CASE("reader: reads a file whose writer has stopped, was killed, or never was") {
        const test::Folder folder;
        {
            Book book{1, 0, folder.file()};
            book.add(make_statement(make_digest(1, "select"), make_labels(), kTen, 1));
            REQUIRE_FALSE(book.flush());
            // As a writer that was killed leaves it: with its log.
            std::filesystem::copy_file(folder.file(), folder.file("killed.db"));
            std::filesystem::copy_file(folder.file("ledger.db-wal"), folder.file("killed.db-wal"));
        }
        for (const std::string& file : {folder.file(), folder.file("killed.db")}) {
            Reader reader;
            REQUIRE_FALSE(reader.open(file));
            const auto rows = reader.select("SELECT sum(calls) FROM hourly");
            REQUIRE(rows);
            CHECK(std::get<std::int64_t>(rows->rows[0][0]) == 1);
        }
        Reader reader;
        CHECK(reader.open(folder.file("none.db")));
        CHECK_FALSE(std::filesystem::exists(folder.file("none.db")));
        std::ofstream{folder.file("text.db")} << std::string(5000, 'x');
        CHECK(reader.open(folder.file("text.db")));
        Connection foreign;
        REQUIRE(foreign.open(folder.file("foreign.db"), Connection::Mode::Write));
        REQUIRE(foreign.execute("CREATE TABLE x(y)"));
        CHECK(reader.open(folder.file("foreign.db")));
    }

    TEST_CASE("reader: one that reads does not stop the writer") {
        Book book;
        book.add(make_statement(make_digest(1, "select"), make_labels(), kTen, 1));
        REQUIRE_FALSE(book.flush());
        Reader reader;
        book.open(reader);
        Use open = reader.ask().use("SELECT * FROM statement");
        REQUIRE(open.row());
        book.add(make_statement(make_digest(1, "select"), make_labels(), kTen, 1));
        CHECK_FALSE(book.flush());
    }

    TEST_CASE("backup: a copy of the file is whole, private, and never over another file") {
        Book book;
        for (int i = 0; i < 5000; ++i) {
            book.add(make_statement(make_digest(1 + i % 50, "select"), make_labels(), kTen + i, i));
        }
        REQUIRE_FALSE(book.flush());
        const std::string copy = book.path() + "-copy";
        CHECK(copy_file(book.path(), copy) == "");
        CHECK(copy_file(book.path(), copy) != "");
        CHECK(copy_file(book.path() + "-none", copy + "2") != "");
        CHECK_FALSE(std::filesystem::exists(copy + "2"));
        Reader reader;
        REQUIRE_FALSE(reader.open(copy));
        CHECK(std::get<std::int64_t>(reader.select("SELECT count(*) FROM statement")->rows[0][0]) ==
              5000);
        using std::filesystem::perms;
        CHECK(std::filesystem::status(copy).permissions() ==
              (perms::owner_read | perms::owner_write));
    }
}

}  // namespace weir::ledger
