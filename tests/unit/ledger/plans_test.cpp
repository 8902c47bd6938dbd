#include "ledger/questions.hpp"
#include "tests/support/ledger_book.hpp"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <map>
#include <string>

namespace weir::ledger {

using test::Book;
using test::kTen;
using test::make_digest;
using test::make_labels;
using test::make_statement;

namespace {

std::string plan_of(Book& book, const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    const std::string explained = "EXPLAIN QUERY PLAN " + sql;
    REQUIRE(sqlite3_prepare_v2(
                book.store.connection().handle(), explained.c_str(), -1, &statement, nullptr) ==
            SQLITE_OK);
    std::string plan;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        constexpr int kDetail = 3;
        plan += reinterpret_cast<const char*>(sqlite3_column_text(statement, kDetail));
        plan += "\n";
    }
    sqlite3_finalize(statement);
    return plan;
}

/// What each question's plan must have in it.
const std::map<std::string, std::string> kWanted{
    {"top by hours", "SEARCH hourly USING PRIMARY KEY (hour>? AND hour<?)"},
    {"top by days", "SEARCH daily USING PRIMARY KEY (day>? AND day<?)"},
    {"spread of one", "SEARCH hourly_hist USING PRIMARY KEY (digest=? AND hour>? AND hour<?)"},
    {"slow", "SEARCH s USING INDEX statement_slow (t>? AND t<?)"},
    {"failed", "SEARCH s USING INDEX statement_failed (t>? AND t<?)"},
    {"kept", "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
    {"kept of a digest",
     "SEARCH s USING INDEX statement_digest (digest=? AND rowid>? AND rowid<?)"},
    {"errors by state", "SEARCH hourly_error USING PRIMARY KEY (hour>? AND hour<?)"},
    {"errors by class", "SEARCH hourly_error USING PRIMARY KEY (hour>? AND hour<?)"},
    {"errors by pattern", "SEARCH statement USING INDEX statement_failed (t>? AND t<?)"},
    {"waits", "SEARCH hourly_wait USING PRIMARY KEY (hour>? AND hour<?)"},
    {"sessions", "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
    {"events", "SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
    {"events of a kind", "SEARCH event USING INDEX event_kind (kind=? AND rowid>? AND rowid<?)"},
    {"notable events", "SEARCH event USING COVERING INDEX event_kind (kind<?)"},
    {"sums", "SEARCH daily USING PRIMARY KEY (day>? AND day<?)"},
    {"audit", "SEARCH audit USING INTEGER PRIMARY KEY (rowid<?)"},
};

void check_plans(Book& book) {
    for (const auto& each : question_texts_for_test()) {
        const std::string& name = each.first;
        const std::string& sql = each.second;
        CAPTURE(name);
        const auto wanted = kWanted.find(name);
        REQUIRE(wanted != kWanted.end());
        const std::string plan = plan_of(book, sql);
        CAPTURE(plan);
        CHECK(plan.find(wanted->second) != std::string::npos);
        // No table of the file is read whole.
        for (const char* table : {"SCAN hourly",
                                  "SCAN daily",
                                  "SCAN statement",
                                  "SCAN s\n",
                                  "SCAN s ",
                                  "SCAN event",
                                  "SCAN audit"}) {
            CHECK(plan.find(table) == std::string::npos);
        }
    }
}

}  // namespace

TEST_SUITE("plans") {
    TEST_CASE("plans: every question reads a range of keys, with and without statistics") {
        Book book;
        CHECK(question_texts_for_test().size() == kWanted.size());
        check_plans(book);
        for (int i = 0; i < 6000; ++i) {
            Statement statement = make_statement(make_digest(1 + i % 30, "select"),
                                                 make_labels(),
                                                 kTen - i % 48 * kHourUs + i,
                                                 1000 + i);
            statement.is_slow = i % 50 == 0;
            if (i % 40 == 0) {
                statement.error = SqlState::parse("40001");
            }
            book.add(std::move(statement));
        }
        REQUIRE_FALSE(book.flush());
        Housekeeper housekeeper{book.store};
        housekeeper.begin(kTen);
        while (housekeeper.work()) {
        }
        REQUIRE(book.store.connection().execute("ANALYZE"));
        check_plans(book);
        REQUIRE(book.store.connection().execute("PRAGMA analysis_limit = 0; ANALYZE"));
        check_plans(book);
    }
}

}  // namespace weir::ledger
