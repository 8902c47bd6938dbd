#include "admin/ledger_visit.hpp"
#include "admin/metric_table.hpp"

#include <chrono>

namespace weir::admin {

namespace {

using prometheus::MetricFamily;
using Type = prometheus::MetricType;
using Source = CommandInput;

ledger::LedgerStatus status_of(const Source& source) {
    return source.ledger == nullptr ? ledger::LedgerStatus{} : source.ledger->status();
}

bool is_on(const ledger::LedgerStatus& now) {
    return now.state != ledger::LedgerState::Off;
}

/// 0 ok, 1 degraded, 2 off: as of health, more is worse. One that is just being opened is ok.
double number_of(ledger::LedgerState state) {
    switch (state) {
        case ledger::LedgerState::Starting:
        case ledger::LedgerState::Ok: return 0;
        case ledger::LedgerState::Degraded: return 1;
        case ledger::LedgerState::Off: break;
    }
    return 2;
}

void fill_dropped(const Source& source, MetricFamily& family) {
    const ledger::LedgerStatus now = status_of(source);
    if (!is_on(now)) {
        return;
    }
    add_sample(family, {{"kind", "statements"}}, now.dropped_samples);
    add_sample(family, {{"kind", "details"}}, now.dropped_details);
    add_sample(family, {{"kind", "sessions"}}, now.dropped_sessions);
    add_sample(family, {{"kind", "events"}}, now.dropped_events);
    add_sample(family, {{"kind", "deeds"}}, now.dropped_deeds);
    add_sample(family, {{"kind", "sums"}}, now.calls_refused);
}

/// One counter or gauge, while there is a ledger.
template <auto ledger::LedgerStatus::*value>
void fill(const Source& source, MetricFamily& family) {
    if (const ledger::LedgerStatus now = status_of(source); is_on(now)) {
        add_sample(family, {}, now.*value);
    }
}

void fill_since_commit(const Source& source, MetricFamily& family) {
    const ledger::LedgerStatus now = status_of(source);
    if (now.since_commit.count() >= 0) {
        add_sample(family, {}, std::chrono::duration<double>(now.since_commit).count());
    }
}

/// One counter of all clients together.
template <auto status::Totals::*value>
void fill_total(const Source& source, MetricFamily& family) {
    add_sample(family, {}, source.snapshot.totals.*value);
}

constexpr Metric kMetrics[] = {
    {"weir_rows_total",
     Type::Counter,
     "Rows returned to clients, or affected",
     "",
     fill_total<&status::Totals::rows>},
    {"weir_slow_statements_total",
     Type::Counter,
     "Statements that took policy.slow_query or longer",
     "",
     fill_total<&status::Totals::slow_statements>},
    {"weir_row_limit_hits_total",
     Type::Counter,
     "Statements that met a limit of rows or bytes",
     "",
     fill_total<&status::Totals::row_limit_hits>},
    {"weir_refused_statements_total",
     Type::Counter,
     "Statements that policies or rules have refused",
     "",
     fill_total<&status::Totals::refused_statements>},
    {"weir_ledger_state",
     Type::Gauge,
     "How the ledger does: 0 ok, 1 degraded (nothing is written now), 2 off",
     "",
     [](const Source& source, MetricFamily& family) {
         add_sample(family, {}, number_of(status_of(source).state));
     }},
    {"weir_ledger_rows_total",
     Type::Counter,
     "Statements, sessions, events and deeds written into the ledger",
     "",
     fill<&ledger::LedgerStatus::rows_written>},
    {"weir_ledger_dropped_total",
     Type::Counter,
     "What could not be kept for the ledger, or only without its details",
     "kind = statements | details | sessions | events | deeds | sums",
     fill_dropped},
    {"weir_ledger_bytes",
     Type::Gauge,
     "Size of the ledger, without its free pages",
     "",
     fill<&ledger::LedgerStatus::bytes_used>},
    {"weir_ledger_seconds_since_commit",
     Type::Gauge,
     "Since the ledger was last written",
     "",
     fill_since_commit},
};

}  // namespace

std::span<const Metric> ledger_metrics() {
    return kMetrics;
}

}  // namespace weir::admin
