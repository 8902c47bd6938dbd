#include "admin/stats_history.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "fake_status.hpp"

namespace weir::admin {

namespace {

using namespace std::chrono_literals;

status::Snapshot with_transactions(std::uint64_t transactions, std::uint64_t microseconds) {
    status::Snapshot snapshot;
    status::Pool& pool = snapshot.pools.emplace_back();
    pool.database = "shop";
    pool.transactions = transactions;
    pool.transaction_us = microseconds;
    return snapshot;
}

}  // namespace

TEST_SUITE("admin stats history") {
    TEST_CASE("totals are summed over the pools of a database") {
        status::Snapshot snapshot = test::sample_snapshot();
        snapshot.pools.push_back(test::sample_pool("other", "app"));
        const StatsByDatabase totals = totals_by_database(snapshot);
        REQUIRE(totals.size() == 2);
        CHECK(at(totals.at("shop"), Stat::Transactions) == 202);
        CHECK(at(totals.at("other"), Stat::Transactions) == 101);
        CHECK(at(totals.at("other"), Stat::ClientLogins) == 14);
    }

    TEST_CASE("averages are empty until the first period is over") {
        StatsHistory history;
        const TimePoint start{};
        history.sample(with_transactions(0, 0), start);
        history.sample(with_transactions(600, 1200), start + 59s);
        CHECK(history.averages().empty());
        history.sample(with_transactions(600, 1200), start + 60s);
        REQUIRE(history.averages().contains("shop"));
        CHECK(at(history.averages().at("shop"), Stat::Transactions) == 10);
        CHECK(at(history.averages().at("shop"), Stat::TransactionTime) == 2);
    }

    TEST_CASE("averages are those of the last finished period, however long it was") {
        StatsHistory history;
        const TimePoint start{};
        history.sample(with_transactions(0, 0), start);
        history.sample(with_transactions(6000, 0), start + 60s);
        history.sample(with_transactions(7000, 0), start + 90s);
        CHECK(at(history.averages().at("shop"), Stat::Transactions) == 100);
        history.sample(with_transactions(12'000, 0), start + 660s);
        CHECK(at(history.averages().at("shop"), Stat::Transactions) == 10);
    }

    TEST_CASE("a database that comes later begins with nothing, one that went is forgotten") {
        StatsHistory history;
        const TimePoint start{};
        history.sample(status::Snapshot{}, start);
        history.sample(with_transactions(120, 0), start + 60s);
        CHECK(at(history.averages().at("shop"), Stat::Transactions) == 2);
        history.sample(status::Snapshot{}, start + 120s);
        CHECK(history.averages().empty());
    }

    TEST_CASE("overall weighs a time by its transactions, and sums rates") {
        StatsHistory history;
        const TimePoint start{};
        history.sample(status::Snapshot{}, start);
        status::Snapshot now = with_transactions(30, 300);
        status::Pool& other = now.pools.emplace_back();
        other.database = "other";
        other.transactions = 90;
        other.transaction_us = std::uint64_t{90} * 50;
        history.sample(now, start + 60s);
        CHECK(at(history.overall(), Stat::Transactions) == 2);
        CHECK(at(history.overall(), Stat::TransactionTime) == 40);
    }

    TEST_CASE("a counter that went back is no rate") {
        StatsHistory history;
        const TimePoint start{};
        history.sample(with_transactions(1000, 1000), start);
        history.sample(with_transactions(10, 10), start + 60s);
        CHECK(at(history.averages().at("shop"), Stat::Transactions) == 0);
        CHECK(at(history.averages().at("shop"), Stat::TransactionTime) == 0);
        CHECK(at(history.overall(), Stat::Transactions) == 0);
    }

    TEST_CASE("threads may sample and read at once") {
        StatsHistory history;
        const TimePoint start{};
        std::thread other{[&] {
            for (int i = 0; i < 200; ++i) {
                history.sample(with_transactions(static_cast<std::uint64_t>(i), 0),
                               start + 60s * i);
            }
        }};
        for (int i = 0; i < 200; ++i) {
            CHECK(history.averages().size() <= 1);
        }
        other.join();
    }
}

}  // namespace weir::admin
