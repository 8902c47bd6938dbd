#pragma once

#include "maintenance/job.hpp"
#include "maintenance/report.hpp"

#include <vector>

namespace weir::maintenance {

/// @param views those that are configured
/// @return what of tables, indexes and these views needs care: why, and the statement that gives it
[[nodiscard]] Answer<Report> report_care(JobContext& job,
                                         const std::vector<conf::MaterializedViewSettings>& views);

}  // namespace weir::maintenance
