#include "base/clock.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::system_clock;
using weir::Clock;
using weir::WallClock;

TEST_SUITE("clock") {
    TEST_CASE("clock: the wall clock that is asked now and then says what it would say") {
        const WallClock wall;
        const auto now = Clock::now();
        const std::int64_t exact =
            duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
        constexpr std::int64_t kSecondUs = 1'000'000;
        CHECK(std::abs(wall.unix_us(now) - exact) < kSecondUs);
        CHECK(wall.unix_us(now + std::chrono::seconds{90}) == wall.unix_us(now) + 90 * kSecondUs);
        CHECK(wall.unix_us(now - std::chrono::milliseconds{1}) == wall.unix_us(now) - 1000);
    }
}
