#pragma once

#include <chrono>

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

}  // namespace weir
