#pragma once

#include "maintenance/connection.hpp"
#include "maintenance/report.hpp"

#include <string>

namespace weir::maintenance {

/// @param table as PostgreSQL reads it
/// @return a row for each partition: bounds, size, rows, use; a problem where it is not partitioned
[[nodiscard]] Answer<Report> list_partitions(Connection& db, const std::string& table);

}  // namespace weir::maintenance
