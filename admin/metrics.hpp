#pragma once

#include "base/status.hpp"

#include <string>
#include <string_view>

/// The process in Prometheus' text format. Names and labels are an API: they are in one table
/// (metrics.cpp), from which docs/metrics.md is generated. Thread: any.
namespace weir::admin {

/// @param version Weir's, for weir_build_info
/// @return the answer to GET /metrics
[[nodiscard]] std::string render_metrics(const status::Snapshot& snapshot,
                                         std::string_view version);

/// @return docs/metrics.md
[[nodiscard]] std::string metrics_markdown();

}  // namespace weir::admin
