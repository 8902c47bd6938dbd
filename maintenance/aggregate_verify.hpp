#pragma once

#include "maintenance/aggregate_definition.hpp"
#include "maintenance/report.hpp"

#include <string>

namespace weir::maintenance {

struct VerifyOptions {
    std::string from;      ///< a time as PostgreSQL reads it; "" = the beginning
    std::string to;        ///< "" = the watermark
    bool repairs = false;  ///< what differs is marked, and the next run computes it
};

/// What verify found.
struct VerifyResult {
    Report report;  ///< bucket and rows that differ; for sessions the bucket they began in
    std::int64_t buckets = 0;  ///< compared
    std::int64_t differing = 0;
    bool is_complete = true;  ///< false = stopped before the beginning was reached
};

/// Compares the target with a fresh query, newest first, chunk by chunk, each with one snapshot.
[[nodiscard]] Answer<VerifyResult> verify_aggregate(JobContext& job,
                                                    const conf::AggregateSettings& settings,
                                                    const VerifyOptions& options);

}  // namespace weir::maintenance
