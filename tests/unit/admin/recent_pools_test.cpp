#include "admin/recent_pools.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace weir::admin {

using namespace std::chrono_literals;

namespace {

status::Snapshot with(std::uint64_t statements, std::uint64_t failures, std::uint64_t refused) {
    status::Snapshot snapshot;
    status::Pool& pool = snapshot.pools.emplace_back();
    pool.database = "d";
    pool.user = "u";
    pool.statements = statements;
    pool.statement_us = statements * 10;
    pool.assignments = statements;
    pool.wait_us = statements * 5;
    pool.failures = failures;
    pool.events[static_cast<std::size_t>(status::PoolEvent::AcquireFail)] = refused;
    return snapshot;
}

constexpr TimePoint kBegin{};

}  // namespace

TEST_SUITE("recent pools") {
    TEST_CASE("recent pools: before the first sample everything is recent") {
        const RecentPools recent{60s};
        CHECK(recent.of(with(7, 2, 3).pools[0]) ==
              PoolWork{
                  .leases = 7, .wait_us = 35, .statements = 10, .statement_us = 70, .failures = 5});
    }

    TEST_CASE("recent pools: what was done before the last period is not") {
        RecentPools recent{60s};
        for (int second = 0; second <= 300; ++second) {
            recent.sample(with(static_cast<std::uint64_t>(second), 0, 0), kBegin + second * 1s);
        }
        // 60 s and at most a step of 10 s.
        CHECK(recent.of(with(300, 0, 0).pools[0]).statements >= 60);
        CHECK(recent.of(with(300, 0, 0).pools[0]).statements <= 70);
    }

    TEST_CASE("recent pools: failures are forgotten when their time has passed") {
        RecentPools recent{6s};
        recent.sample(with(0, 0, 0), kBegin);
        recent.sample(with(100, 40, 10), kBegin + 1s);
        CHECK(recent.of(with(100, 40, 10).pools[0]).failures == 50);
        for (int second = 2; second <= 7; ++second) {
            recent.sample(with(100, 40, 10), kBegin + second * 1s);
        }
        CHECK(recent.of(with(100, 40, 10).pools[0]) == PoolWork{});
    }

    TEST_CASE("recent pools: a pool that came later, or began anew, counts from its beginning") {
        RecentPools recent{60s};
        recent.sample(status::Snapshot{}, kBegin);
        CHECK(recent.of(with(5, 1, 0).pools[0]).statements == 5);
        RecentPools before{60s};
        before.sample(with(100, 9, 0), kBegin);
        CHECK(before.of(with(5, 1, 0).pools[0]).statements == 5);
        CHECK(before.of(with(5, 1, 0).pools[0]).failures == 1);
    }

    TEST_CASE("recent pools: those of a primary and of its replicas are told apart") {
        RecentPools recent{60s};
        recent.sample(with(100, 0, 0), kBegin);
        status::Snapshot now = with(100, 0, 0);
        now.pools[0].member = "10.0.0.2:5432";
        CHECK(recent.of(now.pools[0]).statements == 100);
    }

    TEST_CASE("recent pools: a shorter period holds from then on") {
        RecentPools recent{600s};
        for (int second = 0; second <= 300; second += 100) {
            recent.sample(with(static_cast<std::uint64_t>(second), 0, 0), kBegin + second * 1s);
        }
        recent.set_period(6s);
        recent.sample(with(301, 0, 0), kBegin + 301s);
        CHECK(recent.of(with(301, 0, 0).pools[0]).statements == 101);
        recent.sample(with(307, 0, 0), kBegin + 307s);
        CHECK(recent.of(with(307, 0, 0).pools[0]).statements == 6);
    }
}

}  // namespace weir::admin
