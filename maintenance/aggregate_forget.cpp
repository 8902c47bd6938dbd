#include "maintenance/aggregate_forget.hpp"

#include "maintenance/aggregate_control.hpp"
#include "maintenance/identifier.hpp"
#include "maintenance/ladder.hpp"
#include "maintenance/runner_lock.hpp"

namespace weir::maintenance {

namespace {

using End = JobResult::End;

/// What is in schema weir besides the tables of all aggregates.
std::string own(const char* kind, const std::string& target) {
    return "weir." + quote_identifier(fit_name(kind + target, ""));
}

/// On whatever tables they are: partitions may have been detached since.
Answer<void> drop_triggers(JobContext& job, const std::string& marker) {
    const Answer<Rows> rows = job.db.run(
        "SELECT t.tgname, c.oid, n.nspname, c.relname FROM pg_catalog.pg_trigger t JOIN "
        "pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = "
        "c.relnamespace WHERE t.tgfoid = to_regproc($1) AND NOT t.tgisinternal",
        {marker});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        const Relation table{static_cast<std::uint32_t>(rows->number(i, 1)),
                             rows->text(i, 2),
                             rows->text(i, 3),
                             'r'};
        LockedStep step;
        step.what = "no longer watch " + table.text();
        step.oids = {table.oid};
        step.locks = "ACCESS EXCLUSIVE on " + table.text();
        step.sql = {"DROP TRIGGER IF EXISTS " + quote_identifier(rows->view(i, 0)) + " ON " +
                    table.sql()};
        if (Answer<void> done = run_locked(job, step); !done) {
            return done;
        }
    }
    return {};
}

Answer<void> forget(JobContext& job, const std::string& target) {
    const std::string marker = own("mark_", target);
    if (Answer<void> done = drop_triggers(job, marker); !done) {
        return done;
    }
    for (const std::string& sql : {"DROP FUNCTION IF EXISTS " + marker + "()",
                                   "DROP TABLE IF EXISTS " + own("next_", target)}) {
        if (Answer<void> done = job.change(sql); !done) {
            return done;
        }
    }
    return job.is_dry ? Answer<void>{} : drop_state(job.db, target);
}

}  // namespace

JobResult forget_aggregate(JobContext& job, const std::string& target) {
    const Answer<bool> has_any = has_control(job.db);
    if (!has_any) {
        return JobResult::failed(has_any.error());
    }
    if (*has_any) {
        const Answer<std::optional<AggregateState>> state = read_state(job.db, target);
        if (!state) {
            return JobResult::failed(state.error());
        }
        if (*state) {
            const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, "aggregate " + target);
            if (!lock) {
                return JobResult::failed(lock.error());
            }
            if (!lock->is_held()) {
                return {End::Standby, 0, target + ": another Weir works on it"};
            }
            const Answer<void> done = forget(job, target);
            return done ? JobResult{End::Done, 0, target + " is forgotten; the table stays"}
                        : JobResult::failed(done.error());
        }
    }
    return {End::Failed, 0, target + ": is no aggregate; weir aggregate list names them"};
}

}  // namespace weir::maintenance
