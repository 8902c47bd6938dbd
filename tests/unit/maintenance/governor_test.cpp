#include "maintenance/governor.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;
using namespace weir::maintenance;
using weir::TimePoint;

/// A governor whose clock and load the test turns.
struct Governed {
    Load load;
    int asked = 0;
    TimePoint now = TimePoint{} + 1h;
    LoadGovernor governor;

    explicit Governed(weir::conf::GovernorSettings settings)
        : governor{settings,
                   [this] {
                       ++asked;
                       return load;
                   },
                   [this] { return now; }} {}

    std::string after(std::chrono::milliseconds time) {
        now += time;
        return governor.why_wait();
    }
};

weir::conf::GovernorSettings settings() {
    weir::conf::GovernorSettings settings;
    settings.max_p95_ratio = 1.5;
    settings.max_replica_lag = 5s;
    settings.max_pool_usage = 0.8;
    return settings;
}

}  // namespace

TEST_CASE("a database at ease holds nothing back") {
    Governed governed{settings()};
    governed.load = {10, 8, 0.5, 1s};
    CHECK(governed.after(0ms).empty());
}

TEST_CASE("each limit holds jobs back and says so") {
    Governed slow{settings()};
    slow.load = {12.1, 8, 0, 0ms};
    CHECK(slow.after(0ms) == "p95 of clients 12.1 ms, 1.5 times as much as usual");
    Governed behind{settings()};
    behind.load.replica_lag = 5001ms;
    CHECK(behind.after(0ms) == "a replica is 5001 ms behind");
    Governed full{settings()};
    full.load.pool_usage = 0.9;
    CHECK(full.after(0ms) == "a pool is used to 90 %");
}

TEST_CASE("what is exactly at the limit may go on") {
    Governed governed{settings()};
    governed.load = {12, 8, 0.8, 5s};
    CHECK(governed.after(0ms).empty());
}

TEST_CASE("a limit of zero is not looked at, nor is a figure that is not known") {
    Governed none{{}};
    none.load = {100, 1, 1, 1h};
    CHECK(none.after(0ms).empty());
    Governed unknown{settings()};
    unknown.load = {100, 0, 0, 0ms};
    CHECK(unknown.after(0ms).empty());
}

TEST_CASE("jobs go on once nothing has been too much for two seconds") {
    Governed governed{settings()};
    governed.load.pool_usage = 1;
    CHECK_FALSE(governed.after(0ms).empty());
    governed.load.pool_usage = 0;
    CHECK_FALSE(governed.after(1900ms).empty());
    CHECK(governed.after(300ms).empty());
    SUBCASE("a peak between begins the two seconds anew") {
        governed.load.pool_usage = 1;
        CHECK_FALSE(governed.after(300ms).empty());
        governed.load.pool_usage = 0;
        CHECK_FALSE(governed.after(1s).empty());
        governed.load.pool_usage = 1;
        CHECK_FALSE(governed.after(500ms).empty());
        governed.load.pool_usage = 0;
        CHECK_FALSE(governed.after(1900ms).empty());
        CHECK(governed.after(300ms).empty());
    }
}

TEST_CASE("figures are asked for at most every quarter of a second") {
    Governed governed{settings()};
    CHECK(governed.after(0ms).empty());
    CHECK(governed.after(100ms).empty());
    CHECK(governed.asked == 1);
    CHECK(governed.after(200ms).empty());
    CHECK(governed.asked == 2);
}
