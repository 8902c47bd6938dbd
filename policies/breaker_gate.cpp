#include "policies/breaker_gate.hpp"

#include "base/check.hpp"

#include <algorithm>

namespace weir::policies {

namespace {

constexpr unsigned kSizeShift = 2;
constexpr unsigned kLeftShift = 17;
constexpr unsigned kPhaseShift = 32;
constexpr std::uint64_t kStateMask = 3;
constexpr std::uint64_t kTrialsMask = BreakerGate::kTrialsMax;

struct Fields {
    BreakerState state;
    std::uint32_t size;  ///< trials a phase has at a time
    std::uint32_t left;
    TrialPhase phase;
};

constexpr Fields unpack(std::uint64_t word) {
    return {static_cast<BreakerState>(word & kStateMask),
            static_cast<std::uint32_t>(word >> kSizeShift & kTrialsMask),
            static_cast<std::uint32_t>(word >> kLeftShift & kTrialsMask),
            static_cast<TrialPhase>(word >> kPhaseShift)};
}

constexpr std::uint64_t pack(const Fields& fields) {
    return static_cast<std::uint64_t>(fields.state) | std::uint64_t{fields.size} << kSizeShift |
           std::uint64_t{fields.left} << kLeftShift | std::uint64_t{fields.phase} << kPhaseShift;
}

constexpr Fields with_left(Fields fields, std::uint32_t left) {
    fields.left = left;
    return fields;
}

bool is_in(const Fields& fields, TrialPhase trial) {
    return trial != kNoTrial && fields.state == BreakerState::HalfOpen && fields.phase == trial;
}

}  // namespace

CallPermit BreakerGate::may_call(TimePoint now) {
    Word word = word_.load();
    for (;;) {
        const Fields fields = unpack(word);
        if (fields.state == BreakerState::Closed) {
            return {};
        }
        if (fields.state == BreakerState::Open || fields.left == 0) {
            return {CallVerdict::Refused, kNoTrial, std::max(retry_at(), now)};
        }
        if (word_.compare_exchange_weak(word, pack(with_left(fields, fields.left - 1)))) {
            return {CallVerdict::TrialAllowed, fields.phase, {}};
        }
    }
}

void BreakerGate::give_back(TrialPhase trial) {
    Word word = word_.load();
    for (;;) {
        const Fields fields = unpack(word);
        if (!is_in(fields, trial) || fields.left == fields.size ||
            word_.compare_exchange_weak(word, pack(with_left(fields, fields.left + 1)))) {
            return;
        }
    }
}

bool BreakerGate::is_current(TrialPhase trial) const {
    return is_in(unpack(word_.load()), trial);
}

BreakerState BreakerGate::state() const {
    return unpack(word_.load()).state;
}

TimePoint BreakerGate::retry_at() const {
    return TimePoint{Duration{retry_at_.load()}};
}

std::uint32_t BreakerGate::trials_left() const {
    return unpack(word_.load()).left;
}

void BreakerGate::publish(BreakerState state, std::uint32_t trials, TimePoint next_attempt) {
    WEIR_ASSERT(trials >= 1 && trials <= kTrialsMax);
    Fields fields{state, 0, 0, unpack(word_.load()).phase};
    if (state == BreakerState::HalfOpen) {
        ++fields.phase;
        fields.phase += fields.phase == kNoTrial ? 1 : 0;
        fields.size = trials;
        fields.left = trials;
    }
    retry_at_.store(next_attempt.time_since_epoch().count());
    word_.store(pack(fields));  // workers change only the trials left, which end or begin anew here
}

void BreakerGate::renew_trials(TimePoint next_renewal) {
    const Fields fields = unpack(word_.load());
    WEIR_ASSERT(fields.state == BreakerState::HalfOpen);
    retry_at_.store(next_renewal.time_since_epoch().count());
    word_.store(pack(with_left(fields, fields.size)));
}

Outcomes& Outcomes::operator+=(const Outcomes& more) {
    successes += more.successes;
    failures += more.failures;
    slow += more.slow;
    rejected += more.rejected;
    trial_successes += more.trial_successes;
    trial_failures += more.trial_failures;
    trial_slow += more.trial_slow;
    return *this;
}

Outcomes Outcomes::since(const Outcomes& earlier) const {
    return {successes - earlier.successes,
            failures - earlier.failures,
            slow - earlier.slow,
            rejected - earlier.rejected,
            trial_successes - earlier.trial_successes,
            trial_failures - earlier.trial_failures,
            trial_slow - earlier.trial_slow};
}

void CallCounters::finish(const BreakerGate& gate, TrialPhase trial, CallEnd end, CallSpeed speed) {
    const bool decides = gate.is_current(trial);
    const bool failed = end == CallEnd::Failed;
    (failed ? failures_ : successes_).add();
    if (decides) {
        (failed ? trial_failures_ : trial_successes_).add();
    }
    if (speed == CallSpeed::Slow) {
        slow_.add();
        if (decides) {
            trial_slow_.add();
        }
    }
}

Outcomes CallCounters::read() const {
    return {successes_.value(),
            failures_.value(),
            slow_.value(),
            rejected_.value(),
            trial_successes_.value(),
            trial_failures_.value(),
            trial_slow_.value()};
}

}  // namespace weir::policies
