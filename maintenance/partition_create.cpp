#include "maintenance/partition_create.hpp"

#include "maintenance/partition_attach.hpp"
#include "maintenance/partition_plan.hpp"
#include "maintenance/runner_lock.hpp"

#include <optional>
#include <thread>
#include <utility>

namespace weir::maintenance {

namespace {

using End = JobResult::End;

/// What was made, and what of it could not be.
struct Made {
    std::int64_t count = 0;
    std::optional<Problem> first;  ///< that went wrong
    bool is_cut_short = false;
};

/// What the configuration or the catalog says of it, and nobody does anything about.
void tell_findings(JobContext& job,
                   const PartitionSet& set,
                   const PartitionPlan& plan,
                   const conf::PartitionSettings& settings) {
    for (const std::string& finding : plan.findings) {
        job.reporter.warn(finding);
    }
    if (set.default_partition && settings.default_partition == conf::DefaultPartition::None) {
        job.reporter.warn(set.table.text() + ": " + set.default_partition->relation.text() +
                          " is its DEFAULT partition, and default = \"none\" says that there is to "
                          "be none; weir partition analyze says what it holds");
    }
    if (set.is_published && !plan.create.empty()) {
        job.reporter.note(set.table.text() +
                          " is published: subscribers see new partitions after ALTER "
                          "SUBSCRIPTION … REFRESH PUBLICATION");
    }
}

Made make_all(JobContext& job,
              const PartitionSet& set,
              const PartitionPlan& plan,
              const conf::PartitionSettings& settings) {
    Made made;
    const auto total = static_cast<std::int64_t>(plan.create.size());
    for (const PlannedPartition& planned : plan.create) {
        job.hold_back();
        if (job.should_end()) {
            made.is_cut_short = true;
            break;
        }
        job.reporter.progress({"create", made.count, total, "partitions"});
        const Answer<void> done = make_partition(job, set, planned, settings.default_partition);
        if (done) {
            ++made.count;
            if (!job.is_dry) {
                job.reporter.note(
                    set.table.schema + "." + planned.name + " attached, " + planned.range.line() +
                    (planned.why == PlannedPartition::Why::Gap ? ", fills a gap" : ""));
            }
            continue;
        }
        if (!made.first) {
            made.first = done.error();
        }
        // What keeps one from being locked or made keeps the others, too.
        if (!job.db.is_alive() || done.error().is(state::kLockNotAvailable) ||
            done.error().is(state::kInsufficientPrivilege)) {
            break;
        }
        job.reporter.warn(done.error().line());
    }
    return made;
}

JobResult result_of(const JobContext& job,
                    const PartitionSet& set,
                    const PartitionPlan& plan,
                    const Made& made) {
    const std::string verb = job.is_dry ? " partitions would be made" : " partitions made";
    JobResult result{End::Done, made.count, set.table.text() + ": "};
    if (made.first) {
        result.end = made.first->is(state::kLockNotAvailable) ? End::Later : End::Failed;
        result.text += std::to_string(made.count) + " of " + std::to_string(plan.create.size()) +
                       verb + "; " + made.first->line();
    } else if (made.is_cut_short) {
        result.end = End::Later;
        result.text += std::to_string(made.count) + " of " + std::to_string(plan.create.size()) +
                       verb + "; the next run goes on";
    } else if (plan.create.empty()) {
        result.end = End::Skipped;
        result.text +=
            "no partition is missing" +
            (set.partitions.empty() ? std::string{}
                                    : "; the last ends at " + set.partitions.back().range.hi.text);
    } else {
        result.text +=
            std::to_string(made.count) + verb + ", up to " + plan.create.back().range.hi.text;
    }
    return result;
}

/// @return the set, after what crashes have left was put right
Answer<PartitionSet> prepare(JobContext& job,
                             const Relation& table,
                             const conf::PartitionSettings& settings) {
    Answer<PartitionSet> set = read_partition_set(job.db, table);
    if (!set) {
        return set;
    }
    if (const Answer<void> fine = check_workable(*set, settings); !fine) {
        return failed(fine.error());
    }
    if (const Answer<void> fine = set->check_privileges(); !fine) {
        return failed(fine.error());
    }
    const Answer<std::int64_t> finished = finalize_pending(job, *set);
    if (!finished) {
        job.reporter.warn(finished.error().line());  // new ones can be made all the same
    }
    if (const Answer<void> done = drop_guards(job, *set); !done) {
        return failed(done.error());
    }
    return set;
}

JobResult ensure_locked(JobContext& job,
                        const Relation& table,
                        const conf::PartitionSettings& settings) {
    const Answer<PartitionSet> set = prepare(job, table, settings);
    if (!set) {
        return JobResult::failed(set.error());
    }
    const Answer<PartitionPlan> plan = plan_partitions(job, *set, settings);
    if (!plan) {
        return JobResult::failed(plan.error());
    }
    tell_findings(job, *set, *plan, settings);
    return result_of(job, *set, *plan, make_all(job, *set, *plan, settings));
}

constexpr std::int64_t kIntervalsBeyond = 10;

/// Odd dates must not fill the catalog.
Answer<void> check_distance(const PartitionSet& set,
                            const conf::PartitionSettings& settings,
                            std::int64_t now,
                            std::int64_t at,
                            const std::string& key_value) {
    constexpr std::int64_t kMicros = 1'000'000;
    constexpr std::int64_t kTenYears = std::int64_t{3653} * 86'400 * kMicros;
    std::int64_t ahead = 0;
    if (set.kind == KeyKind::Integer) {
        ahead = settings.ahead_max.number + kIntervalsBeyond * settings.interval.number;
    } else {
        const auto far =
            settings.ahead_max.span.about() + kIntervalsBeyond * settings.interval.span.about();
        ahead = far.count() * kMicros;
    }
    std::int64_t distance = 0;
    if (__builtin_sub_overflow(at, now, &distance)) {
        distance = at > now ? PartitionBound::kMax : PartitionBound::kMin;
    }
    if (distance > ahead) {
        return problem(set.table.text() + ": " + key_value + " is too far ahead for a partition",
                       "further than ahead.max and ten intervals");
    }
    if (set.kind != KeyKind::Integer && distance < -kTenYears) {
        return problem(set.table.text() + ": " + key_value + " is too far back for a partition",
                       "more than ten years");
    }
    return {};
}

/// What the next run of retention takes away is not to hold rows of today.
Answer<void> check_retention(JobContext& job,
                             const PartitionSet& set,
                             const conf::PartitionSettings& settings,
                             std::int64_t now,
                             const PartitionRange& range) {
    const conf::KeyStep& keep = settings.retention.keep;
    if (!settings.retention.enforce || keep.is_zero() ||
        keep.is_number() != (set.kind == KeyKind::Integer)) {
        return {};
    }
    const Answer<std::int64_t> border =
        read_before(job.db, {set.kind, zone_of(job.settings), settings.interval}, now, keep);
    if (!border) {
        return failed(border.error());
    }
    return range.hi.at > *border
               ? Answer<void>{}
               : problem(set.table.text() + ": " + range.line() + " is older than " + keep.text,
                         "retention.keep: retention would take such a partition away at once");
}

Answer<std::string> make_for_locked(JobContext& job,
                                    const PartitionSet& set,
                                    const conf::PartitionSettings& settings,
                                    std::int64_t now,
                                    std::int64_t at) {
    const Answer<PlannedPartition> planned = plan_partition_for(job, set, settings, at);
    if (!planned) {
        return failed(planned.error());
    }
    if (const Answer<void> fine = check_retention(job, set, settings, now, planned->range); !fine) {
        return failed(fine.error());
    }
    const Answer<void> done = make_partition(job, set, *planned, settings.default_partition);
    return done ? Answer<std::string>{set.table.schema + "." + planned->name}
                : failed(done.error());
}

/// Somebody else is at work on the table: perhaps at this very partition.
Answer<std::string> wait_for_other(JobContext& job, const Relation& table, std::int64_t at) {
    constexpr int kLooks = 40;
    constexpr std::chrono::milliseconds kLook{50};
    for (int i = 0; i < kLooks && !job.should_end(); ++i) {
        std::this_thread::sleep_for(kLook);
        const Answer<PartitionSet> set = read_partition_set(job.db, table);
        if (!set) {
            return failed(set.error());
        }
        if (const Partition* there = set->find(at)) {
            return there->relation.text();
        }
    }
    return problem(table.text() + ": another Weir works on its partitions",
                   "and has not made this one",
                   state::kLockNotAvailable);
}

Answer<std::string> make_horizon(JobContext& job, const conf::PartitionSettings& settings) {
    const JobResult result = ensure_partitions(job, settings);
    if (result.end == End::Done || result.end == End::Skipped) {
        return result.text;
    }
    return problem(result.text.empty() ? std::string{name_of(result.end)} : result.text);
}

}  // namespace

JobResult ensure_partitions(JobContext& job, const conf::PartitionSettings& settings) {
    const Answer<Relation> table = find_relation(job.db, settings.table);
    if (!table) {
        return JobResult::failed(table.error());
    }
    if (job.is_dry) {
        return ensure_locked(job, *table, settings);
    }
    const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, "partition " + table->text());
    if (!lock) {
        return JobResult::failed(lock.error());
    }
    if (!lock->is_held()) {
        return {End::Standby, 0, table->text() + ": another Weir works on its partitions"};
    }
    return ensure_locked(job, *table, settings);
}

Answer<std::string> make_partition_for(JobContext& job,
                                       const conf::PartitionSettings& settings,
                                       const std::string& key_value) {
    if (key_value.empty()) {
        return make_horizon(job, settings);
    }
    const Answer<Relation> table = find_relation(job.db, settings.table);
    if (!table) {
        return failed(table.error());
    }
    const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, "partition " + table->text());
    if (!lock) {
        return failed(lock.error());
    }
    const Answer<PartitionSet> set = read_partition_set(job.db, *table);
    if (!set) {
        return failed(set.error());
    }
    if (const Answer<void> fine = check_workable(*set, settings); !fine) {
        return failed(fine.error());
    }
    const std::string zone = zone_of(job.settings);
    const Answer<std::int64_t> at = read_value(job.db, set->kind, zone, key_value);
    if (!at) {
        return failed(at.error());
    }
    if (const Partition* there = set->find(*at)) {
        return there->relation.text();
    }
    const Answer<std::int64_t> now = read_now(job.db, *set, zone);
    if (!now) {
        return failed(now.error());
    }
    if (const Answer<void> fine = check_distance(*set, settings, *now, *at, key_value); !fine) {
        return failed(fine.error());
    }
    if (const Answer<void> fine = set->check_privileges(); !fine) {
        return failed(fine.error());
    }
    return lock->is_held() ? make_for_locked(job, *set, settings, *now, *at)
                           : wait_for_other(job, *table, *at);
}

}  // namespace weir::maintenance
