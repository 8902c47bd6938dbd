#pragma once

#include <chrono>
#include <cstdint>

namespace weir {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

/// Deadlines that never come: `TimePoint::max()` is what an unset limit turns into.
inline constexpr TimePoint kNever = TimePoint::max();

/// @return `from + wait`, or kNever when the limit is off (0)
[[nodiscard]] constexpr TimePoint deadline_after(TimePoint from, Duration wait) {
    return wait > Duration::zero() ? from + wait : kNever;
}

/// @return the wall clock's time of what was at `when`, in milliseconds since 1970
[[nodiscard]] inline std::int64_t unix_ms(TimePoint when, TimePoint now) {
    const auto wall = std::chrono::system_clock::now() - (now - when);
    return std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch()).count();
}

/// The wall clock, asked now and then instead of each time.
class WallClock {
public:
    WallClock() { ask(); }

    /// What unix_us() returns is as true as when this was called last.
    void ask() {
        offset_ = std::chrono::system_clock::now().time_since_epoch() -
                  std::chrono::duration_cast<Duration>(Clock::now().time_since_epoch());
    }

    /// @return microseconds since 1970
    [[nodiscard]] std::int64_t unix_us(TimePoint when) const {
        return std::chrono::duration_cast<std::chrono::microseconds>(when.time_since_epoch() +
                                                                     offset_)
            .count();
    }

private:
    Duration offset_{};
};

}  // namespace weir
