#include "maintenance/partition_default.hpp"

#include "maintenance/partition_attach.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <utility>

namespace weir::maintenance {

namespace {

using conf::DefaultPartition;

constexpr const char* kGuardMark = "weir_guard_";
/// DEFAULT is read under its lock only as long as this.
constexpr const char* kScanLimit = "SET LOCAL statement_timeout = 250";
/// A DEFAULT up to this size is read in a moment.
constexpr std::int64_t kSmall = std::int64_t{8} << 20U;
constexpr std::int64_t kCounted = 10'000;
constexpr std::int64_t kUsualBatch = 1'000;

std::string range_sql(const PartitionSet& set, const PlannedPartition& planned) {
    const std::string key = quote_identifier(set.key);
    return key + " >= " + planned.range.lo.sql() + " AND " + key + " < " + planned.range.hi.sql();
}

/// What ATTACH needs to know of DEFAULT.
struct DefaultFacts {
    std::int64_t rows = 0;  ///< that belong into the new partition; one more than `batch` at most
    bool is_small = false;
    bool is_present = false;  ///< the new partition's range holds now: rows may come at any moment
    std::string columns;      ///< that can be written
    std::string no_moving;    ///< why rows cannot be moved; ""
};

std::int64_t batch_of(const JobContext& job) {
    return job.settings.batch > 0 ? job.settings.batch : kUsualBatch;
}

/// Moving is DELETE and INSERT to everybody who watches: ON DELETE CASCADE would follow it, and a
/// subscriber that does not know the new table yet would lose the rows.
Answer<std::string> why_not_move(JobContext& job, const PartitionSet& set) {
    if (!set.referencing.empty()) {
        return "rows of " + set.referencing.front().other.text() + " refer to it";
    }
    if (set.is_published) {
        return std::string{"it is published"};
    }
    const std::string schemas =
        job.db.server_version() >= kSchemaPublications
            ? "UNION ALL SELECT 'its schema is published' FROM d JOIN pg_catalog.pg_class c ON "
              "c.oid "
              "= d.relid JOIN pg_catalog.pg_publication_namespace s ON s.pnnspid = c.relnamespace "
            : "";
    const Answer<Rows> rows = job.db.run(
        "WITH d AS (SELECT relid FROM " + partition_tree_sql("$1::oid") +
            " t) "
            "SELECT pg_catalog.format('rows of %s refer to it', k.conrelid::regclass) FROM d JOIN "
            "pg_catalog.pg_constraint k ON k.confrelid = d.relid WHERE k.contype = 'f' "
            "UNION ALL SELECT 'it is published' FROM d JOIN pg_catalog.pg_publication_rel r ON "
            "r.prrelid = d.relid " +
            schemas +
            "UNION ALL SELECT pg_catalog.format('trigger %s fires on DELETE', g.tgname) FROM d "
            "JOIN "
            "pg_catalog.pg_trigger g ON g.tgrelid = d.relid WHERE NOT g.tgisinternal AND "
            "g.tgenabled <> 'D' AND g.tgtype & 8 <> 0 LIMIT 1",
        {std::to_string(set.default_partition->relation.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    return rows->empty() ? std::string{} : rows->text(0, 0);
}

Answer<DefaultFacts> read_facts(JobContext& job,
                                const PartitionSet& set,
                                const PlannedPartition& planned) {
    const Relation& relation = set.default_partition->relation;
    DefaultFacts facts;
    const Answer<Rows> rows =
        job.db.run("SELECT count(*) FROM (SELECT FROM " + relation.sql() + " WHERE " +
                   range_sql(set, planned) + " LIMIT " + std::to_string(batch_of(job) + 1) + ") r");
    if (!rows) {
        return failed(rows.error());
    }
    facts.rows = rows->number(0, 0);
    const Answer<Rows> more =
        job.db.run("SELECT coalesce((SELECT sum(pg_catalog.pg_relation_size(t.relid)) FROM " +
                       partition_tree_sql("$1::oid") +
                       " t), 0)::bigint, string_agg(quote_ident(attname), "
                       "', ' ORDER BY attnum) FROM pg_catalog.pg_attribute WHERE attrelid = "
                       "$1::oid AND attnum > "
                       "0 AND NOT attisdropped AND attgenerated = ''",
                   {std::to_string(relation.oid)});
    if (!more) {
        return failed(more.error());
    }
    facts.is_small = more->number(0, 0) <= kSmall;
    facts.columns = more->text(0, 1);
    if (set.kind != KeyKind::Integer) {
        const Answer<std::int64_t> now = read_now(job.db, set, zone_of(job.settings));
        if (!now) {
            return failed(now.error());
        }
        facts.is_present = planned.range.lo.at <= *now && *now < planned.range.hi.at;
    }
    Answer<std::string> why = why_not_move(job, set);
    if (!why) {
        return failed(why.error());
    }
    facts.no_moving = std::move(*why);
    return facts;
}

std::string guard_name(const PlannedPartition& planned) {
    return fit_name(kGuardMark + planned.name, "");
}

std::string drop_guard_sql(const PartitionSet& set, const std::string& name) {
    return "ALTER TABLE " + set.default_partition->relation.sql() + " DROP CONSTRAINT " +
           quote_identifier(name);
}

LockedStep guard_step(const PartitionSet& set, std::string what, std::string sql) {
    LockedStep step;
    step.what = std::move(what);
    step.oids = {set.default_partition->relation.oid};
    step.sql = {std::move(sql)};
    step.locks = "ACCESS EXCLUSIVE on " + set.default_partition->relation.text() + " for a moment";
    step.most_patience = kPartitionPatience;
    return step;
}

/// Locks come first and in the order in which queries take them, so that what waits holds little.
void lock_first(const PartitionSet& set, LockedStep& step, bool is_scan_limited) {
    const Relation& relation = set.default_partition->relation;
    std::vector<std::string> first{
        "LOCK TABLE ONLY " + set.table.sql() + " IN SHARE UPDATE EXCLUSIVE MODE",
        "LOCK TABLE " + relation.sql() + " IN ACCESS EXCLUSIVE MODE"};
    if (is_scan_limited) {
        first.emplace_back(kScanLimit);
    }
    step.sql.insert(step.sql.begin(), first.begin(), first.end());
    step.oids.push_back(relation.oid);
    step.locks += ", ACCESS EXCLUSIVE on " + relation.text();
}

Answer<void> attach_with_move(JobContext& job,
                              const PartitionSet& set,
                              const PlannedPartition& planned,
                              LockedStep step,
                              const DefaultFacts& facts) {
    const Relation child{0, set.table.schema, planned.name, 'r'};
    const Relation& from = set.default_partition->relation;
    // Rows that came since they were counted go as well: the lock keeps others out.
    step.sql.insert(step.sql.begin(),
                    "WITH moved AS (DELETE FROM " + from.sql() + " WHERE " +
                        range_sql(set, planned) + " RETURNING " + facts.columns + ") INSERT INTO " +
                        child.sql() + " (" + facts.columns + ") SELECT " + facts.columns +
                        " FROM moved");
    lock_first(set, step, /*is_scan_limited=*/true);
    Answer<void> done = run_locked(job, step);
    if (done && !job.is_dry && facts.rows > 0) {
        job.reporter.note(std::to_string(facts.rows) + " rows of " + from.text() +
                          " were moved to " + child.text());
    }
    return done;
}

Answer<void> attach_with_guard(JobContext& job,
                               const PartitionSet& set,
                               const PlannedPartition& planned,
                               LockedStep step) {
    const std::string name = guard_name(planned);
    const std::string table = set.default_partition->relation.sql();
    Answer<void> done =
        run_locked(job,
                   guard_step(set,
                              "guard " + set.default_partition->relation.text(),
                              "ALTER TABLE " + table + " ADD CONSTRAINT " + quote_identifier(name) +
                                  " CHECK (NOT (" + range_sql(set, planned) + ")) NOT VALID"));
    if (!done) {
        return done;
    }
    done = job.change("ALTER TABLE " + table + " VALIDATE CONSTRAINT " + quote_identifier(name),
                      "SHARE UPDATE EXCLUSIVE on " + set.default_partition->relation.text() +
                          " while it is read");
    if (done) {
        lock_first(set, step, /*is_scan_limited=*/false);
        step.sql.push_back(drop_guard_sql(set, name));
        done = run_locked(job, step);
    }
    if (!done && job.db.is_alive()) {
        const Answer<void> undone =
            run_locked(job, guard_step(set, "drop the guard", drop_guard_sql(set, name)));
        if (!undone) {
            job.reporter.warn(undone.error().line());
        }
    }
    return done;
}

Problem too_many_rows(const PartitionSet& set,
                      const PlannedPartition& planned,
                      const std::string& why) {
    return {set.default_partition->relation.text() + " has rows that belong into " + planned.name +
                " " + planned.range.line() + why,
            {},
            "weir partition convert " + set.table.text() + " --empty-default moves them"};
}

}  // namespace

Answer<void> attach_beside_default(JobContext& job,
                                   const PartitionSet& set,
                                   const PlannedPartition& planned,
                                   LockedStep attach,
                                   DefaultPartition policy) {
    // Else its rows would be waited for before anything is said of who has it.
    const std::vector<std::uint32_t> oids{set.default_partition->relation.oid};
    if (Answer<void> free = refuse_blocked(job, oids, attach.what); !free) {
        return free;
    }
    const Answer<DefaultFacts> facts = read_facts(job, set, planned);
    if (!facts) {
        return failed(facts.error());
    }
    if (facts->rows > 0) {
        if (facts->rows > batch_of(job)) {
            return failed(too_many_rows(set, planned, ", more than maintenance.batch"));
        }
        return facts->no_moving.empty()
                   ? attach_with_move(job, set, planned, std::move(attach), *facts)
                   : failed(too_many_rows(set, planned, ", and " + facts->no_moving));
    }
    // A guard would refuse rows of the present, which DEFAULT takes until ATTACH is through.
    const bool is_guarded = policy == DefaultPartition::Guard || !facts->is_small;
    if (is_guarded && !facts->is_present) {
        return attach_with_guard(job, set, planned, std::move(attach));
    }
    lock_first(set, attach, /*is_scan_limited=*/true);
    Answer<void> done = run_locked(job, attach);
    if (!done && done.error().is(state::kQueryCanceled)) {
        return problem(
            set.default_partition->relation.text() + ": is too large to be read while clients wait",
            "weir partition convert " + set.table.text() + " --empty-default empties it",
            state::kQueryCanceled);
    }
    return done;
}

Answer<void> drop_guards(JobContext& job, const PartitionSet& set) {
    if (!set.default_partition) {
        return {};
    }
    const Answer<Rows> rows = job.db.run(
        "SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND "
        "contype = 'c' AND starts_with(conname, $2) AND coninhcount = 0",
        {std::to_string(set.default_partition->relation.oid), kGuardMark});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        const std::string sql = drop_guard_sql(set, rows->text(i, 0));
        if (Answer<void> done = run_locked(job, guard_step(set, "drop a left guard", sql)); !done) {
            return done;
        }
    }
    return {};
}

Answer<RowCount> count_rows(Connection& db, const Partition& partition) {
    const Answer<Rows> rows =
        db.run("SELECT count(*) FROM (SELECT FROM " + partition.relation.sql() + " LIMIT " +
               std::to_string(kCounted + 1) + ") r");
    if (!rows) {
        return failed(rows.error());
    }
    const std::int64_t counted = rows->number(0, 0);
    return counted <= kCounted ? RowCount{counted, false}
                               : RowCount{std::max(counted, partition.rows), true};
}

}  // namespace weir::maintenance
