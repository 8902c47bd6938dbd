#include "ledger/schema.hpp"

#include "ledger/questions.hpp"
#include "ledger/reader.hpp"
#include "ledger/store.hpp"
#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <array>
#include <filesystem>
#include <string>

namespace weir::ledger {

namespace {

// A file as a first version might have left it, made by hand.
constexpr const char* kOld =
    "PRAGMA application_id = 1464158546; PRAGMA user_version = 1;"
    "CREATE TABLE thing(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
    "INSERT INTO thing(text) VALUES ('one'), ('two');";

constexpr std::array<SchemaStep, 3> kSteps{
    "CREATE TABLE never(here INTEGER)",
    "ALTER TABLE thing ADD COLUMN weight INTEGER NOT NULL DEFAULT 1",
    "CREATE TABLE other(id INTEGER PRIMARY KEY) STRICT; CREATE INDEX thing_weight ON thing(weight)",
};

}  // namespace

TEST_SUITE("schema") {
    TEST_CASE("schema: a new file gets the version of this program") {
        const test::Folder folder;
        Connection connection;
        REQUIRE(connection.open(folder.file(), Connection::Mode::Write));
        CHECK(bring_up(connection, folder.file()) == SchemaState::Ready);
        CHECK(connection.integer("PRAGMA user_version") ==
              static_cast<std::int64_t>(schema_steps().size()));
        CHECK(connection.integer("PRAGMA application_id") == kApplicationId);
        CHECK(bring_up(connection, folder.file()) == SchemaState::Ready);
    }

    TEST_CASE("schema: an older file is brought up step by step, and a copy of it stays") {
        const test::Folder folder;
        Connection connection;
        REQUIRE(connection.open(folder.file(), Connection::Mode::Write));
        REQUIRE(connection.execute(kOld));
        CHECK(bring_up(connection, folder.file(), kSteps) == SchemaState::Ready);
        CHECK(connection.integer("PRAGMA user_version") == 3);
        CHECK(connection.integer("SELECT sum(weight) FROM thing") == 2);
        CHECK(connection.integer(
                  "SELECT count(*) FROM sqlite_schema WHERE name IN ('other', 'thing_weight')") ==
              2);
        Connection copy;
        REQUIRE(copy.open(folder.file("ledger.db-v1.bak"), Connection::Mode::Read));
        CHECK(copy.integer("PRAGMA user_version") == 1);
        CHECK(copy.integer("SELECT count(*) FROM thing") == 2);
        using std::filesystem::perms;
        CHECK(std::filesystem::status(folder.file("ledger.db-v1.bak")).permissions() ==
              (perms::owner_read | perms::owner_write));
    }

    TEST_CASE("schema: names of a file of version 1 are in use when it is brought up") {
        const test::Folder folder;
        Connection connection;
        REQUIRE(connection.open(folder.file(), Connection::Mode::Write));
        REQUIRE(bring_up(connection, "", schema_steps().first(1)) == SchemaState::Ready);
        REQUIRE(connection.execute("INSERT INTO name(kind, text) VALUES (1, 'shop')"));
        CHECK(bring_up(connection, folder.file()) == SchemaState::Ready);
        CHECK(connection.integer("SELECT last_t / 1000000 BETWEEN unixepoch() - 60 AND unixepoch() "
                                 "FROM name") == 1);
    }

    TEST_CASE("schema: a file from before the cache was counted has counted nothing of it") {
        const test::Folder folder;
        {
            Connection old;
            REQUIRE(old.open(folder.file(), Connection::Mode::Write));
            REQUIRE(bring_up(old, "", schema_steps().first(2)) == SchemaState::Ready);
            for (const char* table : {"hourly", "daily"}) {
                REQUIRE(old.execute(std::string{"INSERT INTO "} + table +
                                    " VALUES (7, 1, 1, 1, 1, 5, 0, 9, 9, 9, 9, 0, 0, 1, 3, 0, 0)"));
            }
        }
        Reader reader;
        REQUIRE_FALSE(reader.open(folder.file()));
        const std::string why = top_statements(reader, {}).problem;
        CHECK(why.find("an older Weir has written this file") != std::string::npos);
        Connection connection;
        REQUIRE(connection.open(folder.file(), Connection::Mode::Write));
        REQUIRE(bring_up(connection, "") == SchemaState::Ready);
        for (const char* sum :
             {"SELECT 100 * calls + cache_hits + cache_misses + cache_saved_us FROM hourly",
              "SELECT 100 * calls + cache_hits + cache_misses + cache_saved_us FROM daily"}) {
            CHECK(connection.integer(sum) == 500);
        }
        Reader now;
        REQUIRE_FALSE(now.open(folder.file()));
        CHECK(top_statements(now, {}).problem == "");
    }

    TEST_CASE("schema: a step that fails leaves the file as it was before it") {
        constexpr std::array<SchemaStep, 3> kBroken{
            kSteps[0],
            kSteps[1],
            "CREATE TABLE more(id INTEGER); ALTER TABLE missing ADD COLUMN x"};
        const test::Folder folder;
        Connection connection;
        REQUIRE(connection.open(folder.file(), Connection::Mode::Write));
        REQUIRE(connection.execute(kOld));
        CHECK(bring_up(connection, folder.file(), kBroken) == SchemaState::Trouble);
        CHECK(connection.take_trouble());
        CHECK(connection.integer("PRAGMA user_version") == 2);
        CHECK(connection.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'more'") == 0);
        CHECK(bring_up(connection, folder.file(), kSteps) == SchemaState::Ready);
    }

    TEST_CASE("schema: a newer file and a foreign one are not touched") {
        const test::Folder folder;
        Connection connection;
        REQUIRE(connection.open(folder.file(), Connection::Mode::Write));
        REQUIRE(
            connection.execute("PRAGMA application_id = 1464158546; PRAGMA user_version = 99;"
                               "CREATE TABLE future(id INTEGER)"));
        CHECK(bring_up(connection, folder.file()) == SchemaState::Newer);
        REQUIRE(connection.execute("PRAGMA application_id = 1234"));
        CHECK(bring_up(connection, folder.file()) == SchemaState::Foreign);
        CHECK(connection.integer("SELECT count(*) FROM sqlite_schema") == 1);
    }

    TEST_CASE("schema: beside a newer file a new one is written") {
        const test::Folder folder;
        {
            Connection connection;
            REQUIRE(connection.open(folder.file(), Connection::Mode::Write));
            REQUIRE(
                connection.execute("PRAGMA application_id = 1464158546; PRAGMA user_version = 99;"
                                   "CREATE TABLE future(id INTEGER)"));
        }
        Store store;
        REQUIRE_FALSE(store.open({.path = folder.file(), .max_size = 0}));
        CHECK(store.file() == folder.file("ledger.db-v" + std::to_string(schema_steps().size())));
        store.close();
        Connection connection;
        REQUIRE(connection.open(folder.file(), Connection::Mode::Read));
        CHECK(connection.integer("PRAGMA user_version") == 99);
    }
}

}  // namespace weir::ledger
