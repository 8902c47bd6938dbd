#pragma once

#include "conf/policy_settings.hpp"
#include "policies/backoff.hpp"

#include <limits>

namespace weir::pool {

inline constexpr unsigned kEndlessAttempts = std::numeric_limits<unsigned>::max();

/// @return the pauses that were configured; 0 attempts are attempts without an end
[[nodiscard]] inline policies::Backoff backoff_of(const conf::Backoff& settings) {
    return {settings.attempts == 0 ? kEndlessAttempts : settings.attempts,
            settings.base,
            settings.multiplier,
            settings.max,
            settings.jitter};
}

}  // namespace weir::pool
