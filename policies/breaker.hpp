#pragma once

#include "base/clock.hpp"
#include "policies/breaker_gate.hpp"
#include "policies/breaker_state.hpp"
#include "policies/call_window.hpp"

#include <cstdint>
#include <optional>

namespace weir::policies {

/// [policy.breaker]; what is out of range is taken for the nearest value that is not.
struct BreakerSettings {
    bool enabled = true;
    double failure_rate = 0.5;     ///< opens when this share of the calls failed; above 1 = never
    std::uint64_t min_calls = 20;  ///< … of the window, with at least so many
    Duration window{};
    Duration
        open_for{};  ///< then half-open; also after how long trials nobody reported are renewed
    std::uint32_t half_open_calls = 3;  ///< trials that decide, 1 to BreakerGate::kTrialsMax
    Duration slow_call{};               ///< calls that take longer are slow; 0 = none is
    double slow_rate = 1.0;             ///< opens when this share of the calls was slow

    bool operator==(const BreakerSettings&) const = default;
};

/// @return how a call that took so long is counted
[[nodiscard]] CallSpeed speed_of(const BreakerSettings& settings, Duration took);

/// A change for the log and the count of trips (`to` is Open).
struct BreakerChange {
    BreakerState from;
    BreakerEvent event;
    BreakerState to;

    bool operator==(const BreakerChange&) const = default;
};

/// Decides whether one member is asked, from how the calls to it ended; everybody is told through
/// the gate.
///
/// Closed, it counts the calls of a sliding window and opens when, of at least `min_calls`, the
/// failures or the slow ones reach their rates. Open, nothing is counted. After `open_for` it lets
/// `half_open_calls` trials through: it opens again as soon as so many of them were bad that the
/// rate cannot be kept, and closes when as many as that have ended and were good enough. Calls that
/// began before and end now decide nothing. A trial that never ends (its client left) costs no more
/// than `open_for`: then as many may be taken again, and what was reported still counts.
///
/// @thread one, which calls add() every 100 ms or so; that is as late as a change can be
/// @source the words mean what they mean in resilience4j's CircuitBreaker with a time-based window
class Breaker {
public:
    /// @param gate fresh; outlives the breaker, which alone publishes to it
    Breaker(const BreakerSettings& settings, BreakerGate& gate);

    /// Takes in how calls ended since the last time, by all workers together, and what the time
    /// brings with it. Call it also when nothing ended.
    [[nodiscard]] std::optional<BreakerChange> add(const Outcomes& ended, TimePoint now);

    /// An operator says that the member is well: closed, and what was counted is forgotten.
    std::optional<BreakerChange> reset(TimePoint now);

    /// New settings. The window begins anew; an open breaker stays open until when it was to; one
    /// that is switched off closes.
    std::optional<BreakerChange> configure(const BreakerSettings& settings, TimePoint now);

    [[nodiscard]] BreakerState state() const { return state_; }

    /// @return Open: when trials begin; HalfOpen: when trials nobody reported are renewed
    [[nodiscard]] TimePoint next_attempt() const { return next_attempt_; }

    /// @return what the window holds, for SHOW BREAKERS
    [[nodiscard]] CallTotals window(TimePoint now) const { return window_.totals(now); }

private:
    [[nodiscard]] std::optional<BreakerEvent> event_due(TimePoint now) const;
    /// @return whether so many bad calls reach a rate
    [[nodiscard]] bool is_too_bad(const CallTotals& of, std::uint64_t calls) const;
    BreakerChange transition(BreakerEvent event, TimePoint now);

    BreakerSettings settings_;
    BreakerGate& gate_;
    CallWindow window_;
    CallTotals trials_;  ///< of the present half-open phase
    TimePoint next_attempt_{};
    BreakerState state_ = BreakerState::Closed;
};

}  // namespace weir::policies
