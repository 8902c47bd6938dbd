#pragma once

#include "base/clock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace weir::policies {

/// How many calls ended, and how. Slow ones are counted among the others too.
struct CallTotals {
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    std::uint64_t slow = 0;

    CallTotals& operator+=(const CallTotals& more) {
        calls += more.calls;
        failures += more.failures;
        slow += more.slow;
        return *this;
    }

    bool operator==(const CallTotals&) const = default;
};

/// The calls of the last while, in ten buckets: what is older than the window leaves a tenth of it
/// at a time, so between nine and ten tenths of the window count.
///
/// @cost O(1), no allocation
/// @thread one
class CallWindow {
public:
    static constexpr std::size_t kBuckets = 10;

    /// @param length of the window; less than a nanosecond per bucket is taken for that
    explicit CallWindow(Duration length);

    /// @param now not before any earlier one; what is counts as that one
    void add(const CallTotals& ended, TimePoint now);
    [[nodiscard]] CallTotals totals(TimePoint now) const;
    void clear();

private:
    /// How many buckets long the clock has run; the bucket of a tick is found by its remainder.
    using Tick = std::int64_t;

    struct Bucket {
        Tick tick = -1;
        CallTotals totals;
    };

    [[nodiscard]] Tick tick_of(TimePoint when) const;

    std::array<Bucket, kBuckets> buckets_;
    Duration bucket_length_;
    Tick newest_ = 0;
};

}  // namespace weir::policies
