#include "maintenance/partition_plan.hpp"

#include "maintenance/partition_name.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace weir::maintenance {

namespace {

struct Stretch {
    std::int64_t lo;
    std::int64_t hi;
};

/// @return what of [lo, hi) no partition holds
std::vector<Stretch> missing_in(const PartitionSet& set, std::int64_t lo, std::int64_t hi) {
    std::vector<Stretch> all;
    for (const Partition& partition : set.partitions) {
        if (partition.range.hi.at <= lo) {
            continue;
        }
        if (partition.range.lo.at >= hi) {
            break;
        }
        if (partition.range.lo.at > lo) {
            all.push_back({lo, partition.range.lo.at});
        }
        lo = partition.range.hi.at;
    }
    if (lo < hi) {
        all.push_back({lo, hi});
    }
    return all;
}

PlannedPartition planned(std::int64_t lo, std::int64_t hi, PlannedPartition::Why why) {
    PlannedPartition partition;
    partition.range.lo.at = lo;
    partition.range.hi.at = hi;
    partition.why = why;
    return partition;
}

void divide(const Stretch& stretch,
            const PartitionGrid& grid,
            PlannedPartition::Why why,
            std::vector<PlannedPartition>& into) {
    std::int64_t lo = stretch.lo;
    auto mark = std::upper_bound(grid.marks.begin(), grid.marks.end(), lo);
    for (; mark != grid.marks.end() && *mark < stretch.hi; ++mark) {
        into.push_back(planned(lo, *mark, why));
        lo = *mark;
    }
    into.push_back(planned(lo, stretch.hi, why));
}

PartitionCalendar calendar_of(const JobContext& job,
                              const PartitionSet& set,
                              const conf::PartitionSettings& settings) {
    return {set.kind, zone_of(job.settings), settings.interval};
}

/// Texts of the bounds, and names.
Answer<void> write_down(JobContext& job,
                        const PartitionSet& set,
                        const conf::PartitionSettings& settings,
                        std::vector<PlannedPartition>& all) {
    std::vector<std::int64_t> at;
    for (const PlannedPartition& one : all) {
        at.push_back(one.range.lo.at);
        at.push_back(one.range.hi.at);
    }
    const Answer<std::vector<KeyPoint>> points =
        write_points(job.db, calendar_of(job, set, settings), at);
    if (!points) {
        return failed(points.error());
    }
    std::set<std::string> taken;
    for (const Partition& partition : set.partitions) {
        taken.insert(partition.relation.name);
    }
    std::set<std::string> given;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const KeyPoint& lo = (*points)[2 * i];
        all[i].range.lo.text = lo.text;
        all[i].range.hi.text = (*points)[2 * i + 1].text;
        Answer<std::string> name =
            partition_name(settings.name, settings.interval, set.table.name, lo);
        if (!name) {
            return failed(name.error());
        }
        if (taken.contains(*name)) {
            *name = finer_name(*name, lo);
        }
        if (!given.insert(*name).second) {
            return problem(
                "name " + settings.name + ": gives " + *name + " to more than one partition",
                "it must tell intervals of " + settings.interval.text + " apart");
        }
        all[i].name = std::move(*name);
    }
    return {};
}

/// A bound that goes on for ever leaves nothing to be made.
std::optional<std::int64_t> last_bound(const PartitionSet& set) {
    return set.partitions.empty() ? std::nullopt : std::optional{set.partitions.back().range.hi.at};
}

void find_what_is_wrong(const PartitionSet& set, PartitionPlan& plan) {
    for (const Partition* misfit : find_misfits(set, plan.grid)) {
        plan.findings.push_back("CONFLICT: " + misfit->relation.text() + " " +
                                misfit->range.line() +
                                " spans more than one interval; it is left as it is");
    }
    const std::int64_t from = plan.grid.floor(plan.grid.now);
    for (const PartitionRange& gap : set.gaps()) {
        if (gap.hi.at <= from) {
            plan.findings.push_back("gap " + gap.line() + " of " + set.table.text() +
                                    " is in the past and is left");
        }
    }
    if (!set.partitions.empty() && set.partitions.back().relation.kind == 'p') {
        plan.findings.push_back(set.table.text() + ": " + set.partitions.back().relation.text() +
                                " is partitioned itself; new partitions are plain tables");
    }
}

}  // namespace

std::vector<PlannedPartition> plan_ranges(const PartitionSet& set, const PartitionGrid& grid) {
    using Why = PlannedPartition::Why;
    const std::int64_t present = grid.floor(grid.now);
    const std::optional<std::int64_t> last = last_bound(set);
    const std::int64_t from = last ? std::min(*last, present) : present;
    const std::int64_t until = grid.ceil(grid.max_until);
    const bool is_short = !last || *last < grid.min_until || *last <= grid.now;
    std::vector<PlannedPartition> all;
    for (const Stretch& stretch : missing_in(set, from, until)) {
        const bool is_ahead = !last || stretch.lo >= *last;
        if (!is_ahead || is_short) {
            divide(stretch, grid, is_ahead ? Why::Ahead : Why::Gap, all);
        }
    }
    return all;
}

std::vector<const Partition*> find_misfits(const PartitionSet& set, const PartitionGrid& grid) {
    std::vector<const Partition*> all;
    for (const Partition& partition : set.partitions) {
        const PartitionRange& range = partition.range;
        const auto mark = std::upper_bound(grid.marks.begin(), grid.marks.end(), range.lo.at);
        const bool is_ahead = range.lo.at > grid.now;
        if (is_ahead && mark != grid.marks.end() && *mark < range.hi.at) {
            all.push_back(&partition);
        }
    }
    return all;
}

std::string zone_of(const conf::MaintenanceSettings& settings) {
    return settings.timezone.empty() ? "UTC" : settings.timezone;
}

Answer<void> check_workable(const PartitionSet& set, const conf::PartitionSettings& settings) {
    if (!set.unsupported.empty()) {
        return problem(set.table.text() + ": " + set.unsupported,
                       "weir partition list and analyze look at it");
    }
    if (!settings.key.empty() && settings.key != set.key) {
        return problem(
            set.table.text() + ": is partitioned by " + set.key + ", not by " + settings.key,
            "key names the column that it is partitioned by");
    }
    return {};
}

Answer<PartitionPlan> plan_partitions(JobContext& job,
                                      const PartitionSet& set,
                                      const conf::PartitionSettings& settings) {
    GridWish wish;
    wish.ahead_min = settings.ahead_min;
    wish.ahead_max = settings.ahead_max;
    if (const std::optional<std::int64_t> last = last_bound(set);
        last && *last != PartitionBound::kMax) {
        wish.from = last;
        wish.anchor = last;
    }
    if (set.kind == KeyKind::Integer) {
        const Answer<std::int64_t> now = read_now(job.db, set, zone_of(job.settings));
        if (!now) {
            return failed(now.error());
        }
        wish.now = *now;
    }
    Answer<PartitionGrid> grid = read_grid(job.db, calendar_of(job, set, settings), wish);
    if (!grid) {
        return failed(grid.error());
    }
    PartitionPlan plan;
    plan.grid = std::move(*grid);
    plan.create = plan_ranges(set, plan.grid);
    find_what_is_wrong(set, plan);
    if (const Answer<void> done = write_down(job, set, settings, plan.create); !done) {
        return failed(done.error());
    }
    return plan;
}

Answer<PlannedPartition> plan_partition_for(JobContext& job,
                                            const PartitionSet& set,
                                            const conf::PartitionSettings& settings,
                                            std::int64_t at) {
    GridWish wish;
    wish.ahead_min = settings.ahead_min;
    wish.ahead_max = settings.ahead_max;
    wish.from = at;
    wish.to = at;
    if (const std::optional<std::int64_t> last = last_bound(set);
        last && *last != PartitionBound::kMax) {
        wish.anchor = last;
    }
    if (set.kind == KeyKind::Integer) {
        const Answer<std::int64_t> now = read_now(job.db, set, zone_of(job.settings));
        if (!now) {
            return failed(now.error());
        }
        wish.now = *now;
    }
    const Answer<PartitionGrid> grid = read_grid(job.db, calendar_of(job, set, settings), wish);
    if (!grid) {
        return failed(grid.error());
    }
    std::int64_t lo = grid->floor(at);
    std::int64_t hi = grid->ceil(at + 1);
    for (const Partition& partition : set.partitions) {
        if (partition.range.hi.at <= at) {
            lo = std::max(lo, partition.range.hi.at);
        }
        if (partition.range.lo.at > at) {
            hi = std::min(hi, partition.range.lo.at);
        }
    }
    std::vector<PlannedPartition> one{planned(lo, hi, PlannedPartition::Why::Gap)};
    if (const Answer<void> done = write_down(job, set, settings, one); !done) {
        return failed(done.error());
    }
    return std::move(one.front());
}

}  // namespace weir::maintenance
