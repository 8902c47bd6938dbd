#include "base/status.hpp"

#include <doctest/doctest.h>

using weir::status::Pool;

namespace {

Pool sample(std::uint64_t number) {
    Pool pool;
    pool.clients_waiting = number;
    pool.backends_active = number;
    pool.size_max = pool.size_min = pool.reserve = pool.open = number;
    pool.longest_wait_us = static_cast<std::int64_t>(number);
    pool.failures = number;
    pool.events.back() = number;
    pool.wait_buckets.back() = number;
    pool.wait_sum_us = number;
    return pool;
}

}  // namespace

TEST_SUITE("status") {
    TEST_CASE("status: a pool counts in what another has") {
        Pool pool = sample(3);
        pool.add(sample(4));
        CHECK(pool.clients_waiting == 7);
        CHECK(pool.backends_active == 7);
        CHECK(pool.failures == 7);
        CHECK(pool.events.back() == 7);
        CHECK(pool.events.front() == 0);
        CHECK(pool.wait_buckets.back() == 7);
        CHECK(pool.wait_sum_us == 7);
    }

    TEST_CASE("status: of waits the longest counts, and sizes are nobody's to sum") {
        Pool pool = sample(3);
        pool.add(sample(4));
        CHECK(pool.longest_wait_us == 4);
        pool.add(sample(1));
        CHECK(pool.longest_wait_us == 4);
        CHECK(pool.size_max == 3);
        CHECK(pool.size_min == 3);
        CHECK(pool.reserve == 3);
        CHECK(pool.open == 3);
    }
}
