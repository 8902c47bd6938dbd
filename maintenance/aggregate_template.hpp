#pragma once

#include "maintenance/aggregate_definition.hpp"

#include <set>
#include <string>
#include <vector>

namespace weir::maintenance {

/// What a template makes of a source's columns.
struct AggregateRecipe {
    std::vector<AggregateColumn> groups;
    std::vector<AggregateColumn> columns;
    conf::CalendarSpan bucket;  ///< where the settings name none
    std::string problem;        ///< "" or which column it needs and does not find
};

/// @param source_columns the columns there are: a template's word (url, status, session, duration,
/// bytes, user, message, sqlstate) means the one it is mapped to, or the one of that very name
[[nodiscard]] AggregateRecipe expand_template(const conf::AggregateSettings& settings,
                                              const std::set<std::string>& source_columns);

/// How far around a session's known rows others of it are looked for.
inline constexpr const char* kSessionLookBack = "24 hours";

}  // namespace weir::maintenance
