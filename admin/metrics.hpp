#pragma once

#include "admin/commands.hpp"

#include <string>

/// The process in Prometheus' text format. Names and labels are an API: they are in one table
/// (metrics.cpp), from which docs/metrics.md is generated. Thread: any.
namespace weir::admin {

/// @param source with a snapshot of Detail::Pools
/// @return the answer to GET /metrics
[[nodiscard]] std::string render_metrics(const CommandInput& source);

/// @return docs/metrics.md
[[nodiscard]] std::string metrics_markdown();

}  // namespace weir::admin
