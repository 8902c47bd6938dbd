#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weir {

/// A number one thread writes and any thread reads: an ordinary load and store, no locked
/// instruction.
class Counter {
public:
    void add(std::uint64_t amount = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }

    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// Counts of durations in buckets that double, from 64 µs to 67 s and beyond. Single writer, as
/// Counter.
class DurationHistogram {
public:
    static constexpr std::size_t kBuckets = 22;  ///< the last one takes everything above

    /// @return the upper border of bucket i in microseconds (the last bucket has none)
    static constexpr std::uint64_t border_us(std::size_t i) { return std::uint64_t{64} << i; }

    void observe_us(std::uint64_t us) {
        std::size_t i = 0;
        while (i + 1 < kBuckets && us > border_us(i)) {
            ++i;
        }
        buckets_[i].add();
        sum_us_.add(us);
    }

    [[nodiscard]] std::uint64_t bucket(std::size_t i) const { return buckets_[i].value(); }

    [[nodiscard]] std::uint64_t sum_us() const { return sum_us_.value(); }

private:
    std::array<Counter, kBuckets> buckets_;
    Counter sum_us_;
};

}  // namespace weir
