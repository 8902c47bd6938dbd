#include "tests/support/pool_support.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace weir::pool {
namespace {

using std::chrono::milliseconds;
using test::Borrower;

/// A process of two workers, whose other one is the test: what is posted to it stays here.
class OtherWorker final : public Peers {
public:
    void post_to_pool(unsigned /*worker*/,
                      const PoolKey& /*key*/,
                      std::function<void(Pool&)> task) override {
        posted.push_back(std::move(task));
    }

    [[nodiscard]] bool make_room(const Pool& /*asking*/) override { return false; }

    void on_server_trouble(const PoolKey& /*key*/) override {}

    [[nodiscard]] unsigned worker_count() const override { return 2; }

    [[nodiscard]] std::uint64_t next_id() override { return ++last_id_; }

    static constexpr unsigned kNumber = 1;
    std::vector<std::function<void(Pool&)>> posted;

private:
    std::uint64_t last_id_ = 0;
};

/// The first worker's side.
struct Side {
    /// Somebody has waited on the other worker for ever.
    static void wait_on_other_worker(Budget& budget) {
        budget.announce_waiter(OtherWorker::kNumber, 1);
    }

    template <class Condition>
    [[nodiscard]] bool until(Condition&& holds) {
        return test::turn_until(loop, std::forward<Condition>(holds));
    }

    test::TemporaryFolder folder;
    net::EventLoop loop;
    net::BackgroundThread background;
    SettingsTable settings;
    StatementTable statements;
    WorkerCounters counters;
    BudgetRegistry budgets;
    SharedDatabases shared_databases;
    OtherWorker other;
    test::ScriptedServer server{loop, folder.file("s")};
    PoolPlan plan = test::make_plan(server.endpoint());
    PoolSet pools{
        {loop, background, settings, statements, counters, budgets, shared_databases, other, 0}};
};

TEST_SUITE("pool_peers") {
    TEST_CASE("pool: a replication connection stays with the client it was opened for") {
        Side side;
        side.plan.settings.max = 2;
        side.plan.replication = "true";
        const BudgetPtr budget = side.budgets.find_or_add(std::string{"pool:shop\0ann\0true", 18});
        Side::wait_on_other_worker(*budget);
        Pool& pool = side.pools.find_or_add({"shop", "ann", "true#5"}, side.plan);
        {
            Borrower client{side.loop, pool};
            client.acquire();
            REQUIRE(side.until([&] { return client.has_backend(); }));
            CHECK(side.other.posted.empty());
            CHECK(budget->open() == 1);
            client.release();
            CHECK(side.until([&] { return budget->open() == 0; }));
        }
        CHECK(side.other.posted.empty());
    }

    TEST_CASE("pool: who waits for a place of a replication connection looks for it itself") {
        Side side;
        side.plan.settings.max = 1;
        side.plan.replication = "true";
        Pool& first = side.pools.find_or_add({"shop", "ann", "true#5"}, side.plan);
        Pool& second = side.pools.find_or_add({"shop", "ann", "true#7"}, side.plan);
        Borrower early{side.loop, first};
        Borrower late{side.loop, second};
        early.acquire();
        REQUIRE(side.until([&] { return early.has_backend(); }));
        late.acquire();
        early.release();
        const TimePoint freed = Clock::now();
        REQUIRE(side.until([&] { return late.has_backend(); }));
        CHECK(Clock::now() - freed < milliseconds{900});  // not only at the look of every second
        CHECK(side.other.posted.empty());
    }

    TEST_CASE("pool: a connection that was idle for long is asked before another worker lends it") {
        Side side;
        side.plan.settings.check_after = milliseconds{20};
        Pool& pool = side.pools.find_or_add({"shop", "ann", ""}, side.plan);
        {
            Borrower client{side.loop, pool};
            client.acquire();
            REQUIRE(side.until([&] { return client.has_backend(); }));
            client.release();
        }
        test::turn_for(side.loop, milliseconds{40});
        pool.on_lend_request(OtherWorker::kNumber);
        REQUIRE(side.other.posted.size() == 1);
        side.other.posted.front()(pool);
        Borrower next{side.loop, pool};
        next.acquire();
        REQUIRE(side.until([&] { return next.has_backend(); }));
        CHECK(side.server.connections.front()->has_asked(""));
    }

    TEST_CASE("pool: a connection whose waiter has left goes on to who waits elsewhere") {
        Side side;
        Pool& pool = side.pools.find_or_add({"shop", "ann", ""}, side.plan);
        const BudgetPtr budget = side.budgets.find_or_add(std::string{"pool:shop\0ann\0", 14});
        {
            Borrower client{side.loop, pool};
            client.acquire();
            REQUIRE(side.until([&] { return client.has_backend(); }));
            Side::wait_on_other_worker(*budget);
            client.release();
        }
        REQUIRE(side.other.posted.size() == 1);
        // It comes to a worker where nobody waits any more, and somebody does on the other one.
        Side::wait_on_other_worker(*budget);
        side.other.posted.front()(pool);
        CHECK(side.other.posted.size() == 2);
        CHECK(budget->open() == 1);
        side.other.posted.clear();
        CHECK(side.until([&] { return budget->open() == 0; }));
    }

    TEST_CASE("pool: a connection no pool adopts on the other worker gives its place back") {
        Side side;
        Pool& pool = side.pools.find_or_add({"shop", "ann", ""}, side.plan);
        const std::array<BudgetPtr, 3> limits = {
            side.budgets.find_or_add(std::string{"pool:shop\0ann\0", 14}),
            side.budgets.find_or_add("database:shop"),
            side.budgets.find_or_add("user:ann")};
        const auto all_have = [&limits](unsigned open) {
            return std::all_of(limits.begin(), limits.end(), [open](const BudgetPtr& limit) {
                return limit->open() == open;
            });
        };
        {
            Borrower client{side.loop, pool};
            client.acquire();
            REQUIRE(side.until([&] { return client.has_backend(); }));
            client.release();
        }
        pool.on_lend_request(OtherWorker::kNumber);
        REQUIRE(side.other.posted.size() == 1);
        CHECK(all_have(1));  // it goes along
        SUBCASE("because its database is gone") {
            side.other.posted.clear();
            CHECK(all_have(0));
            CHECK(side.until([&] { return side.server.open_count() == 0; }));
        }
        SUBCASE("unlike one that is adopted") {
            side.other.posted.front()(pool);
            side.other.posted.clear();
            CHECK(all_have(1));
            pool.close_idle();
            CHECK(all_have(0));
        }
    }
}

}  // namespace
}  // namespace weir::pool
