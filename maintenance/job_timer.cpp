#include "maintenance/job_timer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;

/// Jitter is at most this part of the time from one run to the next.
constexpr int kJitterShare = 4;

milliseconds part_of(milliseconds whole, double part) {
    return milliseconds{std::llround(static_cast<double>(whole.count()) * part)};
}

}  // namespace

WallTime JobTimer::next(WallTime after, const TimerRules& rules) const {
    if (when_.line) {
        return rules.calendar.next(*when_.line, after).value_or(WallTime::max());
    }
    return when_.every > milliseconds{} ? next_of_interval(when_.every, after) : WallTime::max();
}

/// @return from one run to the next; zero where there is none
milliseconds JobTimer::interval(const TimerRules& rules) const {
    if (!when_.line || mark_ == WallTime::max()) {
        return when_.every;
    }
    const WallTime following = next(mark_, rules);
    return following == WallTime::max() ? milliseconds{} : following - mark_;
}

void JobTimer::begin(WallTime now, const TimerRules& rules, double random) {
    memory_ = {};
    is_known_ = false;
    memory_.covers = when_.line ? now : WallTime{};
    settle(rules, random);
}

void JobTimer::learn(const JobMemory& memory, const TimerRules& rules, double random) {
    const WallTime covers = is_known_ ? std::max(memory_.covers, memory.covers) : memory.covers;
    is_known_ = true;
    memory_ = memory;
    memory_.covers = covers;
    settle(rules, random);
}

void JobTimer::ended(
    JobResult::End end, WallTime began, WallTime now, const TimerRules& rules, double random) {
    switch (end) {
        case JobResult::End::Done:
        case JobResult::End::Skipped:
            memory_ = {.covers = std::max(memory_.covers, began)};
            is_known_ = true;
            break;
        case JobResult::End::Later:
            memory_.failures = 0;
            memory_.retry_at = now + kGoOnAfter;
            break;
        case JobResult::End::PutOff:
            memory_.failures = 0;
            memory_.retry_at = is_by_hand() ? WallTime{} : now + retry_period(rules);
            break;
        case JobResult::End::Failed:
            memory_.failures = std::min(memory_.failures + 1, kFailuresMax);
            memory_.retry_at = is_by_hand() ? WallTime{} : retry_after_failure(now, rules, random);
            break;
        case JobResult::End::Standby: return;
    }
    settle(rules, random);
}

/// @return how long after something has kept a run from its end the next one is tried
milliseconds JobTimer::retry_period(const TimerRules& rules) const {
    const milliseconds usual = interval(rules);
    return usual > milliseconds{} ? std::min<milliseconds>(usual, kRetryPeriod) : kRetryPeriod;
}

WallTime JobTimer::retry_after_failure(WallTime now, const TimerRules& rules, double random) const {
    const milliseconds usual = interval(rules);
    milliseconds pause =
        part_of(retry_period(rules) * memory_.failures, 1 + kSpread * (2 * random - 1));
    if (usual > milliseconds{}) {
        pause = std::min(pause, usual * kIntervalsMax);
    }
    return is_parked() ? std::max(now + pause, next(now, rules)) : now + pause;
}

void JobTimer::change(When when, WallTime now, const TimerRules& rules, double random) {
    if (when_ != when) {
        when_ = std::move(when);
        // What the new line means of the past is not made up.
        memory_.covers = when_.line ? std::max(memory_.covers, now) : memory_.covers;
    }
    settle(rules, random);
}

void JobTimer::settle(const TimerRules& rules, double random) {
    mark_ = next(memory_.covers, rules);
    at_ = mark_;
    if (memory_.retry_at > memory_.covers) {
        at_ = memory_.retry_at;
    } else if (mark_ != WallTime::max()) {
        at_ += part_of(std::min(rules.jitter, interval(rules) / kJitterShare), random);
    }
}

WallTime JobTimer::due(WallTime now, const TimerRules& rules) const {
    return at_ == WallTime::max() ? at_ : rules.calendar.opens(rules.windows, std::max(at_, now));
}

}  // namespace weir::maintenance
