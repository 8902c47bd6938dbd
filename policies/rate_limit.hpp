#pragma once

#include "base/clock.hpp"

#include <cstdint>

namespace weir::policies {

/// A client's statements per second, as a bucket of tokens: it holds as many as fill it in one
/// second, at least one, and is full at first. Pure: times come in.
class RateLimit {
public:
    /// Takes a token.
    /// @param now never before that of the call before
    /// @param per_second tokens that flow in; 0 = no limit. May differ from call to call.
    /// @return false when there is none: nothing has been taken
    [[nodiscard]] bool take(TimePoint now, std::uint64_t per_second) {
        if (per_second == 0) {
            full_at_ = TimePoint{};
            return true;
        }
        const Duration token = pause_for(per_second);
        const TimePoint full_at = full_at_ < now ? now : full_at_;
        if (full_at - now > token * (per_second - 1)) {
            return false;
        }
        full_at_ = full_at + token;
        return true;
    }

    /// @return how long until take() gives one, if nobody else takes it; zero = now
    [[nodiscard]] Duration wait(TimePoint now, std::uint64_t per_second) const {
        if (per_second == 0) {
            return Duration::zero();
        }
        const Duration wait = full_at_ - now - pause_for(per_second) * (per_second - 1);
        return full_at_ < now || wait < Duration::zero() ? Duration::zero() : wait;
    }

private:
    [[nodiscard]] static Duration pause_for(std::uint64_t per_second) {
        const Duration pause{std::chrono::nanoseconds{std::chrono::seconds{1}} / per_second};
        return pause > Duration::zero() ? pause : Duration{1};
    }

    TimePoint full_at_{};  // when the bucket is full again: says how much is missing now
};

static_assert(sizeof(RateLimit) <= 16);

}  // namespace weir::policies
