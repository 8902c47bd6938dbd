#pragma once

#include "maintenance/connection.hpp"
#include "maintenance/report.hpp"

namespace weir::maintenance {

/// @return a row for each aggregate of the database: how far it is, and what is still to be done
[[nodiscard]] Answer<Report> list_aggregates(Connection& db);

}  // namespace weir::maintenance
