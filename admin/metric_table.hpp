#pragma once

#include "admin/commands.hpp"

#include <prometheus/metric_family.h>

#include <cstdint>
#include <span>
#include <vector>

/// What the tables of metrics have in common. Thread: any (no shared state).
namespace weir::admin {

/// A row of a table of metrics.
struct Metric {
    const char* name;
    prometheus::MetricType type;
    const char* help;
    const char*
        labels;  ///< for people: names, in brackets where not always there, and fixed values
    void (*fill)(const CommandInput&, prometheus::MetricFamily&);
};

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

/// Adds one sample to a counter or gauge.
void add_sample(prometheus::MetricFamily& family, MetricLabels labels, double value);
void add_sample(prometheus::MetricFamily& family, MetricLabels labels, std::uint64_t value);

/// What is said of the cache of results.
[[nodiscard]] std::span<const Metric> cache_metrics();

/// What alerts count, and their webhooks.
[[nodiscard]] std::span<const Metric> alert_metrics();

/// What jobs of maintenance count.
[[nodiscard]] std::span<const Metric> job_metrics();

/// What the ledger, and what goes into it, counts.
[[nodiscard]] std::span<const Metric> ledger_metrics();

}  // namespace weir::admin
