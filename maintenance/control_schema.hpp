#pragma once

#include "maintenance/job.hpp"

#include <string>

namespace weir::maintenance {

/// What jobs must remember beside the data they are about is in tables of this schema of the
/// database itself, so that it is as old as the data after a restore or a failover.
inline constexpr const char* kControlSchema = "weir";

/// Makes the schema where it is not there.
[[nodiscard]] Answer<void> make_control_schema(Connection& db);

/// Makes the schema and one of its tables, where they are not there.
/// @param table its name, without the schema; @param columns what stands in CREATE TABLE (…)
/// @return a problem, with SQLSTATE 42501 where it may not be made
[[nodiscard]] Answer<void> make_control_table(JobContext& job,
                                              const std::string& table,
                                              const std::string& columns);

/// @return whether that table is there and may be read and written
[[nodiscard]] Answer<bool> has_control_table(Connection& db, const std::string& table);

}  // namespace weir::maintenance
