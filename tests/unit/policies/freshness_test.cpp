#include "policies/freshness.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using weir::TimePoint;
using weir::policies::may_read_own_writes;
using weir::policies::PositionHistory;

using Sampled = PositionHistory::Sampled;

namespace {

constexpr TimePoint kStart{1h};
constexpr std::uint64_t kFar = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_SUITE("freshness") {
    TEST_CASE("freshness: nothing is fresh before the first sample") {
        const PositionHistory history;
        CHECK(history.fresh_until(0) == TimePoint::min());
        CHECK(history.fresh_until(kFar) == TimePoint::min());
    }

    TEST_CASE("freshness: the latest sample that was reached counts") {
        PositionHistory history;
        CHECK(history.sample(kStart, 100) == Sampled::Added);
        CHECK(history.sample(kStart + 1s, 200) == Sampled::Added);
        CHECK(history.sample(kStart + 2s, 300) == Sampled::Added);
        CHECK(history.fresh_until(99) == TimePoint::min());
        CHECK(history.fresh_until(100) == kStart);
        CHECK(history.fresh_until(199) == kStart);
        CHECK(history.fresh_until(200) == kStart + 1s);
        CHECK(history.fresh_until(300) == kStart + 2s);
        CHECK(history.fresh_until(kFar) == kStart + 2s);
    }

    TEST_CASE("freshness: a session reads its own writes where they are older than the sample") {
        CHECK(may_read_own_writes(kStart, kStart + 1ns));
        CHECK_FALSE(may_read_own_writes(kStart, kStart));
        CHECK_FALSE(may_read_own_writes(kStart, kStart - 1ns));
        CHECK_FALSE(may_read_own_writes(kStart, TimePoint::min()));
    }

    TEST_CASE("freshness: a session that wrote nothing reads anywhere") {
        CHECK(may_read_own_writes(TimePoint::min(), TimePoint::min()));
        CHECK(may_read_own_writes(TimePoint::min(), kStart));
    }

    TEST_CASE("freshness: while nothing is written time goes on and no memory is used") {
        PositionHistory history{4};
        for (int i = 0; i < 1000; ++i) {
            CHECK(history.sample(kStart + i * 1s, 100) == Sampled::Added);
        }
        CHECK(history.size() == 1);
        CHECK(history.fresh_until(100) == kStart + 999s);
        CHECK(history.fresh_until(99) == TimePoint::min());
    }

    TEST_CASE("freshness: above the capacity the oldest is forgotten, to the safe side") {
        PositionHistory history{3};
        for (std::uint64_t i = 0; i < 10; ++i) {
            static_cast<void>(history.sample(kStart + i * 1s, 100 + i));
            CHECK(history.size() <= 3);
        }
        CHECK(history.fresh_until(106) == TimePoint::min());
        CHECK(history.fresh_until(107) == kStart + 7s);
        CHECK(history.fresh_until(kFar) == kStart + 9s);
    }

    TEST_CASE("freshness: a capacity of none is one") {
        PositionHistory history{0};
        CHECK(history.sample(kStart, 1) == Sampled::Added);
        CHECK(history.sample(kStart + 1s, 2) == Sampled::Added);
        CHECK(history.fresh_until(1) == TimePoint::min());
        CHECK(history.fresh_until(2) == kStart + 1s);
    }

    TEST_CASE("freshness: samples that overtook one another are ignored") {
        PositionHistory history;
        static_cast<void>(history.sample(kStart + 2s, 200));
        CHECK(history.sample(kStart + 1s, 100) == Sampled::Ignored);
        CHECK(history.sample(kStart + 2s, 900) == Sampled::Ignored);
        CHECK(history.fresh_until(199) == TimePoint::min());
        CHECK(history.fresh_until(kFar) == kStart + 2s);
    }

    TEST_CASE("freshness: a position that goes back begins anew") {
        PositionHistory history;
        static_cast<void>(history.sample(kStart, 100));
        static_cast<void>(history.sample(kStart + 1s, 500));
        CHECK(history.sample(kStart + 2s, 300) == Sampled::Restarted);
        CHECK(history.size() == 1);
        CHECK(history.fresh_until(299) == TimePoint::min());
        CHECK(history.fresh_until(300) == kStart + 2s);
    }

    TEST_CASE("freshness: what was known of the old primary says nothing about the new one") {
        PositionHistory history;
        static_cast<void>(history.sample(kStart, 100));
        history.restart();
        CHECK(history.fresh_until(kFar) == TimePoint::min());
        CHECK(history.sample(kStart - 1s, 50) == Sampled::Added);
        CHECK(history.fresh_until(50) == kStart - 1s);
    }

    TEST_CASE("freshness: agrees with a search through everything, around the ring's end too") {
        std::mt19937_64 random{7};  // NOLINT(cert-msc51-cpp): the same numbers each time
        constexpr std::size_t kCapacity = 17;
        PositionHistory history{kCapacity};

        struct Known {
            TimePoint at;
            std::uint64_t position;
        };

        std::vector<Known> all;
        TimePoint now = kStart;
        std::uint64_t position = 1000;
        for (int step = 0; step < 500; ++step) {
            now += 1ms;
            position += random() % 3;
            static_cast<void>(history.sample(now, position));
            if (!all.empty() && all.back().position == position) {
                all.back().at = now;
            } else {
                all.push_back({now, position});
            }
            const std::uint64_t replayed = position - random() % 40;
            TimePoint expected = TimePoint::min();
            const std::size_t first = all.size() > kCapacity ? all.size() - kCapacity : 0;
            for (std::size_t i = first; i < all.size(); ++i) {
                expected = all[i].position <= replayed ? all[i].at : expected;
            }
            REQUIRE(history.fresh_until(replayed) == expected);
        }
    }
}
