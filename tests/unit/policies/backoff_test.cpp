#include "policies/backoff.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

using namespace std::chrono_literals;
using weir::Duration;
using weir::policies::Backoff;
using weir::policies::kLongestWait;

TEST_SUITE("backoff") {
    TEST_CASE("backoff: doubles from the base up to the maximum and then gives up") {
        const Backoff backoff{
            .attempts = 6, .base = 500ms, .multiplier = 2.0, .max = 3s, .jitter = false};
        const std::vector<Duration> expected = {0ms, 500ms, 1s, 2s, 3s, 3s};
        for (std::size_t i = 0; i < expected.size(); ++i) {
            CHECK(backoff.wait_before(i + 1, 0.5) == expected[i]);
        }
        CHECK_FALSE(backoff.wait_before(7, 0.5));
        CHECK_FALSE(backoff.wait_before(std::numeric_limits<std::uint64_t>::max(), 0.5));
    }

    TEST_CASE("backoff: one attempt is the least there is") {
        for (const unsigned attempts : {0U, 1U}) {
            const Backoff backoff{.attempts = attempts, .base = 1s};
            CHECK(backoff.wait_before(0, 0) == Duration::zero());
            CHECK(backoff.wait_before(1, 0) == Duration::zero());
            CHECK_FALSE(backoff.wait_before(2, 0));
        }
    }

    TEST_CASE("backoff: jitter takes a share of the whole wait, none of it included") {
        const Backoff backoff{
            .attempts = 3, .base = 400ms, .multiplier = 2.0, .max = 10s, .jitter = true};
        CHECK(backoff.wait_before(2, 0.0) == 0ms);
        CHECK(backoff.wait_before(2, 0.5) == 200ms);
        CHECK(backoff.wait_before(3, 0.25) == 200ms);
        CHECK(*backoff.wait_before(2, 0.999999) < 400ms);
        CHECK(backoff.wait_before(1, 0.9) == 0ms);
    }

    TEST_CASE("backoff: no value makes a wait that is negative, above its limit or overflows") {
        constexpr double kInfinite = std::numeric_limits<double>::infinity();
        const double nothing = std::nan("");
        const std::vector<Duration> durations = {
            Duration::min(), -1ns, 0ns, 1ns, 500ms, 24h, 87600h, Duration::max()};
        const std::vector<double> numbers = {-kInfinite,
                                             -2.0,
                                             -0.0,
                                             0.0,
                                             std::numeric_limits<double>::min(),
                                             0.5,
                                             1.0,
                                             2.0,
                                             std::numeric_limits<double>::max(),
                                             kInfinite,
                                             nothing};
        const std::vector<std::uint64_t> attempts = {
            0, 1, 2, 3, 64, 1000, std::numeric_limits<unsigned>::max()};
        int wrong = 0;  // a check for each would take longer than all the sums
        for (const Duration base : durations) {
            for (const Duration max : durations) {
                for (const double multiplier : numbers) {
                    const Backoff backoff{.attempts = std::numeric_limits<unsigned>::max(),
                                          .base = base,
                                          .multiplier = multiplier,
                                          .max = max,
                                          .jitter = true};
                    const Duration limit = max > 0ns && max < kLongestWait ? max : kLongestWait;
                    for (const std::uint64_t attempt : attempts) {
                        for (const double random : numbers) {
                            const auto wait = backoff.wait_before(attempt, random);
                            wrong += wait && *wait >= 0ns && *wait <= limit ? 0 : 1;
                        }
                    }
                }
            }
        }
        CHECK(wrong == 0);
    }

    TEST_CASE("backoff: a multiplier below one and one that is no number leave the base alone") {
        for (const double multiplier : {-3.0, 0.0, 0.5, std::nan("")}) {
            const Backoff backoff{.attempts = 9, .base = 1s, .multiplier = multiplier};
            CHECK(backoff.wait_before(9, 0) == 1s);
        }
    }
}
