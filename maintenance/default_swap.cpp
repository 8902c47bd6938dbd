#include "maintenance/default_swap.hpp"

#include "maintenance/default_copy.hpp"
#include "maintenance/partition_attach.hpp"
#include "maintenance/runner_lock.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace weir::maintenance {

namespace {

using End = JobResult::End;

/// Each is attached under the lock, in a millisecond or two.
constexpr std::size_t kMostSwapped = 40;
/// The new DEFAULT is read under it.
constexpr std::int64_t kMostKept = 10'000;
/// So many rows are moved under a lock in a moment.
constexpr unsigned kMostMoved = 5'000;
constexpr std::size_t kMostSlices = 1'000;

JobResult ended(const PartitionSet& set, const Problem& problem) {
    JobResult result = JobResult::failed(problem);
    result.text = set.table.text() + ": " + result.text;
    if (problem.is(state::kLockNotAvailable)) {
        result.end = End::Later;
        result.text += "; the next run begins again";
    }
    return result;
}

Answer<void> check_size(const PartitionSet& set, const DefaultPlan& plan) {
    if (plan.slices.size() > kMostSwapped) {
        return problem(std::to_string(plan.slices.size()) + " partitions would be needed",
                       "no more than " + std::to_string(kMostSwapped) +
                           " are attached in one short transaction: give a longer --interval");
    }
    if (plan.kept > kMostKept) {
        return problem(std::to_string(plan.kept) + " rows of " +
                           set.default_partition->relation.text() +
                           " belong to no partition: they lie too far ahead, or are NULL or "
                           "infinite",
                       "no more than " + std::to_string(kMostKept) +
                           " may stay in it: correct them, or give a longer --ahead");
    }
    return {};
}

Answer<void> check_names(JobContext& job, const Relation& old, const DefaultPlan& plan) {
    std::vector<std::string> names{old.name};
    for (const DefaultSlice& slice : plan.slices) {
        names.push_back(slice.planned.name);
    }
    for (const std::string& name : names) {
        const Relation wanted{0, old.schema, name, 'r'};
        const Answer<Rows> rows =
            job.db.run("SELECT pg_catalog.to_regclass($1) IS NOT NULL", {wanted.sql()});
        if (!rows) {
            return failed(rows.error());
        }
        if (rows->flag(0, 0)) {
            return problem(wanted.text() + " is there already",
                           "its name is needed: rename or drop it");
        }
    }
    return {};
}

JobResult copied(const PartitionSet& set,
                 const DefaultPlan& plan,
                 const DefaultCopy& copy,
                 bool is_dry) {
    JobResult result{End::Done, plan.rows, set.table.text() + ": "};
    result.text += std::to_string(plan.rows) + " rows of " +
                   set.default_partition->relation.text() +
                   (is_dry ? " would go to " : " went to ") + std::to_string(plan.slices.size()) +
                   " partitions, " + std::to_string(plan.kept) + " stay";
    if (!is_dry) {
        result.text += "; what it was is " + copy.old().text() + ", to be dropped by hand";
    }
    return result;
}

JobResult swap_default(JobContext& job,
                       const PartitionSet& set,
                       const DefaultPlan& plan,
                       DefaultCopy& copy) {
    if (const Answer<void> fine = check_size(set, plan); !fine) {
        return ended(set, fine.error());
    }
    if (const Answer<void> fine = check_names(job, copy.old(), plan); !fine) {
        return ended(set, fine.error());
    }
    job.reporter.note("to undo it behind the swap: " + copy.old().text() +
                      " holds the rows as they were then; what was written since is in the new "
                      "partitions alone");
    Answer<void> done = copy.prepare();
    if (done && !job.is_dry) {
        const Answer<bool> is_whole = copy.copy();
        if (is_whole && !*is_whole) {
            static_cast<void>(copy.clear());
            return {End::Later, 0, set.table.text() + ": stopped; the next run begins again"};
        }
        done = is_whole ? copy.catch_up() : Answer<void>{failed(is_whole.error())};
    }
    if (done) {
        done = copy.swap();
    }
    if (!done) {
        if (const Answer<void> cleared = copy.clear(); !cleared) {
            job.reporter.warn(cleared.error().line());
        }
        return ended(set, done.error());
    }
    return copied(set, plan, copy, job.is_dry);
}

// ---- rows that cannot be told apart
// ----------------------------------------------------------------

std::vector<conf::KeyStep> finer_steps(const conf::KeyStep& interval) {
    std::vector<conf::KeyStep> steps{interval};
    if (interval.is_number()) {
        constexpr std::int64_t kTen = 10;
        for (std::int64_t n = interval.number / kTen; n > 0; n /= kTen) {
            steps.push_back({{}, n, std::to_string(n)});
        }
        return steps;
    }
    for (const char* text : {"1 day", "1 hour", "10 minutes", "1 minute"}) {
        conf::KeyStep step = *conf::parse_key_step(text).value;
        if (step.span.about() < interval.span.about()) {
            steps.push_back(std::move(step));
        }
    }
    return steps;
}

/// @return the widest slices that hold few enough rows; none where there are no such
Answer<std::optional<DefaultPlan>> find_slices(JobContext& job,
                                               const PartitionSet& set,
                                               const conf::PartitionSettings& settings) {
    for (const conf::KeyStep& step : finer_steps(settings.interval)) {
        if (const Answer<void> fine = check_interval(set.kind, step); !fine) {
            break;  // a date has no hours
        }
        conf::PartitionSettings finer = settings;
        finer.interval = step;
        finer.name = step == settings.interval ? settings.name : "";
        Answer<DefaultPlan> plan = plan_default(job, set, finer);
        if (!plan && !(step == settings.interval)) {
            break;  // more partitions than anybody wants
        }
        if (!plan) {
            return failed(plan.error());
        }
        const bool is_fine =
            std::all_of(plan->slices.begin(), plan->slices.end(), [](const DefaultSlice& s) {
                return s.rows <= kMostMoved;
            });
        if (is_fine && plan->slices.size() <= kMostSlices) {
            return std::optional{std::move(*plan)};
        }
    }
    return std::optional<DefaultPlan>{};
}

JobResult move_slices(JobContext& job,
                      const PartitionSet& set,
                      const conf::PartitionSettings& settings) {
    const Answer<std::optional<DefaultPlan>> found = find_slices(job, set, settings);
    if (!found) {
        return ended(set, found.error());
    }
    const std::string from = set.default_partition->relation.text();
    if (!*found) {
        return JobResult::failed({from + ": holds too many rows at one time to be moved",
                                  {},
                                  "a primary key, or a unique index without NULLs, lets them be "
                                  "copied"});
    }
    const DefaultPlan& plan = **found;
    conf::MaintenanceSettings limits = job.settings;
    limits.batch = std::max(limits.batch, 2 * kMostMoved);
    JobContext inner{.db = job.db,
                     .settings = limits,
                     .stop = job.stop,
                     .reporter = job.reporter,
                     .deadline = job.deadline,
                     .governor = job.governor,
                     .is_dry = job.is_dry};
    JobResult result;
    for (const DefaultSlice& slice : plan.slices) {
        job.reporter.progress({"move", result.rows, plan.rows, "rows"});
        job.hold_back();
        if (job.should_end()) {
            result.end = End::Later;
            result.text = set.table.text() + ": stopped; the next run goes on";
            return result;
        }
        const Answer<void> done =
            make_partition(inner, set, slice.planned, conf::DefaultPartition::Keep);
        if (!done) {
            return ended(set, done.error());
        }
        result.rows += slice.rows;
    }
    result.text = set.table.text() + ": " + std::to_string(result.rows) + " rows of " + from +
                  (job.is_dry ? " would go to " : " went to ") +
                  std::to_string(plan.slices.size()) + " partitions, " + std::to_string(plan.kept) +
                  " stay";
    return result;
}

// ---- the whole
// -------------------------------------------------------------------------------------

JobResult empty_workable(JobContext& job,
                         const PartitionSet& set,
                         const conf::PartitionSettings& settings) {
    if (const Answer<void> fine = check_replaceable(job.db, set); !fine) {
        return JobResult::failed(fine.error());
    }
    Answer<std::vector<std::string>> key = default_key(job.db, set);
    if (!key) {
        return JobResult::failed(key.error());
    }
    const Answer<DefaultPlan> plan = plan_default(job, set, settings);
    if (!plan) {
        return ended(set, plan.error());
    }
    if (!key->empty()) {
        DefaultCopy copy{job, set, *plan, *key};
        if (const Answer<void> done = copy.clear(); !done) {
            return ended(set, done.error());
        }
        if (!plan->slices.empty()) {
            return swap_default(job, set, *plan, copy);
        }
    }
    if (plan->slices.empty()) {
        return {End::Skipped,
                0,
                set.default_partition->relation.text() +
                    ": holds nothing that belongs into a partition" +
                    (plan->kept > 0 ? "; " + std::to_string(plan->kept) + " rows stay" : "")};
    }
    return move_slices(job, set, settings);
}

JobResult empty_locked(JobContext& job,
                       const Relation& table,
                       const conf::PartitionSettings& settings) {
    const Answer<PartitionSet> set = read_partition_set(job.db, table);
    if (!set) {
        return JobResult::failed(set.error());
    }
    if (const Answer<void> fine = check_workable(*set, settings); !fine) {
        return JobResult::failed(fine.error());
    }
    if (const Answer<void> fine = check_interval(set->kind, settings.interval); !fine) {
        return JobResult::failed(fine.error());
    }
    if (const Answer<void> fine = set->check_privileges(); !fine) {
        return JobResult::failed(fine.error());
    }
    if (!set->default_partition) {
        return {End::Skipped, 0, table.text() + ": has no DEFAULT partition"};
    }
    // Rows that a policy hides would be lost: an error is better.
    if (const Answer<Rows> off = job.db.run("SET row_security = off"); !off) {
        return JobResult::failed(off.error());
    }
    return empty_workable(job, *set, settings);
}

}  // namespace

JobResult empty_default(JobContext& job, const conf::PartitionSettings& settings) {
    const Answer<Relation> table = find_relation(job.db, settings.table);
    if (!table) {
        return JobResult::failed(table.error());
    }
    const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, "partition " + table->text());
    if (!lock) {
        return JobResult::failed(lock.error());
    }
    if (!lock->is_held()) {
        return {End::Standby, 0, table->text() + ": another Weir works on its partitions"};
    }
    return empty_locked(job, *table, settings);
}

}  // namespace weir::maintenance
