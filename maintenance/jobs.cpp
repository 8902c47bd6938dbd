#include "maintenance/jobs.hpp"

#include "conf/cron_line.hpp"
#include "conf/units.hpp"
#include "maintenance/aggregate_guard.hpp"
#include "maintenance/aggregate_run.hpp"
#include "maintenance/care_indexes.hpp"
#include "maintenance/care_tables.hpp"
#include "maintenance/partition_create.hpp"
#include "maintenance/partition_retire.hpp"
#include "maintenance/task.hpp"
#include "maintenance/view_refresh.hpp"

#include <utility>

namespace weir::maintenance {

namespace {

/// @param line a cron line that was checked; "" = `every`
When when_of(const std::string& line, std::chrono::milliseconds every = {}) {
    if (!line.empty()) {
        return {.line = conf::parse_cron_line(line).value, .text = line};
    }
    if (every > std::chrono::milliseconds{}) {
        return {.every = every, .text = "every " + conf::format_duration(every)};
    }
    return {.text = "by hand"};
}

class Jobs {
public:
    void add(const std::string& kind,
             const std::string& object,
             When when,
             std::function<JobResult(JobContext&)> run) {
        jobs_.push_back(
            {object.empty() ? kind : kind + " " + object, kind, std::move(when), std::move(run)});
    }

    [[nodiscard]] std::vector<JobSpec> take() { return std::move(jobs_); }

private:
    std::vector<JobSpec> jobs_;
};

void add_partitions(Jobs& jobs, const conf::Config& config) {
    const conf::MaintenanceSchedule& schedule = config.maintenance.schedule;
    for (const conf::PartitionSettings& partition : config.partitions) {
        jobs.add(
            "partition", partition.table, when_of(schedule.daily), [&partition](JobContext& job) {
                return ensure_partitions(job, partition);
            });
        if (!partition.retention.keep.is_zero()) {
            jobs.add("retention",
                     partition.table,
                     when_of(schedule.retention),
                     [&partition, &config](JobContext& job) {
                         return retire_partitions(job, partition, guard_of(config.aggregates));
                     });
        }
    }
}

void add_aggregates(Jobs& jobs, const conf::Config& config) {
    for (const conf::AggregateSettings& aggregate : config.aggregates) {
        jobs.add("aggregate",
                 aggregate.target,
                 when_of("", aggregate.every),
                 [&aggregate](JobContext& job) { return run_aggregate(job, aggregate); });
    }
}

void add_views(Jobs& jobs, const conf::Config& config) {
    for (const conf::MaterializedViewSettings& view : config.materialized_views) {
        const bool has_own = !view.schedule.empty() || view.every.count() != 0;
        jobs.add("view",
                 view.name,
                 has_own ? when_of(view.schedule, view.every)
                         : when_of(config.maintenance.schedule.daily),
                 [&view](JobContext& job) { return refresh_view(job, view); });
    }
}

void add_care(Jobs& jobs, const conf::Config& config) {
    const conf::MaintenanceSchedule& schedule = config.maintenance.schedule;
    jobs.add("analyze", "", when_of(schedule.daily), &analyze_tables);
    jobs.add("vacuum", "", when_of(schedule.vacuum), &vacuum_tables);
    // Also where care.index_bloat is 0: invalid indexes are looked after.
    jobs.add("reindex", "", when_of(schedule.vacuum), &reindex_indexes);
}

void add_tasks(Jobs& jobs, const conf::Config& config) {
    for (const conf::TaskSettings& task : config.tasks) {
        jobs.add("task", task.name, when_of(task.schedule, task.every), [&task](JobContext& job) {
            return run_task(job, task);
        });
    }
}

}  // namespace

std::vector<JobSpec> jobs_of(const conf::Config& config) {
    if (!config.maintenance.enabled) {
        return {};
    }
    Jobs jobs;
    add_partitions(jobs, config);
    add_aggregates(jobs, config);
    add_views(jobs, config);
    add_care(jobs, config);
    add_tasks(jobs, config);
    return jobs.take();
}

}  // namespace weir::maintenance
