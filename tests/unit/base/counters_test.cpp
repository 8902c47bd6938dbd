#include "base/counters.hpp"

#include "base/clock.hpp"

#include <doctest/doctest.h>

#include <cstdint>

namespace weir {
namespace {

std::uint64_t total(const DurationHistogram& histogram) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < DurationHistogram::kBuckets; ++i) {
        sum += histogram.bucket(i);
    }
    return sum;
}

TEST_SUITE("counters") {
    TEST_CASE("counter: adds up") {
        Counter counter;
        CHECK(counter.value() == 0);
        counter.add();
        counter.add(41);
        CHECK(counter.value() == 42);
    }

    TEST_CASE("histogram: a duration falls into the first bucket whose border it does not pass") {
        for (std::size_t i = 0; i + 1 < DurationHistogram::kBuckets; ++i) {
            CAPTURE(i);
            DurationHistogram histogram;
            histogram.observe_us(DurationHistogram::border_us(i));
            CHECK(histogram.bucket(i) == 1);
            histogram.observe_us(DurationHistogram::border_us(i) + 1);
            CHECK(histogram.bucket(i + 1) == 1);
        }
    }

    TEST_CASE("histogram: the last bucket takes everything, and nothing is lost") {
        DurationHistogram histogram;
        histogram.observe_us(0);
        histogram.observe_us(1'000'000'000'000);
        CHECK(histogram.bucket(0) == 1);
        CHECK(histogram.bucket(DurationHistogram::kBuckets - 1) == 1);
        CHECK(histogram.sum_us() == 1'000'000'000'000);
        CHECK(total(histogram) == 2);
    }
}

TEST_SUITE("clock") {
    TEST_CASE("deadline: a wait of zero never ends") {
        const TimePoint now{std::chrono::seconds{100}};
        CHECK(deadline_after(now, std::chrono::seconds{5}) == TimePoint{std::chrono::seconds{105}});
        CHECK(deadline_after(now, Duration::zero()) == kNever);
    }
}

}  // namespace
}  // namespace weir
