#include "maintenance/ladder.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;

struct Rung {
    milliseconds patience;
    milliseconds pause;
};

/// Patience below deadlock_timeout (1 s) but for the last: past it the server cancels an autovacuum
/// that is in the way. The pauses let the queue run off that formed behind us.
constexpr std::array kRungs{
    Rung{milliseconds{100}, milliseconds{50}},
    Rung{milliseconds{100}, milliseconds{50}},
    Rung{milliseconds{200}, milliseconds{50}},
    Rung{milliseconds{300}, milliseconds{100}},
    Rung{milliseconds{400}, milliseconds{150}},
    Rung{milliseconds{500}, milliseconds{2'000}},
    Rung{milliseconds{500}, milliseconds{2'000}},
    Rung{milliseconds{500}, milliseconds{2'000}},
    Rung{milliseconds{500}, milliseconds{2'000}},
};
constexpr int kRounds = 2;

std::string array_of(const std::vector<std::uint32_t>& oids) {
    std::string all = "{";
    for (const std::uint32_t oid : oids) {
        all += (all.size() > 1 ? "," : "") + std::to_string(oid);
    }
    return all + "}";
}

Answer<void> in_transaction(JobContext& job, const LockedStep& step, milliseconds patience) {
    Answer<Transaction> transaction = Transaction::begin(job.db);
    if (!transaction) {
        return failed(transaction.error());
    }
    const std::string limit = "SET LOCAL lock_timeout = " + std::to_string(patience.count());
    if (const Answer<Rows> set = job.db.run(limit); !set) {
        return failed(set.error());
    }
    for (const std::string& sql : step.sql) {
        if (const Answer<Rows> done = job.db.run(sql); !done) {
            return failed(done.error());
        }
    }
    if (step.also) {
        if (Answer<void> done = step.also(job); !done) {
            return done;
        }
    }
    const Answer<Rows> committed = transaction->commit();
    return committed ? Answer<void>{} : Answer<void>{failed(committed.error())};
}

Answer<void> alone(JobContext& job, const LockedStep& step, milliseconds patience) {
    const LockTimeout limit{job.db, patience};
    const Answer<Rows> done = job.db.run(step.sql.front());
    return done ? Answer<void>{} : Answer<void>{failed(done.error())};
}

bool may_pass(const Problem& problem) {
    return problem.is(state::kLockNotAvailable) || problem.is(state::kDeadlock);
}

/// Sleeps, but not past the job's end.
void pause(const JobContext& job, milliseconds time) {
    constexpr milliseconds kLook{50};
    const TimePoint until = Clock::now() + time;
    while (Clock::now() < until && !job.should_end()) {
        std::this_thread::sleep_for(std::min(kLook, time));
    }
}

milliseconds patience_of(const Rung& rung, const JobContext& job, const LockedStep& step) {
    const milliseconds patience = step.most_patience > milliseconds{}
                                      ? std::min(rung.patience, step.most_patience)
                                      : rung.patience;
    return std::max(patience, job.settings.lock_timeout);
}

}  // namespace

std::string Blocker::line() const {
    return "process " + std::to_string(pid) + " (" + who + ") holds " + mode + " for " + since +
           ": " + query;
}

Answer<std::vector<Blocker>> find_blockers(JobContext& job,
                                           const std::vector<std::uint32_t>& oids) {
    const milliseconds age = job.settings.max_blocker_age;
    std::vector<Blocker> blockers;
    if (age <= milliseconds{} || oids.empty()) {
        return blockers;
    }
    const Answer<Rows> rows = job.db.run(
        // pg_partition_tree() would wait for the very locks that are asked about.
        "WITH RECURSIVE tree(oid) AS (SELECT unnest($1::oid[]) UNION SELECT i.inhrelid "
        "FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid) "
        "SELECT DISTINCT ON (a.xact_start, a.pid) a.pid, "
        "concat_ws(', ', a.usename, nullif(a.application_name, ''), a.backend_type), l.mode, "
        "date_trunc('second', clock_timestamp() - a.xact_start), "
        // Up to its first literal: that may be somebody's password.
        "left(split_part(split_part(a.query, '''', 1), '$', 1), 80) "
        "FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) "
        "WHERE l.granted AND l.locktype = 'relation' AND l.pid <> pg_backend_pid() "
        "AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = "
        "current_database()) "
        "AND l.relation IN (SELECT oid FROM tree) "
        "AND a.backend_type <> 'autovacuum worker' "
        "AND a.xact_start < clock_timestamp() - $2::interval "
        "ORDER BY a.xact_start, a.pid",
        {array_of(oids), std::to_string(age.count()) + " milliseconds"});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        blockers.push_back({static_cast<int>(rows->number(i, 0)),
                            rows->text(i, 1),
                            rows->text(i, 2),
                            rows->text(i, 3),
                            rows->text(i, 4)});
    }
    return blockers;
}

Answer<void> refuse_blocked(JobContext& job,
                            const std::vector<std::uint32_t>& oids,
                            const std::string& what) {
    const Answer<std::vector<Blocker>> blockers = find_blockers(job, oids);
    if (!blockers) {
        return failed(blockers.error());
    }
    return blockers->empty()
               ? Answer<void>{}
               : problem(what + ": put off", blockers->front().line(), state::kLockNotAvailable);
}

Answer<void> run_locked(JobContext& job, const LockedStep& step) {
    for (const std::string& sql : step.sql) {
        job.reporter.statement(sql, step.locks);
    }
    if (job.is_dry) {
        return {};
    }
    Answer<void> done;
    for (int round = 0; round < kRounds; ++round) {
        for (const Rung& rung : kRungs) {
            if (done = refuse_blocked(job, step.oids, step.what); !done) {
                return done;
            }
            const milliseconds patience = patience_of(rung, job, step);
            done = step.is_alone ? alone(job, step, patience) : in_transaction(job, step, patience);
            if (done || !may_pass(done.error()) || job.should_end()) {
                return done;
            }
            pause(job, rung.pause);
        }
    }
    Problem why = done.error();
    why.text = step.what + ": " + why.text;
    return failed(std::move(why));
}

}  // namespace weir::maintenance
