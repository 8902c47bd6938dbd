#pragma once

#include <string>
#include <string_view>

namespace weir::conf {

inline constexpr std::string_view kZoneFolder = "/usr/share/zoneinfo";

/// @param folder where the zones' files are; where it is missing any name of the right form will do
/// @return what is wrong with a time zone's name, or ""
[[nodiscard]] std::string problem_of_time_zone(std::string_view name,
                                               std::string_view folder = kZoneFolder);

}  // namespace weir::conf
