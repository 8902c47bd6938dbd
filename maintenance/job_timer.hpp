#pragma once

#include "conf/cron_line.hpp"
#include "conf/time_window.hpp"
#include "maintenance/cron_calendar.hpp"
#include "maintenance/job.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace weir::maintenance {

/// When a job is to run by itself: by a cron line, each so often, or never.
struct When {
    std::optional<conf::CronLine> line = {};
    std::chrono::milliseconds every{};  ///< zero = `line` says; with neither: never
    std::string text;                   ///< for people: "0 2 * * *", "every 1m", "by hand"

    bool operator==(const When&) const = default;
};

/// What all jobs of a configuration have in common.
struct TimerRules {
    CronCalendar calendar;
    std::vector<conf::TimeWindow> windows = {};  ///< none = at any time
    std::chrono::milliseconds jitter{};          ///< at most so much later
};

/// What is known of a job's last runs, wherever they were.
struct JobMemory {
    WallTime covers{};      ///< what was due until then is done
    WallTime retry_at{};    ///< what failed or was not finished: not before
    unsigned failures = 0;  ///< in a row

    bool operator==(const JobMemory&) const = default;
};

/// When one job is due. Pure: what time it is comes in.
///
/// However often it was due since its last success, it is made up once. What failed is tried again
/// after failures times the retry period, 13 % more or less and at most five times as long as it is
/// from one run to the next; after kFailuresMax failures the job is parked: it is tried when it is
/// due, and no more often than that. What others' locks have put off is tried again after the retry
/// period.
///
/// @thread one at a time
class JobTimer {
public:
    static constexpr unsigned kFailuresMax = 20;
    static constexpr std::chrono::minutes kRetryPeriod{5};  ///< where it is due less often
    static constexpr double kSpread = 0.13;
    static constexpr int kIntervalsMax = 5;
    static constexpr std::chrono::seconds kGoOnAfter{2};  ///< what was not finished

    explicit JobTimer(When when) : when_{std::move(when)} {}

    /// Nothing is known of earlier runs: a job of an interval is due at once, one of a cron line
    /// when that says so next.
    void begin(WallTime now, const TimerRules& rules, double random);
    /// Something is known: what is newer counts.
    void learn(const JobMemory& memory, const TimerRules& rules, double random);
    /// A run has ended, as anything but End::Standby.
    /// @param began when it did: what was due until then is done where it went well
    void ended(
        JobResult::End end, WallTime began, WallTime now, const TimerRules& rules, double random);
    /// The same job, perhaps at other times.
    void change(When when, WallTime now, const TimerRules& rules, double random);

    /// @return when it is to run, which may be past; windows are not looked at; WallTime::max() for
    /// never
    [[nodiscard]] WallTime at() const { return at_; }

    /// @return `at`, or else when a window lets it: from now on
    [[nodiscard]] WallTime due(WallTime now, const TimerRules& rules) const;

    [[nodiscard]] const JobMemory& memory() const { return memory_; }

    [[nodiscard]] const When& when() const { return when_; }

    [[nodiscard]] bool is_parked() const { return memory_.failures >= kFailuresMax; }

private:
    [[nodiscard]] WallTime next(WallTime after, const TimerRules& rules) const;
    [[nodiscard]] std::chrono::milliseconds interval(const TimerRules& rules) const;
    [[nodiscard]] WallTime retry_after_failure(WallTime now,
                                               const TimerRules& rules,
                                               double random) const;
    [[nodiscard]] std::chrono::milliseconds retry_period(const TimerRules& rules) const;
    void settle(const TimerRules& rules, double random);

    /// It runs when somebody says so, and only then.
    [[nodiscard]] bool is_by_hand() const { return !when_.line && when_.every.count() <= 0; }

    When when_;
    JobMemory memory_;
    bool is_known_ = false;            // memory_ is of runs, and no assumption
    WallTime mark_ = WallTime::max();  // without jitter and retries
    WallTime at_ = WallTime::max();
};

}  // namespace weir::maintenance
