#pragma once

#include "maintenance/job.hpp"

#include <cstdint>
#include <vector>

namespace weir::maintenance {

enum class RefreshWhen : std::uint8_t {
    Changed,  ///< not where nothing it is computed from has changed since the last time
    Always,
};

/// Refreshes one materialized view: CONCURRENTLY where that is possible and wanted, else with the
/// patience of run_locked(); then ANALYZE. What was read is noted in weir.view_state.
[[nodiscard]] JobResult refresh_view(JobContext& job,
                                     const conf::MaterializedViewSettings& view,
                                     RefreshWhen when);

[[nodiscard]] inline JobResult refresh_view(JobContext& job,
                                            const conf::MaterializedViewSettings& view) {
    return refresh_view(job, view, RefreshWhen::Changed);
}

/// @return the same views, those that others read before these
[[nodiscard]] Answer<std::vector<conf::MaterializedViewSettings>> in_order_of_reading(
    JobContext& job, std::vector<conf::MaterializedViewSettings> views);

/// Refreshes them one after the other, in that order; what fails does not keep the others from
/// being refreshed.
/// @return Failed where all failed; `rows` counts those refreshed
[[nodiscard]] JobResult refresh_views(JobContext& job,
                                      const std::vector<conf::MaterializedViewSettings>& views,
                                      RefreshWhen when = RefreshWhen::Changed);

}  // namespace weir::maintenance
