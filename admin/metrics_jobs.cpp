#include "admin/metric_table.hpp"

namespace weir::admin {

namespace {

using prometheus::MetricFamily;
using Type = prometheus::MetricType;
using Source = CommandInput;

constexpr double kMilli = 1000;

void fill_runs(const Source& source, MetricFamily& family) {
    for (const status::Job& job : source.snapshot.jobs) {
        for (const auto& [outcome, count] : job.runs) {
            add_sample(family, {{"job", job.name}, {"outcome", outcome}}, count);
        }
    }
}

void fill_success(const Source& source, MetricFamily& family) {
    for (const status::Job& job : source.snapshot.jobs) {
        if (job.success_unix_ms != 0) {
            add_sample(
                family, {{"job", job.name}}, static_cast<double>(job.success_unix_ms) / kMilli);
        }
    }
}

void fill_rows(const Source& source, MetricFamily& family) {
    for (const status::Job& job : source.snapshot.jobs) {
        add_sample(family, {{"job", job.name}}, job.rows_total);
    }
}

void fill_failures(const Source& source, MetricFamily& family) {
    for (const status::Job& job : source.snapshot.jobs) {
        add_sample(family, {{"job", job.name}}, static_cast<double>(job.failures));
    }
}

void fill_horizon(const Source& source, MetricFamily& family) {
    for (const status::Partitioned& table : source.snapshot.partitioned) {
        if (table.horizon_s) {
            add_sample(family, {{"table", table.table}}, *table.horizon_s);
        }
    }
}

void fill_default_rows(const Source& source, MetricFamily& family) {
    for (const status::Partitioned& table : source.snapshot.partitioned) {
        if (table.default_rows) {
            add_sample(family, {{"table", table.table}}, static_cast<double>(*table.default_rows));
        }
    }
}

constexpr Metric kMetrics[] = {
    {"weir_job_runs_total",
     Type::Counter,
     "Runs of a job of maintenance by this Weir, by how they ended",
     "job, outcome = done | later | skipped | failed",
     fill_runs},
    {"weir_job_last_success_timestamp_seconds",
     Type::Gauge,
     "When a run of a job last ended well, as far as this Weir knows",
     "job",
     fill_success},
    {"weir_job_rows_total",
     Type::Counter,
     "Rows, partitions or tables that runs of a job have changed",
     "job",
     fill_rows},
    {"weir_job_failures",
     Type::Gauge,
     "Runs of a job that have failed since the last that did not; from 20 on it is parked",
     "job",
     fill_failures},
    {"weir_partition_horizon_seconds",
     Type::Gauge,
     "How far ahead of now a table has partitions without a gap; 0: rows of now have nowhere to go",
     "table",
     fill_horizon},
    {"weir_partition_default_rows",
     Type::Gauge,
     "Rows in the DEFAULT partition of a table, as PostgreSQL estimates them",
     "table",
     fill_default_rows},
};

}  // namespace

std::span<const Metric> job_metrics() {
    return kMetrics;
}

}  // namespace weir::admin
