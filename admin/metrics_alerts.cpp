#include "admin/metric_table.hpp"

namespace weir::admin {

namespace {

using prometheus::MetricFamily;
using Type = prometheus::MetricType;
using Source = CommandInput;

void fill_fired(const Source& source, MetricFamily& family) {
    for (const status::Alert& alert : source.snapshot.alerts) {
        add_sample(family, {{"alert", alert.name}}, alert.fired);
    }
}

void fill_firing(const Source& source, MetricFamily& family) {
    for (const status::Alert& alert : source.snapshot.alerts) {
        add_sample(family, {{"alert", alert.name}}, alert.state == "firing" ? 1.0 : 0.0);
    }
}

void fill_webhooks(const Source& source, MetricFamily& family) {
    const status::WebhookCounts& counts = source.snapshot.webhooks;
    add_sample(family, {{"outcome", "delivered"}}, counts.delivered);
    add_sample(family, {{"outcome", "failed"}}, counts.failed);
    add_sample(family, {{"outcome", "dropped"}}, counts.dropped);
}

constexpr Metric kMetrics[] = {
    {"weir_alerts_total", Type::Counter, "Times an alert has fired", "alert", fill_fired},
    {"weir_alert_firing", Type::Gauge, "1 while an alert fires, else 0", "alert", fill_firing},
    {"weir_alert_webhooks_total",
     Type::Counter,
     "Messages to the webhooks of alerts: taken, given up after the last try, or dropped because "
     "too many waited",
     "outcome = delivered | failed | dropped",
     fill_webhooks},
};

}  // namespace

std::span<const Metric> alert_metrics() {
    return kMetrics;
}

}  // namespace weir::admin
