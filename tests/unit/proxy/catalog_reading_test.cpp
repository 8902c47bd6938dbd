#include "proxy/catalog_reading.hpp"

#include "proxy/request_judge.hpp"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sql/session_facts.hpp"

using weir::TimePoint;
using weir::pool::SharedDatabase;
using weir::pool::Traits;
using weir::proxy::CatalogReading;
using weir::proxy::RequestJudge;

namespace {

constexpr TimePoint kNow{std::chrono::hours{1}};

using Row = std::array<std::string_view, 5>;

std::vector<std::byte> data_row(const Row& row) {
    std::vector<std::byte> bytes;
    const auto put = [&](std::size_t value, int width) {
        for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) {
            bytes.push_back(static_cast<std::byte>(value >> static_cast<unsigned>(shift)));
        }
    };
    put(row.size(), 2);
    for (const std::string_view value : row) {
        put(value.size(), 4);
        for (const char c : value) {
            bytes.push_back(static_cast<std::byte>(c));
        }
    }
    return bytes;
}

/// A database that has answered with these rows.
class Database {
public:
    explicit Database(const std::vector<Row>& rows, std::string_view print = "0123abcd") {
        read(rows, print);
    }

    void read(const std::vector<Row>& rows, std::string_view print) {
        REQUIRE(database_->knowledge.claim(kNow));
        CatalogReading reading{database_, {}, kNow};
        reading.on_row(data_row({"print", print, "", "", ""}));
        for (const Row& row : rows) {
            reading.on_row(data_row(row));
        }
        reading.on_end();
    }

    Traits judge(std::string_view sql) {
        return judge_.judge(weir::sql::session_facts(sql).effects, sql, 0, kNow).traits;
    }

    [[nodiscard]] const std::shared_ptr<SharedDatabase>& database() const { return database_; }

private:
    std::shared_ptr<SharedDatabase> database_ = std::make_shared<SharedDatabase>();
    RequestJudge judge_{database_};
};

}  // namespace

TEST_CASE("a request does what the functions that it names do") {
    Database database{{{"function", "sets", "plpgsql", "", "BEGIN SET a = 1; END"},
                       {"function", "calls", "sql", "", "SELECT sets()"},
                       {"function", "calls_that", "sql", "", "SELECT calls()"},
                       {"function", "quiet", "sql", "", "SELECT 1"},
                       {"function", "seeds", "sql", "", "SELECT setseed(.5)"},
                       {"function", "any", "plpython3u", "", "pass"},
                       {"function", "linked", "c", "", "dblink_connect"}}};
    CHECK(database.judge("SELECT quiet()").empty());
    CHECK(database.judge("SELECT x.SETS()").has(Traits::LeavesState));
    CHECK(database.judge("SELECT calls_that()").has(Traits::LeavesState));
    CHECK(database.judge("SELECT \"sets\"()").has(Traits::LeavesState));
    CHECK(database.judge("SELECT \"SETS\"()").empty());
    CHECK(database.judge("SELECT 'sets'").empty());
    CHECK(database.judge("DO $$ BEGIN PERFORM seeds(); END $$").has(Traits::Lasts));
    CHECK(database.judge("SELECT linked()").has(Traits::Lasts));
    CHECK(database.judge("SELECT any()").has(Traits::LeavesUnlisted));
}

TEST_CASE("triggers run where something is written, by whomever") {
    Database database{{{"function", "fires", "plpgsql", "t", "BEGIN SET a = 1; END"},
                       {"function", "writes", "sql", "", "INSERT INTO t VALUES (1)"},
                       {"function", "quiet", "sql", "", "SELECT 1"}}};
    CHECK(database.judge("SELECT quiet()").empty());
    CHECK(database.judge("INSERT INTO t VALUES (1)").has(Traits::LeavesState));
    CHECK(database.judge("WITH x AS (DELETE FROM t) SELECT 1").has(Traits::LeavesState));
    CHECK(database.judge("SELECT writes()").has(Traits::LeavesState));
}

TEST_CASE("what views and the like call may run at any time") {
    Database database{{{"function", "hides", "sql", "h", "SELECT pg_advisory_lock(1)"}}};
    CHECK(database.judge("SELECT 1").has(Traits::LeavesState));
    Database own{{{"hidden", "", "", "", ""}}};
    CHECK(own.judge("SELECT 1").has(Traits::LeavesState));
}

TEST_CASE("names and sources may have any bytes and come in pieces") {
    Database database{{{"function", "one", "sql", "", "SELECT '\\\\303 it''s', pg_adv"},
                       {"function", "", "sql", "", "isory_lock(1)"}}};
    CHECK(database.judge("SELECT one()").has(Traits::LeavesState));
    Database other{{{"function", "\\303\\244", "sql", "", "SELECT pg_advisory_lock(1)"}}};
    CHECK(other.judge("SELECT 1").has(Traits::LeavesState));  // encodings differ
}

TEST_CASE("what is not known may do anything") {
    Database database{{}};
    CHECK(database.judge("SELECT 1").empty());
    const weir::pool::DatabaseKnowledge::Change change{database.database()->knowledge};
    CHECK(database.judge("SELECT 1").has(Traits::LeavesUnlisted));
}

TEST_CASE("an answer that is none is no knowledge") {
    auto database = std::make_shared<SharedDatabase>();
    REQUIRE(database->knowledge.claim(kNow));
    {
        CatalogReading reading{database, {}, kNow};
        reading.on_row({});
        reading.on_row(data_row({"print", "it's", "", "", ""}));
        reading.on_row(data_row({"function", "", "", "", "no name"}));
        reading.on_end();
    }
    CHECK_FALSE(database->knowledge.is_current(kNow));
    const TimePoint later = kNow + weir::pool::DatabaseKnowledge::kRetryAfter;
    REQUIRE(database->knowledge.claim(later));
    { const CatalogReading reading{database, {}, later}; }
    CHECK_FALSE(database->knowledge.is_current(later));
}
