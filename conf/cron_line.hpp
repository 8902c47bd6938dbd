#pragma once

#include "conf/units.hpp"

#include <cstdint>
#include <string_view>

namespace weir::conf {

/// When something is to be done, by a clock on the wall: "minute hour day month weekday" as cron
/// reads it. Bit n of a mask stands for the number n; no mask is empty, and some day of some year
/// is always meant.
struct CronLine {
    std::uint64_t minutes = 0;  ///< 0 to 59
    std::uint32_t hours = 0;    ///< 0 to 23
    std::uint32_t days = 0;     ///< of the month, 1 to 31
    std::uint16_t months = 0;   ///< 1 to 12
    std::uint8_t weekdays = 0;  ///< 0 to 6, 0 is Sunday
    bool any_day = false;       ///< that field begins with *
    bool any_weekday = false;

    /// Cron's rule: where both fields name days, either is enough.
    /// @param day of the month, 1 to 31
    /// @param weekday 0 to 6, 0 is Sunday
    [[nodiscard]] bool is_on(unsigned month, unsigned day, unsigned weekday) const;

    bool operator==(const CronLine&) const = default;
};

/// Reads five fields of *, numbers, names (jan to dec, sun to sat), lists, ranges and steps, or
/// @hourly, @daily, @weekly, @monthly, @yearly. Day 7 of the week is Sunday.
[[nodiscard]] Parsed<CronLine> parse_cron_line(std::string_view text);

}  // namespace weir::conf
