#pragma once

#include "maintenance/job.hpp"
#include "maintenance/report.hpp"
#include "maintenance/seen_statements.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::maintenance {

/// Something about partitions that somebody should know, and what to do about it.
struct PartitionFinding {
    enum class Severity : std::uint8_t { Info, Warn, Critical };

    Severity severity = Severity::Warn;
    std::string table;
    std::string partition;  ///< "" = the table as a whole
    std::string what;
    std::string advice;  ///< SQL, or a command; ""
};

struct PartitionThresholds {
    std::int64_t rows_of_plain_table = 25'000'000;  ///< from these on it should be partitioned
    std::int64_t rows_of_partition = 10'000'000;
    std::int64_t bytes_of_partition = std::int64_t{50} << 30U;
    std::int64_t rows_of_default = 1'000'000;  ///< from these on it is critical
    std::int64_t bytes_of_default = std::int64_t{1} << 30U;
    std::int64_t unfrozen_age = 100'000'000;
};

/// Looks at one partitioned table. Changes nothing.
/// @param partitions where what is wished of it may stand
/// @param seen which of them are pruned is asked of the planner
[[nodiscard]] Answer<std::vector<PartitionFinding>> analyze_table(
    JobContext& job,
    const std::string& table,
    const std::vector<conf::PartitionSettings>& partitions,
    const PartitionThresholds& thresholds,
    const std::vector<SeenStatement>& seen);

/// Looks at all partitioned tables, and at plain ones that are large.
[[nodiscard]] Answer<std::vector<PartitionFinding>> analyze_database(
    JobContext& job,
    const std::vector<conf::PartitionSettings>& partitions,
    const PartitionThresholds& thresholds,
    const std::vector<SeenStatement>& seen);

[[nodiscard]] Report report_of(const std::vector<PartitionFinding>& findings);

}  // namespace weir::maintenance
