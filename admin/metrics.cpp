#include "admin/metrics.hpp"

#include "admin/change_notes.hpp"
#include "admin/health.hpp"
#include "admin/metric_table.hpp"
#include "base/check.hpp"
#include "base/log.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

namespace weir::admin {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using Type = prometheus::MetricType;
using Labels = MetricLabels;

constexpr double kMicrosecondsPerSecond = 1e6;

using Source = CommandInput;

template <class Value>
void add(MetricFamily& family, Labels labels, Value value) {
    add_sample(family, std::move(labels), value);
}

using Buckets = std::array<std::uint64_t, DurationHistogram::kBuckets>;

void add_histogram(MetricFamily& family,
                   Labels labels,
                   const Buckets& buckets,
                   std::uint64_t sum_us) {
    ClientMetric metric;
    metric.label = std::move(labels);
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < buckets.size(); ++i) {
        cumulative += buckets[i];
        if (i + 1 < buckets.size()) {  // the last one has no border: Prometheus' +Inf
            const double border =
                static_cast<double>(DurationHistogram::border_us(i)) / kMicrosecondsPerSecond;
            metric.histogram.bucket.push_back({cumulative, border});
        }
    }
    metric.histogram.sample_count = cumulative;
    metric.histogram.sample_sum = static_cast<double>(sum_us) / kMicrosecondsPerSecond;
    family.metric.push_back(std::move(metric));
}

void add_map(MetricFamily& family,
             const char* label,
             const std::map<std::string, std::uint64_t>& values) {
    for (const auto& [key, value] : values) {
        add(family, {{label, key}}, value);
    }
}

Labels labels_of(const status::Pool& pool) {
    Labels labels{{"database", pool.database}, {"user", pool.user}};
    if (!pool.member.empty()) {
        labels.push_back({"member", pool.member});
    }
    return labels;
}

Labels labels_of(const status::Pool& pool, const char* label, const char* value) {
    Labels labels = labels_of(pool);
    labels.push_back({label, value});
    return labels;
}

void fill_pool_health(const Source& source, MetricFamily& family) {
    for (const status::Pool& pool : source.snapshot.pools) {
        add(family, labels_of(pool), static_cast<double>(check_pool(pool, source).health));
    }
}

void fill_pool_connections(const Source& source, MetricFamily& family) {
    for (const status::Pool& pool : source.snapshot.pools) {
        add(family, labels_of(pool, "state", "used"), backends_in_use(pool));
        add(family, labels_of(pool, "state", "idle"), pool.backends_idle);
        add(family, labels_of(pool, "state", "login"), pool.backends_login);
        add(family,
            labels_of(pool, "state", "cancel"),
            pool.backends_active_cancel + pool.backends_being_canceled);
    }
}

/// One gauge per pool.
template <auto value_of>
void fill_pools(const Source& source, MetricFamily& family) {
    for (const status::Pool& pool : source.snapshot.pools) {
        add(family, labels_of(pool), static_cast<double>(value_of(pool)));
    }
}

/// One gauge per member; what is below zero is not known.
template <auto value_of>
void fill_members(const Source& source, MetricFamily& family) {
    for (const status::Member& member : source.snapshot.members) {
        if (const double value = value_of(member); value >= 0) {
            add(family, {{"cluster", member.cluster}, {"member", member.name}}, value);
        }
    }
}

void fill_breaker_calls(const Source& source, MetricFamily& family) {
    for (const status::Member& member : source.snapshot.members) {
        const auto add_outcome = [&](const char* outcome, std::uint64_t count) {
            add(family,
                {{"cluster", member.cluster}, {"member", member.name}, {"outcome", outcome}},
                count);
        };
        add_outcome("success", member.successes);
        add_outcome("failure", member.failures);
        add_outcome("rejected", member.rejected);
    }
}

double role_number(const status::Member& member) {
    static constexpr std::array<std::string_view, 4> kRoles = {
        "unknown", "replica", "primary", "split_brain"};
    return static_cast<double>(std::find(kRoles.begin(), kRoles.end(), member.role) -
                               kRoles.begin());
}

void fill_pool_wait(const Source& source, MetricFamily& family) {
    for (const status::Pool& pool : source.snapshot.pools) {
        add_histogram(family, labels_of(pool), pool.wait_buckets, pool.wait_sum_us);
    }
}

void fill_pool_events(const Source& source, MetricFamily& family) {
    const auto& names = pool_event_names();
    for (const status::Pool& pool : source.snapshot.pools) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            add(family, labels_of(pool, "event", names[i]), pool.events[i]);
        }
    }
}

template <std::uint64_t status::Pool::*member>
std::uint64_t sum_over_pools(const status::Snapshot& snapshot) {
    std::uint64_t sum = 0;
    for (const status::Pool& pool : snapshot.pools) {
        sum += pool.*member;
    }
    return sum;
}

void fill_bytes(const Source& source, MetricFamily& family) {
    const status::Totals& totals = source.snapshot.totals;
    add(family, {{"direction", "from_clients"}}, totals.bytes_from_clients);
    add(family, {{"direction", "to_clients"}}, totals.bytes_to_clients);
    add(family, {{"direction", "from_servers"}}, totals.bytes_from_backends);
    add(family, {{"direction", "to_servers"}}, totals.bytes_to_backends);
}

void fill_bugs(const Source& /*source*/, MetricFamily& family) {
    for_each_bug([&family](const BugCount& bug) { add(family, {{"what", bug.what}}, bug.count); });
}

const status::Totals& totals_of(const Source& source) {
    return source.snapshot.totals;
}

void fill_retries(const Source& source, MetricFamily& family) {
    for (std::size_t kind = 0; kind < status::kRetryKinds; ++kind) {
        for (std::size_t outcome = 0; outcome < status::kRetryOutcomes; ++outcome) {
            add(family,
                {{"kind", std::string{name_of(static_cast<status::RetryKind>(kind))}},
                 {"outcome", std::string{name_of(static_cast<status::RetryOutcome>(outcome))}}},
                totals_of(source).retries[kind][outcome]);
        }
    }
}

/// The one table. Lambdas take what they show from the Source; their order is the order of the
/// page.
constexpr Metric kMetrics[] = {
    {"weir_pool_connections",
     Type::Gauge,
     "Server connections of a pool",
     "database, user, [member], state = used | idle | login | cancel",
     fill_pool_connections},
    {"weir_pool_waiting_clients",
     Type::Gauge,
     "Clients waiting for a server connection",
     "database, user, [member]",
     fill_pools<[](const status::Pool& pool) { return pool.clients_waiting; }>},
    {"weir_pool_application_waiting",
     Type::Gauge,
     "Clients waiting because their application has as many server connections as "
     "pool.application_max allows; they are among weir_pool_waiting_clients",
     "database, user, [member]",
     fill_pools<[](const status::Pool& pool) { return pool.application_waiting; }>},
    {"weir_pool_size_max",
     Type::Gauge,
     "The most server connections the pool may have, without its reserve",
     "database, user, [member]",
     fill_pools<[](const status::Pool& pool) { return pool.size_max; }>},
    {"weir_pool_utilization_ratio",
     Type::Gauge,
     "Server connections in use or being cancelled, as a part of weir_pool_size_max (above 1 with "
     "a reserve)",
     "database, user, [member]",
     fill_pools<utilization>},
    {"weir_pool_health",
     Type::Gauge,
     "0 healthy, 1 degraded, 2 critical by the thresholds of [health]; each pool by itself: "
     "combine several with max",
     "database, user, [member]",
     fill_pool_health},
    {"weir_pool_wait_seconds",
     Type::Histogram,
     "How long clients waited for a server connection",
     "database, user, [member]",
     fill_pool_wait},
    {"weir_pool_events_total",
     Type::Counter,
     "What happened in a pool",
     "database, user, [member], event = acquire_request | acquire_success | acquire_fail | release "
     "| "
     "create_request | "
     "create_success | create_fail | destroy_request | destroy_success | error",
     fill_pool_events},
    {"weir_member_up",
     Type::Gauge,
     "1 where the last probe of a cluster's member was answered (clusters of several members)",
     "cluster, member",
     fill_members<[](const status::Member& member) { return member.is_up ? 1.0 : 0.0; }>},
    {"weir_member_health",
     Type::Gauge,
     "0 healthy, 1 degraded (behind, or being tried again), 2 critical (down, refused by its "
     "breaker, or a second primary)",
     "cluster, member",
     fill_members<[](const status::Member& member) {
         return static_cast<double>(check_member(member).health);
     }>},
    {"weir_breaker_state",
     Type::Gauge,
     "0 closed, 1 half-open, 2 open: whether calls to a cluster's member are refused",
     "cluster, member",
     fill_members<[](const status::Member& member) {
         return static_cast<double>(member.breaker_number);
     }>},
    {"weir_breaker_calls_total",
     Type::Counter,
     "Calls to a cluster's member as its circuit breaker counts them",
     "cluster, member, outcome = success | failure | rejected",
     fill_breaker_calls},
    {"weir_breaker_trips_total",
     Type::Counter,
     "How often the circuit breaker of a cluster's member has opened",
     "cluster, member",
     fill_members<[](const status::Member& member) { return static_cast<double>(member.trips); }>},
    {"weir_member_role",
     Type::Gauge,
     "0 unknown, 1 replica, 2 primary, 3 a second primary (split brain), which is not used",
     "cluster, member",
     fill_members<role_number>},
    {"weir_replication_lag_bytes",
     Type::Gauge,
     "How much of the primary's log a replica has not replayed yet",
     "cluster, member",
     fill_members<[](const status::Member& member) {
         return static_cast<double>(member.lag_bytes);
     }>},
    {"weir_replication_lag_seconds",
     Type::Gauge,
     "How old the last transaction is that a replica has replayed, 0 where it has replayed all",
     "cluster, member",
     fill_members<[](const status::Member& member) {
         return static_cast<double>(member.lag_us) / kMicrosecondsPerSecond;
     }>},
    {"weir_clients",
     Type::Gauge,
     "Client connections by state",
     "state",
     [](const Source& source, MetricFamily& family) {
         add_map(family, "state", totals_of(source).clients_by_state);
     }},
    {"weir_client_connections_total",
     Type::Counter,
     "Client connections accepted",
     "",
     [](const Source& source, MetricFamily& family) {
         add(family, {}, totals_of(source).client_connections);
     }},
    {"weir_client_logins_failed_total",
     Type::Counter,
     "Clients that were not let in",
     "reason",
     [](const Source& source, MetricFamily& family) {
         add_map(family, "reason", totals_of(source).logins_failed_by_reason);
     }},
    {"weir_pins_total",
     Type::Counter,
     "Times a client had to keep its server connection between transactions",
     "reason",
     [](const Source& source, MetricFamily& family) {
         add_map(family, "reason", totals_of(source).pins_by_reason);
     }},
    {"weir_pinned_clients",
     Type::Gauge,
     "Clients that keep a server connection between transactions now",
     "",
     [](const Source& source, MetricFamily& family) {
         add(family, {}, totals_of(source).pinned_clients);
     }},
    {"weir_statements_total",
     Type::Counter,
     "Statements run",
     "kind = simple | extended | function_call | copy",
     [](const Source& source, MetricFamily& family) {
         add_map(family, "kind", totals_of(source).statements_by_kind);
     }},
    {"weir_transactions_total",
     Type::Counter,
     "Transactions finished, statements outside of one included",
     "",
     [](const Source& source, MetricFamily& family) {
         add(family, {}, sum_over_pools<&status::Pool::transactions>(source.snapshot));
     }},
    {"weir_statement_errors_total",
     Type::Counter,
     "Errors sent to clients, by the class of their SQLSTATE",
     "class",
     [](const Source& source, MetricFamily& family) {
         add_map(family, "class", totals_of(source).errors_by_class);
     }},
    {"weir_retries_total",
     Type::Counter,
     "Requests run once more: that a replica had refused (replica), reads that lost their server "
     "(statement), transactions of one statement that were rolled back (transaction); and logins "
     "tried once more (connect)",
     "kind, outcome = attempt | success | failure",
     fill_retries},
    {"weir_statement_timeouts_total",
     Type::Counter,
     "Statements cancelled because they ran longer than policy.statement_timeout",
     "",
     [](const Source& source, MetricFamily& family) {
         add(family, {}, totals_of(source).statement_timeouts);
     }},
    {"weir_statement_seconds",
     Type::Histogram,
     "How long statements took, waiting included",
     "",
     [](const Source& source, MetricFamily& family) {
         add_histogram(
             family, {}, totals_of(source).statement_buckets, totals_of(source).statement_sum_us);
     }},
    {"weir_transaction_seconds",
     Type::Histogram,
     "How long transactions took, waiting included",
     "",
     [](const Source& source, MetricFamily& family) {
         add_histogram(family,
                       {},
                       totals_of(source).transaction_buckets,
                       totals_of(source).transaction_sum_us);
     }},
    {"weir_server_seconds",
     Type::Histogram,
     "The server's share of weir_statement_seconds",
     "",
     [](const Source& source, MetricFamily& family) {
         add_histogram(
             family, {}, totals_of(source).backend_buckets, totals_of(source).backend_sum_us);
     }},
    {"weir_bytes_total",
     Type::Counter,
     "Bytes of the wire protocol",
     "direction = from_clients | to_clients | from_servers | to_servers",
     fill_bytes},
    {"weir_bugs_total",
     Type::Counter,
     "Surprises in Weir itself that cost one session each; please report them",
     "what",
     fill_bugs},
    {"weir_log_dropped_lines_total",
     Type::Counter,
     "Log lines dropped because the disk was too slow",
     "",
     [](const Source& /*source*/, MetricFamily& family) { add(family, {}, log::dropped_lines()); }},
    {"weir_build_info",
     Type::Gauge,
     "Always 1",
     "version",
     [](const Source& source, MetricFamily& family) {
         add(family, {{"version", std::string{source.version}}}, 1.0);
     }},
};

/// All tables, as they are shown.
std::vector<const Metric*> all_metrics() {
    std::vector<const Metric*> all;
    for (const Metric& metric : kMetrics) {
        all.push_back(&metric);
    }
    for (const auto& part : {cache_metrics(), ledger_metrics(), alert_metrics(), job_metrics()}) {
        for (const Metric& metric : part) {
            all.push_back(&metric);
        }
    }
    return all;
}

std::string_view type_text(Type type) {
    switch (type) {
        case Type::Counter: return "counter";
        case Type::Gauge: return "gauge";
        case Type::Histogram: return "histogram";
        case Type::Summary:
        case Type::Untyped: break;
    }
    return "untyped";
}

/// A '|' in a cell would end it.
std::string markdown_cell(std::string_view text) {
    std::string result;
    for (const char c : text) {
        result += c == '|' ? "\\|" : std::string(1, c);
    }
    return result;
}

}  // namespace

void add_sample(MetricFamily& family, MetricLabels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (family.type == Type::Counter ? metric.counter.value : metric.gauge.value) = value;
    family.metric.push_back(std::move(metric));
}

void add_sample(MetricFamily& family, MetricLabels labels, std::uint64_t value) {
    add_sample(family, std::move(labels), static_cast<double>(value));
}

std::string render_metrics(const CommandInput& source) {
    std::vector<MetricFamily> families;
    for (const Metric* metric : all_metrics()) {
        MetricFamily& family = families.emplace_back();
        family.name = metric->name;
        family.help = metric->help;
        family.type = metric->type;
        metric->fill(source, family);
    }
    std::ostringstream out;
    prometheus::TextSerializer{}.Serialize(out, families);
    return out.str();
}

std::string metrics_markdown() {
    std::string page =
        "# Metrics\n\n"
        "`GET /metrics` on the address of `[http]` answers in Prometheus' text format. Counters "
        "count since the start,\n"
        "times are in seconds, histogram buckets double from 64 µs to 67 s. A label in brackets is "
        "not on every row: `member`\n"
        "names the replica that a pool for reads is of; pools of the primary, or of an only "
        "server, "
        "have none. This page is generated "
        "from the tables in\n"
        "`admin/metrics*.cpp`.\n\n"
        "| metric | type | labels | what it says |\n"
        "| --- | --- | --- | --- |\n";
    for (const Metric* metric : all_metrics()) {
        page += "| `" + std::string{metric->name} + "` | " + std::string{type_text(metric->type)} +
                " | " + markdown_cell(metric->labels) + " | " + markdown_cell(metric->help) +
                " |\n";
    }
    return page;
}

}  // namespace weir::admin
