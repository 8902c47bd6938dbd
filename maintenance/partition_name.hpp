#pragma once

#include "maintenance/partition_calendar.hpp"

#include <string>

namespace weir::maintenance {

/// What a partition is called by a template, as conf::parse_partition_name reads it; in 63 bytes at
/// most: the table's part is cut.
/// @param name_template "" = as the interval suggests
/// @return a problem where the template has a part that is none, or not the key's
[[nodiscard]] Answer<std::string> partition_name(const std::string& name_template,
                                                 const conf::KeyStep& interval,
                                                 const std::string& table,
                                                 const KeyPoint& lo);

/// @return the name made finer, for a range that begins off the grid: "events_p202611_20261117"
[[nodiscard]] std::string finer_name(const std::string& name, const KeyPoint& lo);

}  // namespace weir::maintenance
