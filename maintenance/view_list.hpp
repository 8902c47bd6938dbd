#pragma once

#include "maintenance/connection.hpp"
#include "maintenance/report.hpp"

namespace weir::maintenance {

/// @return a row for each materialized view of the database, those that others read first: how it
/// can be refreshed, when it was, and what has changed since
[[nodiscard]] Answer<Report> list_views(Connection& db);

}  // namespace weir::maintenance
