#include "maintenance/cron_calendar.hpp"

#include <date/tz.h>

#include <algorithm>
#include <cstdint>
#include <exception>

namespace weir::maintenance {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr int kDaysOfCalendar = 146'097;  // after four hundred years it begins anew
constexpr int kHours = 24;
constexpr int kMinutes = 60;
constexpr std::uint32_t kEveryHour = (1U << kHours) - 1;

bool is_on(const conf::CronLine& line, date::local_days day) {
    const date::year_month_day date{day};
    return line.is_on(
        unsigned{date.month()}, unsigned{date.day()}, date::weekday{day}.c_encoding());
}

bool has(std::uint64_t mask, int bit) {
    return (mask >> static_cast<unsigned>(bit) & 1U) != 0;
}

void take_earlier(std::optional<WallTime>& first, WallTime when, WallTime after) {
    if (when > after && (!first || when < *first)) {
        first = when;
    }
}

/// A line that means this time, each day.
conf::CronLine line_at(minutes time) {
    constexpr std::uint32_t kAllDays = 0xFFFF'FFFEU;
    constexpr std::uint16_t kAllMonths = 0x1FFE;
    constexpr std::uint8_t kAllWeekdays = 0x7F;
    return {.minutes = std::uint64_t{1} << static_cast<unsigned>(time.count() % kMinutes),
            .hours = 1U << static_cast<unsigned>(time.count() / kMinutes),
            .days = kAllDays,
            .months = kAllMonths,
            .weekdays = kAllWeekdays,
            .any_day = true,
            .any_weekday = true};
}

}  // namespace

WallTime wall_now() {
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

std::optional<CronCalendar> CronCalendar::in(std::string_view zone) {
    try {
        return CronCalendar{*date::locate_zone(zone)};
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

std::optional<WallTime> CronCalendar::next(const conf::CronLine& line, WallTime after) const {
    const auto local = zone_->to_local(after);
    // The day before as well: what clocks that are put back past midnight repeat is of that one.
    const int first = date::floor<date::days>(local).time_since_epoch().count() - 1;
    for (int day = first; day < first + kDaysOfCalendar; ++day) {
        std::optional<WallTime> found = first_of_day(line, day, after);
        if (!found) {
            continue;
        }
        // For the same reason the next day may begin before this one has ended.
        if (const auto other = first_of_day(line, day + 1, after)) {
            found = std::min(*found, *other);
        }
        return found;
    }
    return std::nullopt;
}

std::optional<WallTime> CronCalendar::first_of_day(const conf::CronLine& line,
                                                   int day,
                                                   WallTime after) const {
    const date::local_days midnight{date::days{day}};
    if (!is_on(line, midnight)) {
        return std::nullopt;
    }
    std::optional<WallTime> first;
    for (int minute = 0; minute < kHours * kMinutes; ++minute) {
        if (!has(line.hours, minute / kMinutes) || !has(line.minutes, minute % kMinutes)) {
            continue;
        }
        const date::local_time<std::chrono::seconds> local{midnight + minutes{minute}};
        const date::local_info info = zone_->get_info(local);
        if (info.result == date::local_info::nonexistent) {
            take_earlier(first, WallTime{info.second.begin}, after);
            continue;
        }
        take_earlier(first, WallTime{local.time_since_epoch() - info.first.offset}, after);
        if (info.result == date::local_info::ambiguous && line.hours == kEveryHour) {
            take_earlier(first, WallTime{local.time_since_epoch() - info.second.offset}, after);
        }
    }
    return first;
}

minutes CronCalendar::time_of_day(WallTime when) const {
    const auto local = zone_->to_local(when);
    return std::chrono::duration_cast<minutes>(local - date::floor<date::days>(local));
}

bool CronCalendar::is_open(const std::vector<conf::TimeWindow>& windows, WallTime when) const {
    const minutes time = time_of_day(when);
    return windows.empty() ||
           std::any_of(windows.begin(), windows.end(), [time](const conf::TimeWindow& window) {
               return window.contains(time);
           });
}

WallTime CronCalendar::opens(const std::vector<conf::TimeWindow>& windows, WallTime when) const {
    while (!is_open(windows, when)) {
        WallTime next = WallTime::max();
        for (const conf::TimeWindow& window : windows) {
            // One that the clocks skip does not come that day: what comes in its place is no part
            // of it, and looked behind.
            next = std::min(next, this->next(line_at(window.from), when).value_or(next));
        }
        if (next == WallTime::max()) {
            return when;
        }
        when = next;
    }
    return when;
}

WallTime CronCalendar::closes(const std::vector<conf::TimeWindow>& windows, WallTime when) const {
    constexpr int kLooks = 64;  // those that cover the whole day together never end
    for (int i = 0; i < kLooks && !windows.empty(); ++i) {
        WallTime next = WallTime::max();
        for (const conf::TimeWindow& window : windows) {
            next = std::min(next, this->next(line_at(window.to), when).value_or(next));
        }
        if (next == WallTime::max() || !is_open(windows, next)) {
            return next;
        }
        when = next;
    }
    return WallTime::max();
}

WallTime next_of_interval(milliseconds every, WallTime after) {
    const milliseconds since = after.time_since_epoch();
    const auto whole = since / every - (since % every < milliseconds{} ? 1 : 0);
    return WallTime{every * (whole + 1)};
}

}  // namespace weir::maintenance
