#pragma once

#include "conf/cron_line.hpp"
#include "conf/time_window.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace date {

class time_zone;

}  // namespace date

namespace weir::maintenance {

/// A time by the wall clock, since 1970 and in UTC.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

/// @return how late it is
[[nodiscard]] WallTime wall_now();

/// What cron lines, intervals and windows mean in a time zone: when something is due. Pure: no
/// clock is asked.
///
/// A time that the clocks skip that day means the first instant after the gap. One that comes twice
/// means the first of the two; a line that names every hour keeps its pace instead and means both.
///
/// Thread: any.
class CronCalendar {
public:
    /// @param zone a name of the IANA's: "UTC", "Europe/Berlin"
    /// @return nothing where the system does not know it
    [[nodiscard]] static std::optional<CronCalendar> in(std::string_view zone);

    /// @return the first time behind `after` that the line means; nothing where it means none in
    /// four hundred years
    [[nodiscard]] std::optional<WallTime> next(const conf::CronLine& line, WallTime after) const;

    /// @return whether it lies within one of the windows; always where there are none
    [[nodiscard]] bool is_open(const std::vector<conf::TimeWindow>& windows, WallTime when) const;
    /// @return `when`, or else when the next window begins
    [[nodiscard]] WallTime opens(const std::vector<conf::TimeWindow>& windows, WallTime when) const;
    /// @param when within a window
    /// @return when there is none any more; WallTime::max() where they never end
    [[nodiscard]] WallTime closes(const std::vector<conf::TimeWindow>& windows,
                                  WallTime when) const;

private:
    explicit CronCalendar(const date::time_zone& zone) : zone_{&zone} {}

    [[nodiscard]] std::optional<WallTime> first_of_day(const conf::CronLine& line,
                                                       int day,
                                                       WallTime after) const;
    [[nodiscard]] std::chrono::minutes time_of_day(WallTime when) const;

    const date::time_zone* zone_;  // lives as long as the process
};

/// @return the first multiple of `every` behind `after`: the same in all processes, whenever they
/// were started
[[nodiscard]] WallTime next_of_interval(std::chrono::milliseconds every, WallTime after);

}  // namespace weir::maintenance
