#include "maintenance/task.hpp"

#include "maintenance/runner_lock.hpp"

#include <chrono>
#include <string>

namespace weir::maintenance {

namespace {

using End = JobResult::End;

JobResult run_locked_task(JobContext& job, const conf::TaskSettings& task) {
    const auto limit = task.timeout.count() > 0 ? task.timeout : job.settings.max_run;
    const TimePoint began = Clock::now();
    static_cast<void>(job.db.run("SET lock_timeout = 0"));  // it has a limit of its own
    const Answer<Rows> done = job.db.run(task.sql, {}, limit);
    const bool is_open = job.db.is_in_transaction();
    job.db.reset_session();
    if (!done) {
        Problem why = done.error();
        const bool is_late =
            why.is(state::kQueryCanceled) && limit.count() > 0 && Clock::now() - began >= limit;
        why.text =
            task.name + ": " +
            (is_late ? "cancelled after " + std::to_string(limit.count()) + " ms" : why.text);
        return JobResult::failed(why);
    }
    if (is_open) {
        return JobResult::failed({task.name + ": left a transaction open; it was rolled back",
                                  {},
                                  "several statements are one transaction without BEGIN, too"});
    }
    const std::int64_t rows = done->affected();
    return {End::Done, rows, task.name + ": " + std::to_string(rows) + " rows"};
}

}  // namespace

JobResult run_task(JobContext& job, const conf::TaskSettings& task) {
    if (job.is_dry) {
        job.reporter.statement(task.sql, {});
        return {End::Done, 0, task.name + ": would be run"};
    }
    const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, "task " + task.name);
    if (!lock) {
        return JobResult::failed(lock.error());
    }
    if (!lock->is_held()) {
        return {End::Standby, 0, task.name + ": another Weir runs it"};
    }
    job.hold_back();
    return job.should_end() ? JobResult{End::Later, 0, task.name + ": put off"}
                            : run_locked_task(job, task);
}

}  // namespace weir::maintenance
