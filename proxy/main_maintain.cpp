#include "proxy/main_maintain.hpp"

#include "maintenance/aggregate_guard.hpp"
#include "maintenance/aggregate_run.hpp"
#include "maintenance/care_indexes.hpp"
#include "maintenance/care_report.hpp"
#include "maintenance/care_tables.hpp"
#include "maintenance/governor.hpp"
#include "maintenance/maintain.hpp"
#include "maintenance/partition_create.hpp"
#include "maintenance/partition_retire.hpp"
#include "maintenance/view_refresh.hpp"

#include <vector>

namespace weir::proxy {

namespace {

using maintenance::JobContext;
using maintenance::JobResult;
using maintenance::MaintainStep;
using Steps = std::vector<MaintainStep>;

void add_partitions(Steps& steps, const conf::Config& config) {
    for (const conf::PartitionSettings& partition : config.partitions) {
        steps.push_back({"partition " + partition.table, [&partition](JobContext& job) {
                             return maintenance::ensure_partitions(job, partition);
                         }});
    }
}

void add_aggregates(Steps& steps, const conf::Config& config) {
    for (const conf::AggregateSettings& aggregate : config.aggregates) {
        steps.push_back({"aggregate " + aggregate.target, [&aggregate](JobContext& job) {
                             return maintenance::run_aggregate(job, aggregate);
                         }});
    }
}

void add_retention(Steps& steps, const conf::Config& config) {
    for (const conf::PartitionSettings& partition : config.partitions) {
        if (!partition.retention.keep.is_zero()) {
            steps.push_back(
                {"retention " + partition.table, [&partition, &config](JobContext& job) {
                     return maintenance::retire_partitions(
                         job, partition, maintenance::guard_of(config.aggregates));
                 }});
        }
    }
}

void add_views(Steps& steps, const conf::Config& config) {
    if (!config.materialized_views.empty()) {
        steps.push_back({"views", [&config](JobContext& job) {
                             return maintenance::refresh_views(job, config.materialized_views);
                         }});
    }
}

void add_vacuum(Steps& steps) {
    steps.push_back({"vacuum", &maintenance::vacuum_tables});
    steps.push_back({"reindex", &maintenance::reindex_indexes});
}

/// Holds back for the replicas: of clients a command line knows nothing.
int run_held_back(MaintenanceSession& session, const Steps& steps) {
    maintenance::LoadGovernor governor{session.config.maintenance.governor,
                                       maintenance::load_of_replicas(session.db)};
    session.job.governor = &governor;
    const JobResult result = maintenance::maintain(session.job, steps);
    session.job.governor = nullptr;
    return conclude(result);
}

}  // namespace

MaintainCommands::MaintainCommands(CLI::App& app)
    : maintain_{app.add_subcommand(
          "maintain", "all maintenance of a database: partitions, aggregates, views, ANALYZE")},
      optimize_{app.add_subcommand("optimize", "what could be better, and why")},
      optimize_maintenance_{optimize_->add_subcommand(
          "maintenance", "tables, indexes and views that need care; exit 1 if any")} {
    add_place(*maintain_, arguments_);
    add_dry_run(*maintain_, arguments_);
    maintain_->add_flag("--no-partitions", no_partitions_, "make no partitions ahead");
    maintain_->add_flag("--no-aggregates", no_aggregates_, "leave aggregates as they are");
    maintain_->add_flag("--no-refresh", no_refresh_, "refresh no materialized views");
    maintain_->add_flag("--no-analyze", no_analyze_, "do not ANALYZE");
    maintain_->add_flag("--vacuum", vacuums_, "also VACUUM, and REINDEX indexes that need it");
    maintain_->add_flag("--drop-old-partitions",
                        drops_old_partitions_,
                        "also take away partitions whose retention is over");
    optimize_->require_subcommand(1);
    add_place(*optimize_maintenance_, arguments_);
    add_forms(*optimize_maintenance_, arguments_);
    add_dry_run(*optimize_maintenance_, arguments_);
    optimize_maintenance_->add_flag("--apply", applies_, "do it");
}

int MaintainCommands::run() const {
    return maintain_->parsed() ? maintain() : optimize_maintenance();
}

int MaintainCommands::maintain() const {
    return run_maintenance(arguments_, [this](MaintenanceSession& session) {
        Steps steps;
        if (!no_partitions_) {
            add_partitions(steps, session.config);
        }
        if (!no_aggregates_) {
            add_aggregates(steps, session.config);
        }
        if (!no_refresh_) {
            add_views(steps, session.config);
        }
        if (!no_analyze_) {
            steps.push_back({"analyze", &maintenance::analyze_tables});
        }
        if (vacuums_) {
            add_vacuum(steps);
        }
        if (drops_old_partitions_) {
            add_retention(steps, session.config);
        }
        return run_held_back(session, steps);
    });
}

int MaintainCommands::optimize_maintenance() const {
    return run_maintenance(arguments_, [this](MaintenanceSession& session) {
        if (applies_) {
            Steps steps;
            add_views(steps, session.config);
            steps.push_back({"analyze", &maintenance::analyze_tables});
            add_vacuum(steps);
            return run_held_back(session, steps);
        }
        const auto report =
            maintenance::report_care(session.job, session.config.materialized_views);
        if (!report) {
            return complain(report.error());
        }
        print(*report, arguments_);
        return report->rows.empty() ? 0 : 1;
    });
}

}  // namespace weir::proxy
