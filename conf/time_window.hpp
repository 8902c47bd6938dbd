#pragma once

#include "conf/units.hpp"

#include <chrono>
#include <string_view>

namespace weir::conf {

/// A part of each day by a clock on the wall. Begins and ends at different times, both below 24
/// hours; one that ends before it begins passes midnight.
struct TimeWindow {
    std::chrono::minutes from{};
    std::chrono::minutes to{};  ///< is not part of it

    /// @param time of the day, from midnight
    [[nodiscard]] bool contains(std::chrono::minutes time) const {
        return from < to ? from <= time && time < to : from <= time || time < to;
    }

    bool operator==(const TimeWindow&) const = default;
};

/// Reads "02:00-05:00"; "22:00-24:00" ends at midnight.
[[nodiscard]] Parsed<TimeWindow> parse_time_window(std::string_view text);

}  // namespace weir::conf
