#pragma once

#include "base/clock.hpp"
#include "base/counters.hpp"
#include "policies/breaker_state.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weir::policies {

/// Which half-open phase a trial call belongs to; 0 = the call is no trial.
using TrialPhase = std::uint32_t;
inline constexpr TrialPhase kNoTrial = 0;

enum class CallVerdict : std::uint8_t {
    Allowed,
    TrialAllowed,  ///< one of the few of a half-open phase; its end decides
    Refused,       ///< answer the client at once, with when to try again
};

/// What may_call() says. Keep `trial` with the call and hand it to CallCounters::finish().
struct CallPermit {
    CallVerdict verdict = CallVerdict::Allowed;
    TrialPhase trial = kNoTrial;
    TimePoint retry_at{};  ///< Refused: when calls are tried again, never in the past
};

/// What a breaker lets through, as all threads see it; one per member, shared by them.
///
/// Its Breaker alone publishes the state; workers take trials. State, phase and the trials left are
/// one atomic word, so a trial is taken only from the phase it is counted for, and never more of
/// them than that phase has. Everything is sequentially consistent; a closed gate costs one load.
///
/// @thread may_call, give_back, is_current: any; publish and renew: the Breaker's
class BreakerGate {
public:
    static constexpr std::uint32_t kTrialsMax = 0x7fff;

    [[nodiscard]] CallPermit may_call(TimePoint now);
    /// Gives a trial back whose call was never begun, so that another may try. Calls that were
    /// begun are reported to CallCounters::finish() instead.
    void give_back(TrialPhase trial);
    /// @return whether trials of that phase still decide anything
    [[nodiscard]] bool is_current(TrialPhase trial) const;

    [[nodiscard]] BreakerState state() const;
    [[nodiscard]] TimePoint retry_at() const;
    /// @return how many trials may still be taken; 0 unless half-open
    [[nodiscard]] std::uint32_t trials_left() const;

    /// Enters a state.
    /// @param trials how many calls a half-open phase lets through at a time, 1 to kTrialsMax
    /// @param next_attempt when refused clients may come again: the end of Open, or the renewal of
    ///        the trials
    void publish(BreakerState state, std::uint32_t trials, TimePoint next_attempt);
    /// Lets the present half-open phase have all its trials once more.
    void renew_trials(TimePoint next_renewal);

private:
    /// state (2 bits), trials of a phase (15), trials left (15), phase (32)
    using Word = std::uint64_t;

    std::atomic<Word> word_{0};
    std::atomic<Duration::rep> retry_at_{0};  ///< stored before the word: never older than it
};

enum class CallEnd : std::uint8_t { Succeeded, Failed };
enum class CallSpeed : std::uint8_t { Normal, Slow };

/// How calls to one member ended since the process began, or since an earlier look.
struct Outcomes {
    std::uint64_t successes = 0;  ///< trials are counted here too, also below
    std::uint64_t failures = 0;
    std::uint64_t slow = 0;  ///< of both
    std::uint64_t rejected = 0;
    std::uint64_t trial_successes = 0;
    std::uint64_t trial_failures = 0;
    std::uint64_t trial_slow = 0;

    Outcomes& operator+=(const Outcomes& more);
    /// @return what has come to it since `earlier`
    [[nodiscard]] Outcomes since(const Outcomes& earlier) const;

    bool operator==(const Outcomes&) const = default;
};

/// One worker's counts of its calls to one member. On a cache line of its own: each is written by
/// another thread.
///
/// @thread all verbs: the one worker; read(): any. A read may fall between two counts of one call;
///         the next one has the rest.
class alignas(64) CallCounters {
public:
    /// Counts a call that ended. A failure is the member's: it could not be reached, did not answer
    /// in time, broke the connection off, had no place. A statement's own error is a success.
    /// @param trial from the CallPermit; of a phase that is over it counts as any other call
    void finish(const BreakerGate& gate, TrialPhase trial, CallEnd end, CallSpeed speed);

    /// Counts a call that may_call() refused.
    void refuse() { rejected_.add(); }

    [[nodiscard]] Outcomes read() const;

private:
    Counter successes_;
    Counter failures_;
    Counter slow_;
    Counter rejected_;
    Counter trial_successes_;
    Counter trial_failures_;
    Counter trial_slow_;
};

}  // namespace weir::policies
