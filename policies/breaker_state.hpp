#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::policies {

/// Whether a member is asked. The numbers are those of the metric weir_breaker_state.
enum class BreakerState : std::uint8_t {
    Closed = 0,    ///< it is
    HalfOpen = 1,  ///< a few calls try whether it answers again; the others are refused
    Open = 2,      ///< it is not: too many calls failed
};

enum class BreakerEvent : std::uint8_t {
    Tripped,       ///< too many calls of the window failed, or were slow
    WaitedOut,     ///< it has been open for as long as configured
    TrialsPassed,  ///< enough of the trial calls were good
    TrialsFailed,  ///< too many of them were not
    Reset,         ///< an operator says so, or it was configured away
};

struct BreakerRule {
    BreakerState from;
    BreakerEvent event;
    BreakerState to;
};

/// The whole machine. What is not here cannot happen.
inline constexpr std::array<BreakerRule, 6> kBreakerRules = {{
    {BreakerState::Closed, BreakerEvent::Tripped, BreakerState::Open},
    {BreakerState::Open, BreakerEvent::WaitedOut, BreakerState::HalfOpen},
    {BreakerState::HalfOpen, BreakerEvent::TrialsPassed, BreakerState::Closed},
    {BreakerState::HalfOpen, BreakerEvent::TrialsFailed, BreakerState::Open},
    {BreakerState::Open, BreakerEvent::Reset, BreakerState::Closed},
    {BreakerState::HalfOpen, BreakerEvent::Reset, BreakerState::Closed},
}};

/// @return the state an event leads to; nothing when the event cannot happen in that state
[[nodiscard]] constexpr std::optional<BreakerState> next_state(BreakerState from,
                                                               BreakerEvent event) {
    for (const BreakerRule& rule : kBreakerRules) {
        if (rule.from == from && rule.event == event) {
            return rule.to;
        }
    }
    return std::nullopt;
}

/// @return "closed", "half-open" or "open"
[[nodiscard]] constexpr std::string_view name_of(BreakerState state) {
    switch (state) {
        case BreakerState::Closed: return "closed";
        case BreakerState::HalfOpen: return "half-open";
        case BreakerState::Open: return "open";
    }
    return "open";
}

}  // namespace weir::policies
