#include "maintenance/convert_table.hpp"

#include "maintenance/convert_swap.hpp"
#include "maintenance/ladder.hpp"
#include "maintenance/partition_attach.hpp"
#include "maintenance/partition_comment.hpp"
#include "maintenance/partition_create.hpp"
#include "maintenance/partition_plan.hpp"
#include "maintenance/runner_lock.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace weir::maintenance {

namespace {

using End = JobResult::End;

constexpr std::int64_t kSteps = 5;

std::string alter(const ConvertFacts& facts) {
    return "ALTER TABLE " + facts.table.sql() + " ";
}

/// A change of the catalog alone, under a lock that keeps everybody out for a moment.
Answer<void> brief(JobContext& job,
                   const ConvertFacts& facts,
                   std::string what,
                   std::vector<std::string> sql) {
    LockedStep step;
    step.what = std::move(what);
    step.oids = {facts.table.oid};
    step.sql = std::move(sql);
    step.locks = "ACCESS EXCLUSIVE on " + facts.table.text() + " for a moment";
    step.most_patience = kPartitionPatience;
    return run_locked(job, step);
}

/// Reads the table and keeps nobody waiting.
Answer<void> validate(JobContext& job, const ConvertFacts& facts, const char* check) {
    LockedStep step;
    step.what = "validate " + std::string{check};
    step.sql = {alter(facts) + "VALIDATE CONSTRAINT " + check};
    step.locks = "SHARE UPDATE EXCLUSIVE on " + facts.table.text() + " while it is read";
    return run_locked(job, step);
}

// ---- the bound ---------------------------------------------------------------------------------

/// @return the greatest key that is there; a problem where no bound can lie above it
Answer<std::optional<std::int64_t>> greatest_key(JobContext& job, const ConvertFacts& facts) {
    const std::string key = quote_identifier(facts.key);
    const Answer<Rows> rows =
        job.db.run("SELECT m IS NULL, CASE WHEN m::text NOT IN ('infinity', '-infinity') THEN " +
                   position_sql(facts.kind, "m") + " END, m::text FROM (SELECT max(" + key +
                   ") AS m FROM ONLY " + facts.table.sql() + ") g");
    if (!rows) {
        return failed(rows.error());
    }
    if (rows->flag(0, 0) || rows->view(0, 2) == "-infinity") {
        return std::optional<std::int64_t>{};
    }
    if (rows->is_null(0, 1)) {
        return problem(facts.table.text() + ": has a row whose " + facts.key + " is infinity",
                       "no bound lies above it: give it a time, or delete it");
    }
    return std::optional{rows->number(0, 1)};
}

Answer<std::int64_t> next_mark(JobContext& job,
                               const PartitionCalendar& calendar,
                               std::int64_t from) {
    GridWish wish;
    wish.from = from;
    wish.to = from;
    wish.now = from;
    const Answer<PartitionGrid> grid = read_grid(job.db, calendar, wish);
    if (!grid) {
        return failed(grid.error());
    }
    return grid->ceil(from + 1);
}

/// No row may lie so far ahead that all partitions up to it would be one.
Answer<void> check_ahead(JobContext& job,
                         const PartitionCalendar& calendar,
                         const ConvertWish& wish,
                         std::int64_t now,
                         std::int64_t greatest) {
    GridWish ahead;
    ahead.now = now;
    ahead.ahead_max = wish.ahead;
    ahead.ahead_min = wish.ahead;
    const Answer<PartitionGrid> grid = read_grid(job.db, calendar, ahead);
    if (!grid) {
        return failed(grid.error());
    }
    if (greatest < grid->max_until) {
        return {};
    }
    const Answer<std::vector<KeyPoint>> points = write_points(job.db, calendar, {greatest});
    if (!points) {
        return failed(points.error());
    }
    return problem(wish.table + ": has a row whose " + wish.key + " is " + points->front().text +
                       ", further ahead than " + wish.ahead.text,
                   "the table would be one partition up to there: correct or delete the row, or "
                   "give a longer --ahead");
}

/// The end of the interval behind the one that holds now, or the last row: so that there is time
/// for what comes between the CHECK and the new partitions.
Answer<CutOver> choose_bound(JobContext& job, const ConvertFacts& facts, const ConvertWish& wish) {
    const PartitionCalendar calendar{facts.kind, zone_of(job.settings), wish.interval};
    PartitionSet set;
    set.table = facts.table;
    set.key = facts.key;
    set.kind = facts.kind;
    const Answer<std::int64_t> now = read_now(job.db, set, calendar.zone);
    if (!now) {
        return failed(now.error());
    }
    const Answer<std::optional<std::int64_t>> greatest = greatest_key(job, facts);
    if (!greatest) {
        return failed(greatest.error());
    }
    if (*greatest) {
        if (Answer<void> fine = check_ahead(job, calendar, wish, *now, **greatest); !fine) {
            return failed(fine.error());
        }
    }
    Answer<std::int64_t> mark = next_mark(job, calendar, std::max(*now, greatest->value_or(*now)));
    if (mark) {
        mark = next_mark(job, calendar, *mark);
    }
    if (!mark) {
        return failed(mark.error());
    }
    const Answer<std::vector<KeyPoint>> points = write_points(job.db, calendar, {*mark});
    return points ? Answer<CutOver>{CutOver{points->front().text}} : failed(points.error());
}

// ---- the steps ---------------------------------------------------------------------------------

/// Partitions hold no NULL key, and ATTACH reads the table unless that is known.
Answer<void> make_not_null(JobContext& job, const ConvertFacts& facts) {
    const std::string drop = alter(facts) + "DROP CONSTRAINT " + kNotNullCheck;
    if (facts.is_key_not_null) {
        return facts.has_not_null_check ? brief(job, facts, "drop a CHECK", {drop})
                                        : Answer<void>{};
    }
    const std::string key = quote_identifier(facts.key);
    const Answer<Rows> null =
        job.db.run("SELECT FROM ONLY " + facts.table.sql() + " WHERE " + key + " IS NULL LIMIT 1");
    if (!null || !null->empty()) {
        return null ? problem(facts.table.text() + ": has rows whose " + facts.key + " is NULL",
                              "no partition holds these: give them a value, or delete them")
                    : failed(null.error());
    }
    Answer<void> done;
    if (!facts.has_not_null_check) {
        done = brief(job,
                     facts,
                     "check that the key is not NULL",
                     {alter(facts) + "ADD CONSTRAINT " + kNotNullCheck + " CHECK (" + key +
                      " IS NOT NULL) NOT VALID"});
    }
    if (done) {
        done = validate(job, facts, kNotNullCheck);
    }
    return done ? brief(job,
                        facts,
                        "make the key NOT NULL",
                        {alter(facts) + "ALTER COLUMN " + key + " SET NOT NULL", drop})
                : done;
}

/// @return whether the index is there and as it is to be; what an interrupted build has left is not
Answer<bool> has_key_index(JobContext& job, const ConvertFacts& facts, bool& is_there) {
    const Answer<Rows> rows = job.db.run(
        "SELECT x.indisvalid AND x.indisunique AND $3 = (SELECT string_agg('\"' || "
        "replace(a.attname, '\"', '\"\"') || '\"', ', ' ORDER BY u.i) FROM unnest(x.indkey) WITH "
        "ORDINALITY u(n, i) JOIN "
        "pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.n) FROM "
        "pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid WHERE x.indrelid "
        "= $1::oid AND c.relname = $2",
        {std::to_string(facts.table.oid), facts.key_index(), facts.key_columns()});
    if (!rows) {
        return failed(rows.error());
    }
    is_there = !rows->empty();
    return is_there && rows->flag(0, 0);
}

/// CONCURRENTLY, without a limit: it waits for others, and nobody for it.
Answer<void> make_key_index(JobContext& job, const ConvertFacts& facts) {
    if (facts.primary_key.empty()) {
        return {};
    }
    bool is_there = false;
    const Answer<bool> is_fine = has_key_index(job, facts, is_there);
    if (!is_fine || *is_fine) {
        return is_fine ? Answer<void>{} : failed(is_fine.error());
    }
    const std::string index = quote_identifier(facts.key_index());
    const std::string locks =
        "SHARE UPDATE EXCLUSIVE on " + facts.table.text() + " while it is built";
    const LockTimeout none{job.db, {}};
    if (is_there) {
        const std::string drop =
            "DROP INDEX CONCURRENTLY " + quote_identifier(facts.table.schema) + "." + index;
        if (Answer<void> done = job.change(drop, locks); !done) {
            return done;
        }
    }
    return job.change("CREATE UNIQUE INDEX CONCURRENTLY " + index + " ON " + facts.table.sql() +
                          " (" + facts.key_columns() + ")",
                      locks);
}

/// From here on rows behind the bound are refused, until the table is partitioned.
Answer<void> check_bound(JobContext& job, const ConvertFacts& facts, const CutOver& bound) {
    const bool is_same = facts.has_bound_check && facts.bound_check == bound.text;
    if (!is_same) {
        std::vector<std::string> sql;
        if (facts.has_bound_check) {
            sql.push_back(alter(facts) + "DROP CONSTRAINT " + kBoundCheck);
        }
        sql.push_back(alter(facts) + "ADD CONSTRAINT " + kBoundCheck + " CHECK (" +
                      quote_identifier(facts.key) + " < " + quote_literal(bound.text) +
                      ") NOT VALID");
        sql.push_back("COMMENT ON CONSTRAINT " + std::string{kBoundCheck} + " ON " +
                      facts.table.sql() + " IS " + quote_literal(bound.text));
        if (Answer<void> done = brief(job, facts, "check the bound", std::move(sql)); !done) {
            return done;
        }
    }
    return is_same && facts.is_bound_valid ? Answer<void>{} : validate(job, facts, kBoundCheck);
}

/// In a dry run the CHECK is not there, but what would be run is known all the same.
Answer<void> show_swap(JobContext& job, const ConvertFacts& facts, const CutOver& bound) {
    Answer<Transaction> transaction = Transaction::begin(job.db);
    if (!transaction) {
        return failed(transaction.error());
    }
    const Answer<std::vector<std::string>> sql = swap_statements(job.db, facts, bound);
    if (!sql) {
        return failed(sql.error());
    }
    for (const std::string& one : *sql) {
        job.reporter.statement(one, "in the same transaction");
    }
    return {};
}

Answer<void> swap(JobContext& job, const ConvertFacts& facts, const CutOver& bound) {
    const Answer<std::vector<std::string>> locks = swap_locks(job.db, facts);
    if (!locks) {
        return failed(locks.error());
    }
    LockedStep step;
    step.what = "swap " + facts.table.text();
    step.oids = facts.locked;
    step.sql = *locks;
    step.locks = "ACCESS EXCLUSIVE on " + facts.table.text() + " and the views that read it";
    step.most_patience = kPartitionPatience;
    step.also = [&facts, &bound](JobContext& inner) -> Answer<void> {
        const Answer<std::vector<std::string>> sql = swap_statements(inner.db, facts, bound);
        if (!sql) {
            return failed(sql.error());
        }
        for (const std::string& one : *sql) {
            if (const Answer<Rows> done = inner.db.run(one); !done) {
                return failed(done.error());
            }
        }
        return {};
    };
    const Answer<void> done = run_locked(job, step);
    return done && job.is_dry ? show_swap(job, facts, bound) : done;
}

// ---- the whole ---------------------------------------------------------------------------------

void tell_undo(JobContext& job, const ConvertFacts& facts) {
    const std::string table = facts.table.sql();
    const std::string legacy = facts.legacy().sql();
    job.reporter.note("to undo it until the swap: ALTER TABLE " + table +
                      " DROP CONSTRAINT IF EXISTS " + kBoundCheck + ", DROP CONSTRAINT IF EXISTS " +
                      kNotNullCheck + "; DROP INDEX CONCURRENTLY IF EXISTS " +
                      quote_identifier(facts.table.schema) + "." +
                      quote_identifier(facts.key_index()));
    job.reporter.note("to undo it behind the swap: ALTER TABLE " + table + " DETACH PARTITION " +
                      legacy + ", copy the rows of the newer partitions into " + legacy +
                      ", and rename it back; views, triggers, sequences and grants are then to be "
                      "moved by hand");
}

JobResult ended(const ConvertFacts& facts, const Problem& problem, const std::string& more = {}) {
    JobResult result = JobResult::failed(problem);
    if (problem.is(state::kLockNotAvailable)) {
        result.end = End::Later;
        result.text = facts.table.text() + ": " + result.text + "; the next run goes on" + more;
    }
    return result;
}

/// What cannot be partitioned is to take all rows again.
/// @return what to say where the CHECK stays all the same
std::string drop_bound(JobContext& job, const ConvertFacts& facts, const std::string& refused) {
    const Answer<void> done = brief(job,
                                    facts,
                                    "drop the CHECK of the bound",
                                    {alter(facts) + "DROP CONSTRAINT IF EXISTS " + kBoundCheck});
    if (done) {
        return {};
    }
    job.reporter.warn(done.error().line());
    return refused;
}

/// What has failed leaves no bound behind.
JobResult give_up(JobContext& job,
                  const ConvertFacts& facts,
                  const Problem& why,
                  const std::string& refused) {
    JobResult end = ended(facts, why, refused);
    if (end.end == End::Failed && !job.is_dry) {
        end.text += drop_bound(job, facts, refused);
    }
    return end;
}

void tell_partitioned(const JobContext& job, const ConvertFacts& facts, const CutOver& bound) {
    if (!job.is_dry) {
        job.reporter.note(facts.table.text() + ": is partitioned; its rows are in " +
                          facts.legacy().text() + ", up to " + bound.text);
    }
}

/// @return the end where it has come already
std::optional<JobResult> run_steps(JobContext& job,
                                   const ConvertFacts& facts,
                                   const ConvertWish& wish) {
    // The bound is asked for first: it says what cannot be done before anything is changed.
    Answer<CutOver> bound = choose_bound(job, facts, wish);
    if (!bound) {
        return JobResult::failed(bound.error());
    }
    tell_undo(job, facts);
    const JobResult later{End::Later, 0, facts.table.text() + ": stopped; the next run goes on"};
    std::int64_t step = 0;
    for (const auto& [name, run] :
         {std::pair{"key not null", &make_not_null}, std::pair{"unique index", &make_key_index}}) {
        job.reporter.progress({name, step++, kSteps, "steps"});
        job.hold_back();
        if (job.should_end()) {
            return later;
        }
        if (const Answer<void> done = run(job, facts); !done) {
            return ended(facts, done.error());
        }
    }
    if (!job.is_dry) {  // building an index may have taken days
        if (bound = choose_bound(job, facts, wish); !bound) {
            return JobResult::failed(bound.error());
        }
    }
    const std::string refused = "; until it is partitioned rows whose " + facts.key + " is " +
                                bound->text + " or more are refused by its CHECK " + kBoundCheck;
    for (const auto& [name, run] : {std::pair{"bound", &check_bound}, std::pair{"swap", &swap}}) {
        job.reporter.progress({name, step++, kSteps, "steps"});
        if (job.should_end()) {
            JobResult stopped = later;
            stopped.text += run == &swap ? refused : "";
            return stopped;
        }
        if (const Answer<void> done = run(job, facts, *bound); !done) {
            return give_up(job, facts, done.error(), refused);
        }
    }
    tell_partitioned(job, facts, *bound);
    return std::nullopt;
}

JobResult make_partitions(JobContext& job, const Relation& table, const ConvertWish& wish) {
    conf::PartitionSettings settings;
    settings.table = table.sql();
    settings.key = wish.key;
    settings.interval = wish.interval;
    settings.ahead_min = wish.ahead;
    settings.ahead_max = wish.ahead;
    settings.name = wish.name;
    job.reporter.progress({"partitions", kSteps - 1, kSteps, "steps"});
    return ensure_partitions(job, settings);
}

/// A run before has swapped it and come no further, or all the way.
Answer<bool> is_converted(JobContext& job, const Relation& table) {
    const Answer<PartitionSet> set = read_partition_set(job.db, table);
    if (!set) {
        return failed(set.error());
    }
    const std::string legacy = fit_name(table.name, "_legacy");
    return std::any_of(set->partitions.begin(), set->partitions.end(), [&](const Partition& p) {
        return p.relation.name == legacy &&
               PartitionComment::parse(p.description).table == table.text();
    });
}

JobResult convert_locked(JobContext& job, const Relation& table, const ConvertWish& wish) {
    if (table.kind == 'p') {
        const Answer<bool> is_ours = is_converted(job, table);
        if (!is_ours) {
            return JobResult::failed(is_ours.error());
        }
        return *is_ours ? make_partitions(job, table, wish)
                        : JobResult::failed({table.text() + ": is partitioned already",
                                             {},
                                             "weir partition create makes its partitions"});
    }
    if (table.kind != 'r') {
        return JobResult::failed({table.text() + ": is no table", {}, "a plain one is needed"});
    }
    const Answer<ConvertFacts> facts = read_convert_facts(job.db, table, wish);
    if (!facts) {
        return JobResult::failed(facts.error());
    }
    if (const Answer<void> fine = check_interval(facts->kind, wish.interval); !fine) {
        return JobResult::failed(fine.error());
    }
    const Answer<std::vector<Problem>> refusals = find_refusals(job.db, *facts, wish);
    if (!refusals) {
        return JobResult::failed(refusals.error());
    }
    if (!refusals->empty()) {
        for (const Problem& refusal : *refusals) {
            job.reporter.warn(refusal.line());
        }
        return {End::Failed, 0, table.text() + ": cannot be converted; nothing was changed"};
    }
    if (std::optional<JobResult> end = run_steps(job, *facts, wish)) {
        return std::move(*end);
    }
    return job.is_dry ? JobResult{End::Done, 0, table.text() + ": nothing was changed"}
                      : make_partitions(job, table, wish);
}

}  // namespace

JobResult convert_table(JobContext& job, const ConvertWish& wish) {
    const Answer<Relation> table = find_relation(job.db, wish.table);
    if (!table) {
        return JobResult::failed(table.error());
    }
    if (job.is_dry) {
        return convert_locked(job, *table, wish);
    }
    const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, "partition " + table->text());
    if (!lock) {
        return JobResult::failed(lock.error());
    }
    if (!lock->is_held()) {
        return {End::Standby, 0, table->text() + ": another Weir works on its partitions"};
    }
    // What it is was asked before the lock was there.
    const Answer<Relation> now = find_relation(job.db, table->sql());
    return now ? convert_locked(job, *now, wish) : JobResult::failed(now.error());
}

}  // namespace weir::maintenance
