#include "maintenance/partition_retire.hpp"

#include "maintenance/partition_attach.hpp"
#include "maintenance/partition_comment.hpp"
#include "maintenance/partition_detach.hpp"
#include "maintenance/partition_plan.hpp"
#include "maintenance/runner_lock.hpp"

#include <optional>
#include <utility>

namespace weir::maintenance {

namespace {

using conf::RetentionAction;
using End = JobResult::End;

/// One run over one table.
class Retirement {
public:
    Retirement(JobContext& job,
               const conf::PartitionSettings& settings,
               const RetentionGuard& guard,
               PartitionSet set)
        : job_{job},
          settings_{settings},
          retention_{settings.retention},
          guard_{guard},
          set_{std::move(set)} {}

    [[nodiscard]] JobResult run();

private:
    [[nodiscard]] Answer<void> check_archive();
    [[nodiscard]] Answer<std::vector<const Partition*>> find_expired();
    void detach(const std::vector<const Partition*>& expired);
    [[nodiscard]] bool may_go(const Partition& partition);
    [[nodiscard]] Answer<void> put_away();
    void archive(const LooseTable& loose);
    [[nodiscard]] Answer<void> drop_what_is_over();
    void went_wrong(const Problem& problem);
    void say(const std::string& line);
    [[nodiscard]] JobResult result(std::size_t expired) const;

    JobContext& job_;
    const conf::PartitionSettings& settings_;
    const conf::RetentionSettings& retention_;
    const RetentionGuard& guard_;
    PartitionSet set_;
    std::int64_t detached_ = 0;
    std::int64_t archived_ = 0;
    std::int64_t dropped_ = 0;
    std::optional<Problem> first_;
    bool is_cut_short_ = false;
};

void Retirement::say(const std::string& line) {
    if (!job_.is_dry) {
        job_.reporter.note(line);
    }
}

void Retirement::went_wrong(const Problem& problem) {
    job_.reporter.warn(problem.line());
    if (!first_) {
        first_ = problem;
    }
}

Answer<void> Retirement::check_archive() {
    if (retention_.action != RetentionAction::Archive) {
        return {};
    }
    if (retention_.archive_schema.empty()) {
        return problem(set_.table.text() + ": retention has no archive_schema",
                       "action = \"archive\" moves partitions there");
    }
    const Answer<Rows> rows = job_.db.run(
        "SELECT pg_catalog.has_schema_privilege(oid, 'CREATE') FROM pg_catalog.pg_namespace WHERE "
        "nspname = $1",
        {retention_.archive_schema});
    if (!rows) {
        return failed(rows.error());
    }
    const std::string schema = quote_identifier(retention_.archive_schema);
    if (rows->empty()) {
        return problem(retention_.archive_schema + ": no such schema", "CREATE SCHEMA " + schema);
    }
    if (!rows->flag(0, 0)) {
        return problem(
            retention_.archive_schema + ": " + set_.user + " may not create tables in this schema",
            "GRANT CREATE ON SCHEMA " + schema + " TO " + quote_identifier(set_.user),
            state::kInsufficientPrivilege);
    }
    return {};
}

Answer<std::vector<const Partition*>> Retirement::find_expired() {
    std::vector<const Partition*> expired;
    if (retention_.keep.is_number() != (set_.kind == KeyKind::Integer)) {
        return problem(set_.table.text() + ": retention.keep " + retention_.keep.text +
                           " does not fit its key",
                       set_.kind == KeyKind::Integer ? "the key is an integer: a number is needed"
                                                     : "the key is a time: as in \"12 months\"");
    }
    const std::string zone = zone_of(job_.settings);
    const Answer<std::int64_t> now = read_now(job_.db, set_, zone);
    if (!now) {
        return failed(now.error());
    }
    const Answer<std::int64_t> border =
        read_before(job_.db, {set_.kind, zone, settings_.interval}, *now, retention_.keep);
    if (!border) {
        return failed(border.error());
    }
    for (std::size_t i = 0; i + 1 < set_.partitions.size(); ++i) {  // never the last
        const Partition& partition = set_.partitions[i];
        if (partition.has_range && partition.range.hi.at <= *border &&
            partition.range.hi.at <= *now) {
            expired.push_back(&partition);
        }
    }
    return expired;
}

bool Retirement::may_go(const Partition& partition) {
    if (!guard_) {
        return true;
    }
    const Answer<std::string> why = guard_(job_, set_, partition);
    if (!why) {
        went_wrong(why.error());
        return false;
    }
    if (!why->empty()) {
        job_.reporter.warn(partition.relation.text() + " stays: " + *why);
    }
    return why->empty();
}

void Retirement::detach(const std::vector<const Partition*>& expired) {
    for (const Partition* partition : expired) {
        if (detached_ >= static_cast<std::int64_t>(retention_.max_drops_per_run)) {
            say(set_.table.text() + ": " + std::to_string(expired.size()) +
                " partitions are older than " + retention_.keep.text + ", and a run takes " +
                std::to_string(retention_.max_drops_per_run) + " (max_drops_per_run)");
            return;
        }
        job_.hold_back();
        if (job_.should_end()) {
            is_cut_short_ = true;
            return;
        }
        if (!may_go(*partition)) {
            continue;
        }
        const Answer<void> done = detach_partition(job_, set_, *partition, retention_.action);
        if (!done) {
            went_wrong(done.error());
            if (!job_.db.is_alive() || done.error().is(state::kLockNotAvailable)) {
                return;
            }
            continue;
        }
        ++detached_;
        say(partition->relation.text() + " detached, " + partition->range.line());
        if (job_.is_dry && retention_.action == RetentionAction::Archive) {
            archive({partition->relation, {}, {}, {}, name_of(retention_.action)});
        }
        if (job_.is_dry && retention_.action == RetentionAction::Drop &&
            retention_.quarantine.is_zero()) {
            static_cast<void>(drop_table(job_, partition->relation));
        }
    }
}

void Retirement::archive(const LooseTable& loose) {
    if (loose.relation.schema == retention_.archive_schema && loose.relation.kind != 'p') {
        return;
    }
    const Answer<bool> moved = archive_table(job_, loose.relation, retention_.archive_schema);
    if (!moved) {
        went_wrong(moved.error());
        return;
    }
    if (!*moved) {
        return;
    }
    ++archived_;
    say(loose.relation.text() + " moved to " + retention_.archive_schema);
}

Answer<void> Retirement::put_away() {
    if (retention_.action != RetentionAction::Archive) {
        return {};
    }
    for (const LooseTable& loose : set_.loose) {
        if (!loose.detached.empty() && loose.action == name_of(RetentionAction::Archive)) {
            archive(loose);
        }
    }
    return {};
}

Answer<void> Retirement::drop_what_is_over() {
    if (retention_.action != RetentionAction::Drop) {
        return {};
    }
    for (const LooseTable& loose : set_.loose) {
        if (loose.detached.empty() || loose.action != name_of(RetentionAction::Drop)) {
            continue;
        }
        if (dropped_ >= static_cast<std::int64_t>(retention_.max_drops_per_run) ||
            job_.should_end()) {
            return {};
        }
        const Answer<Rows> over = job_.db.run(
            "SELECT $1::timestamptz + $2::interval <= now(), "
            "$1::timestamptz + $2::interval",
            {loose.detached, retention_.quarantine.sql()});
        if (!over) {
            return failed(over.error());
        }
        if (!over->flag(0, 0)) {
            say(loose.relation.text() + " is kept until " + over->text(0, 1) +
                " (retention.quarantine)");
            continue;
        }
        const Answer<void> done = drop_table(job_, loose.relation);
        if (!done) {
            went_wrong(done.error());
            continue;
        }
        ++dropped_;
        say(loose.relation.text() + " dropped");
    }
    return {};
}

JobResult Retirement::result(std::size_t expired) const {
    JobResult result{End::Done, detached_ + archived_ + dropped_, set_.table.text() + ": "};
    const std::string would = job_.is_dry ? " would be" : "";
    if (result.rows == 0) {
        result.end = End::Skipped;
        result.text += expired == 0 ? "no partition is older than " + retention_.keep.text
                                    : std::to_string(expired) + " are older than " +
                                          retention_.keep.text + ", none could go";
    } else {
        result.text += std::to_string(detached_) + would + " detached";
        result.text += archived_ > 0 ? ", " + std::to_string(archived_) + would + " archived" : "";
        result.text += dropped_ > 0 ? ", " + std::to_string(dropped_) + would + " dropped" : "";
    }
    if (is_cut_short_) {
        result.end = End::Later;
        result.text += "; the next run goes on";
    }
    if (first_) {
        result.end = first_->is(state::kLockNotAvailable) ? End::Later : End::Failed;
        result.text += "; " + first_->line();
    }
    return result;
}

JobResult Retirement::run() {
    if (const Answer<void> fine = check_archive(); !fine) {
        return JobResult::failed(fine.error());
    }
    const Answer<std::vector<const Partition*>> expired = find_expired();
    if (!expired) {
        return JobResult::failed(expired.error());
    }
    const std::size_t count = expired->size();
    if (!retention_.enforce && !job_.is_dry) {
        for (const Partition* partition : *expired) {
            job_.reporter.note(partition->relation.text() + " " + partition->range.line() +
                               " is older than " + retention_.keep.text + " and would go");
        }
        return count == 0 ? result(count)
                          : JobResult{End::Skipped,
                                      0,
                                      set_.table.text() + ": " + std::to_string(count) +
                                          " partitions are older than " + retention_.keep.text +
                                          "; retention.enforce = true lets them go"};
    }
    detach(*expired);
    if (!job_.is_dry) {  // what this run has detached, and those before
        Answer<PartitionSet> again = read_partition_set(job_.db, set_.table);
        if (!again) {
            return JobResult::failed(again.error());
        }
        set_ = std::move(*again);
    }
    for (const auto step : {&Retirement::put_away, &Retirement::drop_what_is_over}) {
        if (const Answer<void> done = (this->*step)(); !done) {
            went_wrong(done.error());
        }
    }
    return result(count);
}

JobResult retire_locked(JobContext& job,
                        const Relation& table,
                        const conf::PartitionSettings& settings,
                        const RetentionGuard& guard) {
    Answer<PartitionSet> set = read_partition_set(job.db, table);
    if (!set) {
        return JobResult::failed(set.error());
    }
    if (const Answer<void> fine = check_workable(*set, settings); !fine) {
        return JobResult::failed(fine.error());
    }
    if (const Answer<void> fine = set->check_privileges(); !fine) {
        return JobResult::failed(fine.error());
    }
    const Answer<std::int64_t> finished = finalize_pending(job, *set);
    if (!finished) {
        // Only one partition may be half detached at a time.
        return {End::Later, 0, table.text() + ": " + finished.error().line()};
    }
    if (*finished > 0 && !job.is_dry) {
        set = read_partition_set(job.db, table);
        if (!set) {
            return JobResult::failed(set.error());
        }
    }
    if (const Answer<void> cleared = clear_marks(job, *set); !cleared) {
        return JobResult::failed(cleared.error());
    }
    return Retirement{job, settings, guard, std::move(*set)}.run();
}

}  // namespace

JobResult retire_partitions(JobContext& job,
                            const conf::PartitionSettings& settings,
                            const RetentionGuard& guard) {
    const Answer<Relation> table = find_relation(job.db, settings.table);
    if (!table) {
        return JobResult::failed(table.error());
    }
    if (settings.retention.keep.is_zero()) {
        return {End::Skipped, 0, table->text() + ": has no retention.keep; all is kept"};
    }
    if (job.is_dry) {
        return retire_locked(job, *table, settings, guard);
    }
    const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, "partition " + table->text());
    if (!lock) {
        return JobResult::failed(lock.error());
    }
    if (!lock->is_held()) {
        return {End::Standby, 0, table->text() + ": another Weir works on its partitions"};
    }
    return retire_locked(job, *table, settings, guard);
}

}  // namespace weir::maintenance
