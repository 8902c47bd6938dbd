#include "policies/backoff.hpp"

#include <algorithm>
#include <cmath>

namespace weir::policies {

namespace {

/// @return `value`, or `fallback` when it is smaller or not a number
double at_least(double value, double fallback) {
    return value > fallback ? value : fallback;
}

Duration longest(const Backoff& backoff) {
    return backoff.max > Duration::zero() ? std::min(backoff.max, kLongestWait) : kLongestWait;
}

}  // namespace

std::optional<Duration> Backoff::wait_before(std::uint64_t attempt, double random) const {
    if (attempt > std::max(attempts, 1U)) {
        return std::nullopt;
    }
    if (attempt < 2 || base <= Duration::zero()) {
        return Duration::zero();
    }
    // Powers may become infinite, which compares as it should; only what is below the limit, and
    // so within range, becomes a Duration again.
    const double grown = static_cast<double>(base.count()) *
                         std::pow(at_least(multiplier, 1.0), static_cast<double>(attempt - 2));
    const Duration limit = longest(*this);
    const Duration whole = grown < static_cast<double>(limit.count())
                               ? Duration{static_cast<Duration::rep>(grown)}
                               : limit;
    if (!jitter) {
        return whole;
    }
    const double share = std::min(at_least(random, 0.0), 1.0);
    return Duration{static_cast<Duration::rep>(static_cast<double>(whole.count()) * share)};
}

}  // namespace weir::policies
