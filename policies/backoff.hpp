#pragma once

#include "base/clock.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace weir::policies {

/// No wait between two attempts is longer, whatever is configured: a time plus this never
/// overflows.
inline constexpr Duration kLongestWait = std::chrono::hours{24};

/// How often something is tried and how long to wait in between.
///
/// The wait before attempt n is base × multiplier^(n-2), at most `max`; with jitter it is a random
/// share of that ("full jitter": those who failed together do not come back together).
///
/// @source "Exponential Backoff And Jitter", AWS Architecture Blog, 2015
struct Backoff {
    unsigned attempts = 1;  ///< in all, the first one counted; 0 is as 1
    Duration base{};
    double multiplier = 1.0;  ///< below 1 and what is not a number are as 1
    Duration max{};           ///< 0 = only kLongestWait
    bool jitter = false;

    /// @param attempt 1 = the first
    /// @param random  in [0, 1), as random_unit() gives it; used where there is jitter
    /// @return how long to wait before that attempt, 0 to kLongestWait, zero before the first;
    ///         nothing when there are no more attempts
    [[nodiscard]] std::optional<Duration> wait_before(std::uint64_t attempt, double random) const;
};

}  // namespace weir::policies
