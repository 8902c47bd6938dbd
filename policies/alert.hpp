#pragma once

#include "base/clock.hpp"
#include "conf/alert_settings.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::policies {

/// What was measured of one pool or member.
struct AlertReading {
    std::string object;  ///< which one; "" = Weir itself
    double value = 0;
};

enum class AlertState : std::uint8_t {
    Quiet,
    Pending,  ///< the condition is met, and not yet for as long as it must be
    Firing,
};

/// What an update has brought.
enum class AlertChange : std::uint8_t { None, Fired, Resolved };

/// @return "quiet", "pending" or "firing"
[[nodiscard]] constexpr std::string_view name_of(AlertState state) {
    switch (state) {
        case AlertState::Quiet: return "quiet";
        case AlertState::Pending: return "pending";
        case AlertState::Firing: return "firing";
    }
    return "quiet";
}

/// One alert: from measured values to the moments at which somebody is told.
///
/// Each object must meet the condition for itself for as long as it must hold, without a break; two
/// pools that are full in turns are no full pool. What is told is one alert for all of them: it
/// fires with the first and is resolved with the last, so there are never more messages than
/// alerts, however many pools there are. An object that has fired has calmed down when it has not
/// met the condition, or was not measured, for kCalm: a value that flaps tells at most once in that
/// time. Plain state: its owner sees to threads.
class Alert {
public:
    static constexpr std::chrono::seconds kCalm{10};

    explicit Alert(const conf::AlertCondition& condition) : condition_{condition} {}

    /// To be called with every sample.
    /// @param readings of all objects there are; one that is missing does not meet the condition
    /// @param now not before that of the last update
    [[nodiscard]] AlertChange update(std::span<const AlertReading> readings, TimePoint now);

    [[nodiscard]] const conf::AlertCondition& condition() const { return condition_; }

    [[nodiscard]] AlertState state() const { return state_; }

    /// @return since when the condition is met: by the object that fires, or will, for longest;
    /// while quiet that of the last time, or the clock's beginning
    [[nodiscard]] TimePoint since() const { return since_; }

    /// @return the object to name: the worst one that fires, else that is pending, else that there
    /// is; the last one where there is none any more
    [[nodiscard]] const std::string& object() const { return object_; }

    /// @return what was last measured of that object; empty when it was not
    [[nodiscard]] std::optional<double> value() const { return value_; }

private:
    /// An object that meets the condition, or has fired and not calmed down.
    struct Object {
        TimePoint since;
        TimePoint last_met;
        bool is_firing = false;
    };

    void note(const AlertReading& reading, TimePoint now);
    void forget(TimePoint now);
    void settle();
    void choose_object(std::span<const AlertReading> readings);
    [[nodiscard]] bool is_candidate(const std::string& object) const;

    conf::AlertCondition condition_;
    std::map<std::string, Object, std::less<>> objects_;
    AlertState state_ = AlertState::Quiet;
    TimePoint since_{};
    std::string object_;
    std::optional<double> value_;
};

}  // namespace weir::policies
