#pragma once

#include "maintenance/job.hpp"
#include "maintenance/partition_calendar.hpp"

#include <string>
#include <vector>

namespace weir::maintenance {

/// A partition that is to be made.
struct PlannedPartition {
    enum class Why : std::uint8_t {
        Ahead,  ///< the horizon
        Gap,    ///< it lies between others
    };

    PartitionRange range;
    std::string name;
    Why why = Why::Ahead;
};

/// What is missing, and what somebody should know.
struct PartitionPlan {
    PartitionGrid grid;
    std::vector<PlannedPartition> create;  ///< ascending
    std::vector<std::string> findings;     ///< conflicts, and gaps that are left
};

/// The ranges that are to be made. Tops up to ahead.max, and only when less than ahead.min is left;
/// goes on from the last upper bound; what is missing between partitions from now on is filled.
/// @param names are left empty, as are the bounds' texts
[[nodiscard]] std::vector<PlannedPartition> plan_ranges(const PartitionSet& set,
                                                        const PartitionGrid& grid);

/// @return those of `set` that lie ahead and have a boundary of the grid in their middle
[[nodiscard]] std::vector<const Partition*> find_misfits(const PartitionSet& set,
                                                         const PartitionGrid& grid);

/// Reads the calendar and plans. Changes nothing.
[[nodiscard]] Answer<PartitionPlan> plan_partitions(JobContext& job,
                                                    const PartitionSet& set,
                                                    const conf::PartitionSettings& settings);

/// The one partition that is to hold `at`: an interval of the grid, cut where neighbours are.
[[nodiscard]] Answer<PlannedPartition> plan_partition_for(JobContext& job,
                                                          const PartitionSet& set,
                                                          const conf::PartitionSettings& settings,
                                                          std::int64_t at);

/// @return maintenance.timezone, UTC where it is not set
[[nodiscard]] std::string zone_of(const conf::MaintenanceSettings& settings);

/// @return a problem where nothing can be made or dropped of such a table, or the key is another
/// one
[[nodiscard]] Answer<void> check_workable(const PartitionSet& set,
                                          const conf::PartitionSettings& settings);

}  // namespace weir::maintenance
