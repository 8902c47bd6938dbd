#include "maintenance/partition_detach.hpp"

#include "maintenance/ladder.hpp"
#include "maintenance/partition_attach.hpp"
#include "maintenance/partition_comment.hpp"

#include <algorithm>
#include <utility>

namespace weir::maintenance {

namespace {

/// @return what COMMENT ON and DROP call it
std::string kind_of(const Relation& table) {
    return table.kind == 'f' ? "FOREIGN TABLE " : "TABLE ";
}

Answer<std::string> comment_sql(JobContext& job,
                                const PartitionSet& set,
                                const Partition& partition,
                                conf::RetentionAction action) {
    const Answer<Rows> now =
        job.db.run("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || '+00'");
    if (!now) {
        return failed(now.error());
    }
    PartitionComment comment = PartitionComment::parse(partition.description);
    if (comment.table.empty()) {
        comment.was = partition.description;
    }
    comment.table = set.table.text();
    comment.lo = partition.range.lo.text;
    comment.hi = partition.range.hi.text;
    comment.detached = now->text(0, 0);
    comment.action = name_of(action);
    return "COMMENT ON " + kind_of(partition.relation) + partition.relation.sql() + " IS " +
           quote_literal(comment.json());
}

/// The tables that keys refer to are locked as well when their triggers go.
void add_foreign_keys(const PartitionSet& set, LockedStep& step) {
    for (const std::vector<ForeignKey>* keys : {&set.references, &set.referencing}) {
        for (const ForeignKey& key : *keys) {
            step.oids.push_back(key.other.oid);
            step.locks += ", SHARE ROW EXCLUSIVE on " + key.other.text();
        }
    }
}

Answer<void> detach_plainly(JobContext& job,
                            const PartitionSet& set,
                            const Partition& partition,
                            std::string comment) {
    LockedStep step;
    step.what = "detach " + partition.relation.text();
    step.oids = {set.table.oid};
    step.sql = {"ALTER TABLE " + set.table.sql() + " DETACH PARTITION " + partition.relation.sql(),
                std::move(comment)};
    step.locks = "ACCESS EXCLUSIVE on " + set.table.text() + " and " + partition.relation.text();
    if (set.default_partition) {
        step.locks += " and " + set.default_partition->relation.text();
    }
    add_foreign_keys(set, step);
    step.most_patience = kPartitionPatience;
    return run_locked(job, step);
}

Answer<void> set_comment(JobContext& job, const Relation& table, const std::string& text) {
    return job.change("COMMENT ON " + kind_of(table) + table.sql() + " IS " +
                      (text.empty() ? "NULL" : quote_literal(text)));
}

/// It was not detached after all: if somebody else does that some day, the table is not ours to
/// drop. Where this fails the next run does it.
void restore_comment(JobContext& job, const Partition& partition) {
    const Answer<Rows> attached = job.db.run(
        "SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = $1::oid AND NOT inhdetachpending",
        {std::to_string(partition.relation.oid)});
    if (!attached || attached->empty()) {
        return;
    }
    if (const Answer<void> done = set_comment(job, partition.relation, partition.description);
        !done) {
        job.reporter.warn(done.error().line());
    }
}

/// @return until the job's end; zero = it has none
std::chrono::milliseconds time_left(const JobContext& job) {
    constexpr std::chrono::milliseconds kLeast{1'000};
    if (job.deadline == TimePoint::max()) {
        return {};
    }
    return std::max(kLeast,
                    std::chrono::ceil<std::chrono::milliseconds>(job.deadline - Clock::now()));
}

/// Its locks keep nobody waiting, so it needs no patience; and a timeout between its two phases
/// would leave the rows invisible and the partition half detached.
Answer<void> detach_concurrently(JobContext& job,
                                 const PartitionSet& set,
                                 const Partition& partition,
                                 const std::string& comment) {
    const std::string what = "detach " + partition.relation.text();
    if (Answer<void> free = refuse_blocked(job, {set.table.oid}, what); !free) {
        return free;
    }
    if (Answer<void> done =
            job.change(comment, "SHARE UPDATE EXCLUSIVE on " + partition.relation.text());
        !done) {
        return done;
    }
    const std::string sql = "ALTER TABLE " + set.table.sql() + " DETACH PARTITION " +
                            partition.relation.sql() + " CONCURRENTLY";
    job.reporter.statement(sql,
                           "SHARE UPDATE EXCLUSIVE on " + set.table.text() +
                               ", waits for older transactions, then ACCESS EXCLUSIVE on " +
                               partition.relation.text());
    if (job.is_dry) {
        return {};
    }
    const LockTimeout none{job.db, {}};
    const Answer<Rows> done = job.db.run(sql, {}, time_left(job));
    if (!done && done.error().is(state::kQueryCanceled)) {
        return problem(what + ": is half done, older transactions are in the way",
                       "the next run finishes it; its rows are out of the table already",
                       state::kLockNotAvailable);
    }
    if (!done) {
        restore_comment(job, partition);
        return failed(done.error());
    }
    return {};
}

bool can_be_concurrent(const JobContext& job, const PartitionSet& set) {
    return job.db.server_version() >= 140'000 && !set.default_partition && set.pending.empty();
}

Answer<std::vector<std::string>> publications_of(JobContext& job, const Relation& table) {
    const Answer<Rows> rows = job.db.run(
        "SELECT p.pubname FROM pg_catalog.pg_publication_rel r JOIN "
        "pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1::oid",
        {std::to_string(table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<std::string> names;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        names.push_back(rows->text(i, 0));
    }
    return names;
}

/// One that was published by itself goes on being so, which nobody wants of what is put away.
void leave_publications(JobContext& job, const Relation& table) {
    const Answer<std::vector<std::string>> names = publications_of(job, table);
    if (!names) {
        job.reporter.warn(names.error().line());
        return;
    }
    for (const std::string& name : *names) {
        const Answer<void> left = job.change("ALTER PUBLICATION " + quote_identifier(name) +
                                             " DROP TABLE " + table.sql());
        if (!left) {
            job.reporter.warn(table.text() + " stays in publication " + name + ": " +
                              left.error().line());
        }
    }
}

Answer<std::vector<std::string>> foreign_keys_of(JobContext& job, const Relation& table) {
    const Answer<Rows> rows = job.db.run(
        "SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND "
        "contype = 'f' AND conparentid = 0 ORDER BY conname",
        {std::to_string(table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<std::string> names;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        names.push_back(rows->text(i, 0));
    }
    return names;
}

}  // namespace

Answer<void> detach_partition(JobContext& job,
                              const PartitionSet& set,
                              const Partition& partition,
                              conf::RetentionAction action) {
    const Answer<std::string> comment = comment_sql(job, set, partition, action);
    if (!comment) {
        return failed(comment.error());
    }
    Answer<void> done = can_be_concurrent(job, set)
                            ? detach_concurrently(job, set, partition, *comment)
                            : detach_plainly(job, set, partition, *comment);
    if (done) {
        leave_publications(job, partition.relation);
    }
    return done;
}

Answer<void> clear_marks(JobContext& job, const PartitionSet& set) {
    for (const Partition& partition : set.partitions) {
        const PartitionComment comment = PartitionComment::parse(partition.description);
        if (comment.detached.empty()) {
            continue;
        }
        if (Answer<void> done = set_comment(job, partition.relation, comment.was); !done) {
            return done;
        }
    }
    return {};
}

Answer<bool> archive_table(JobContext& job, const Relation& table, const std::string& schema) {
    // What is partitioned itself is moved with all that is in it: SET SCHEMA takes one table alone.
    const Answer<Rows> rows = job.db.run(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON "
        "n.oid = c.relnamespace LEFT JOIN " +
            partition_tree_sql("$1::oid") +
            " t ON t.relid = "
            "c.oid WHERE (c.oid = $1::oid OR t.relid IS NOT NULL) AND n.nspname <> $2 ORDER BY "
            "c.oid "
            "<> "
            "$1::oid, t.level, n.nspname, c.relname",
        {std::to_string(table.oid), schema});
    if (!rows) {
        return failed(rows.error());
    }
    LockedStep step;
    step.what = "archive " + table.text();
    step.oids = {table.oid};
    for (std::size_t i = 0; i < rows->size(); ++i) {
        const Relation one{0, rows->text(i, 0), rows->text(i, 1), 'r'};
        step.sql.push_back("ALTER TABLE " + one.sql() + " SET SCHEMA " + quote_identifier(schema));
    }
    if (step.sql.empty()) {
        return false;
    }
    step.locks = "ACCESS EXCLUSIVE on " + table.text();
    step.most_patience = kPartitionPatience;
    const Answer<void> done = run_locked(job, step);
    return done ? Answer<bool>{true} : failed(done.error());
}

Answer<void> drop_table(JobContext& job, const Relation& table) {
    const Answer<std::vector<std::string>> keys = foreign_keys_of(job, table);
    if (!keys) {
        return failed(keys.error());
    }
    for (const std::string& key : *keys) {
        LockedStep step;
        step.what = "drop foreign key " + key + " of " + table.text();
        step.oids = {table.oid};
        step.sql = {"ALTER TABLE " + table.sql() + " DROP CONSTRAINT " + quote_identifier(key)};
        step.locks = "ACCESS EXCLUSIVE on " + table.text() + " and on the table it refers to";
        step.most_patience = kPartitionPatience;
        if (Answer<void> done = run_locked(job, step); !done) {
            return done;
        }
    }
    LockedStep step;
    step.what = "drop " + table.text();
    step.oids = {table.oid};
    step.sql = {"DROP " + kind_of(table) + table.sql()};
    step.locks = "ACCESS EXCLUSIVE on " + table.text();
    step.most_patience = kPartitionPatience;
    return run_locked(job, step);
}

std::string name_of(conf::RetentionAction action) {
    switch (action) {
        case conf::RetentionAction::Detach: return "detach";
        case conf::RetentionAction::Archive: return "archive";
        case conf::RetentionAction::Drop: return "drop";
    }
    return "";
}

}  // namespace weir::maintenance
