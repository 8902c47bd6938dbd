#include "policies/rate_limit.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using weir::Duration;
using weir::TimePoint;
using weir::policies::RateLimit;

namespace {

constexpr TimePoint kStart{1h};

/// @return how many of `tries` are let through at that time
int taken(RateLimit& limit, TimePoint now, std::uint64_t per_second, int tries) {
    int count = 0;
    for (int i = 0; i < tries; ++i) {
        count += limit.take(now, per_second) ? 1 : 0;
    }
    return count;
}

}  // namespace

TEST_CASE("rate limit: no limit lets everything through") {
    RateLimit limit;
    CHECK(taken(limit, kStart, 0, 1000) == 1000);
    CHECK(limit.wait(kStart, 0) == Duration::zero());
}

TEST_CASE("rate limit: one second's worth at once, then the rate") {
    RateLimit limit;
    CHECK(taken(limit, kStart, 10, 100) == 10);
    CHECK(limit.wait(kStart, 10) == 100ms);
    CHECK(taken(limit, kStart + 99ms, 10, 5) == 0);
    CHECK(taken(limit, kStart + 100ms, 10, 5) == 1);
    CHECK(taken(limit, kStart + 450ms, 10, 5) == 3);
    CHECK(limit.wait(kStart + 450ms, 10) == 50ms);
    // A long rest fills it, and no more than that.
    CHECK(taken(limit, kStart + 1h, 10, 100) == 10);
}

TEST_CASE("rate limit: what is refused costs nothing") {
    RateLimit limit;
    CHECK(taken(limit, kStart, 1, 1) == 1);
    CHECK(taken(limit, kStart + 500ms, 1, 1000) == 0);
    CHECK(taken(limit, kStart + 1s, 1, 2) == 1);
}

TEST_CASE("rate limit: over a long time it is the rate") {
    for (const std::uint64_t rate : {1U, 3U, 7U, 1000U, 9973U}) {
        CAPTURE(rate);
        RateLimit limit;
        constexpr std::uint64_t kSeconds = 3;
        std::uint64_t count = 0;
        for (Duration at{}; at < std::chrono::seconds{kSeconds}; at += 500us) {
            for (std::uint64_t i = 0; i <= rate / 1000 + 1; ++i) {
                count += limit.take(kStart + at, rate) ? 1U : 0U;
            }
        }
        // The full bucket it begins with comes on top.
        CHECK(count <= rate * (kSeconds + 1) * 1001 / 1000 + 1);
        CHECK(count >= rate * kSeconds);
    }
}

TEST_CASE("rate limit: the rate may change at any time") {
    RateLimit limit;
    CHECK(taken(limit, kStart, 100, 200) == 100);
    CHECK(taken(limit, kStart, 0, 5) == 5);
    CHECK(taken(limit, kStart, 2, 5) == 2);
    CHECK(taken(limit, kStart, 1000, 5) == 0);  // what was taken is still missing
    CHECK(taken(limit, kStart + 1s, 1000, 2000) == 1000);
    CHECK(limit.take(kStart + 1s, 1) == false);
    CHECK(limit.wait(kStart + 1s, 1) == 1s);
    CHECK(limit.take(kStart + 2s, 1));
}
