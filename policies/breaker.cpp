#include "policies/breaker.hpp"

#include "base/check.hpp"

#include <algorithm>

namespace weir::policies {

namespace {

/// A breaker that refuses for less would renew its trials with every look.
constexpr Duration kOpenForMin = std::chrono::milliseconds{1};

BreakerSettings within_range(BreakerSettings settings) {
    settings.min_calls = std::max<std::uint64_t>(settings.min_calls, 1);
    settings.open_for = std::max(settings.open_for, kOpenForMin);
    settings.half_open_calls =
        std::clamp<std::uint32_t>(settings.half_open_calls, 1, BreakerGate::kTrialsMax);
    return settings;
}

TimePoint later(TimePoint now, Duration wait) {
    return wait < kNever - now ? now + wait : kNever;
}

/// A rate of zero is reached by the first bad call, not by none.
bool reaches(std::uint64_t bad, std::uint64_t calls, double rate) {
    return bad > 0 && static_cast<double>(bad) >= rate * static_cast<double>(calls);
}

CallTotals all_calls(const Outcomes& ended) {
    return {ended.successes + ended.failures, ended.failures, ended.slow};
}

CallTotals trials_only(const Outcomes& ended) {
    return {ended.trial_successes + ended.trial_failures, ended.trial_failures, ended.trial_slow};
}

}  // namespace

CallSpeed speed_of(const BreakerSettings& settings, Duration took) {
    return settings.slow_call > Duration::zero() && took > settings.slow_call ? CallSpeed::Slow
                                                                              : CallSpeed::Normal;
}

Breaker::Breaker(const BreakerSettings& settings, BreakerGate& gate)
    : settings_{within_range(settings)}, gate_{gate}, window_{settings.window} {}

std::optional<BreakerChange> Breaker::add(const Outcomes& ended, TimePoint now) {
    if (!settings_.enabled) {
        return std::nullopt;
    }
    if (state_ == BreakerState::Closed) {
        window_.add(all_calls(ended), now);
    } else if (state_ == BreakerState::HalfOpen) {
        trials_ += trials_only(ended);
    }
    if (const auto event = event_due(now)) {
        return transition(*event, now);
    }
    if (state_ == BreakerState::HalfOpen && now >= next_attempt_) {
        next_attempt_ = later(now, settings_.open_for);
        gate_.renew_trials(next_attempt_);
    }
    return std::nullopt;
}

std::optional<BreakerChange> Breaker::reset(TimePoint now) {
    window_.clear();
    if (!next_state(state_, BreakerEvent::Reset)) {
        return std::nullopt;
    }
    return transition(BreakerEvent::Reset, now);
}

std::optional<BreakerChange> Breaker::configure(const BreakerSettings& settings, TimePoint now) {
    const BreakerSettings checked = within_range(settings);
    if (checked == settings_) {
        return std::nullopt;
    }
    settings_ = checked;
    window_ = CallWindow{checked.window};
    return checked.enabled ? std::nullopt : reset(now);
}

std::optional<BreakerEvent> Breaker::event_due(TimePoint now) const {
    switch (state_) {
        case BreakerState::Closed: {
            const CallTotals seen = window_.totals(now);
            if (seen.calls >= settings_.min_calls && is_too_bad(seen, seen.calls)) {
                return BreakerEvent::Tripped;
            }
            return std::nullopt;
        }
        case BreakerState::Open:
            return now >= next_attempt_ ? std::optional{BreakerEvent::WaitedOut} : std::nullopt;
        case BreakerState::HalfOpen: {
            const std::uint64_t all =
                std::max<std::uint64_t>(trials_.calls, settings_.half_open_calls);
            if (is_too_bad(trials_, all)) {
                return BreakerEvent::TrialsFailed;
            }
            return trials_.calls == all ? std::optional{BreakerEvent::TrialsPassed} : std::nullopt;
        }
    }
    return std::nullopt;
}

bool Breaker::is_too_bad(const CallTotals& of, std::uint64_t calls) const {
    return reaches(of.failures, calls, settings_.failure_rate) ||
           reaches(of.slow, calls, settings_.slow_rate);
}

BreakerChange Breaker::transition(BreakerEvent event, TimePoint now) {
    const auto to = next_state(state_, event);
    WEIR_CHECK(to.has_value());
    const BreakerChange change{state_, event, *to};
    state_ = *to;
    window_.clear();
    trials_ = {};
    next_attempt_ = state_ == BreakerState::Closed ? now : later(now, settings_.open_for);
    gate_.publish(state_, settings_.half_open_calls, next_attempt_);
    return change;
}

}  // namespace weir::policies
