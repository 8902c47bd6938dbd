#include "maintenance/partition_attach.hpp"

#include "maintenance/ladder.hpp"
#include "maintenance/partition_comment.hpp"
#include "maintenance/partition_default.hpp"

#include <utility>

namespace weir::maintenance {

namespace {

/// What stands where the partition is to be.
struct Found {
    std::uint32_t oid = 0;  ///< 0 = nothing
    bool is_ours = false;   ///< empty, made for this table, never attached
    bool is_alike = false;  ///< has the columns and CHECKs that ATTACH asks for
};

constexpr const char* kFoundSql =
    "SELECT c.oid, c.relkind = 'r' AND NOT c.relispartition, "
    "coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), ''), "
    "NOT EXISTS (SELECT FROM (SELECT attrelid, attname, atttypid, atttypmod, attcollation, "
    "attnotnull, attgenerated FROM pg_catalog.pg_attribute WHERE attrelid IN (c.oid, $3::oid) AND "
    "attnum > 0 AND NOT attisdropped) a GROUP BY attname, atttypid, atttypmod, attcollation, "
    "attnotnull, attgenerated HAVING count(*) <> 2) AND NOT EXISTS (SELECT FROM "
    "pg_catalog.pg_constraint k WHERE k.contype = 'c' AND k.conrelid IN (c.oid, $3::oid) GROUP BY "
    "conname, pg_catalog.pg_get_constraintdef(k.oid) HAVING count(*) <> 2) "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = $1 AND c.relname = $2";

Answer<Found> find_table(JobContext& job, const PartitionSet& set, const Relation& child) {
    const Answer<Rows> rows =
        job.db.run(kFoundSql, {child.schema, child.name, std::to_string(set.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    Found found;
    if (rows->empty()) {
        return found;
    }
    found.oid = static_cast<std::uint32_t>(rows->number(0, 0));
    found.is_alike = rows->flag(0, 3);
    const PartitionComment comment = PartitionComment::parse(rows->view(0, 2));
    if (!rows->flag(0, 1) || comment.table != set.table.text() || !comment.detached.empty()) {
        return found;
    }
    const Answer<Rows> first = job.db.run("SELECT FROM " + child.sql() + " LIMIT 1");
    if (!first) {
        return failed(first.error());
    }
    found.is_ours = first->empty();
    return found;
}

Answer<std::string> create_sql(JobContext& job, const PartitionSet& set, const Relation& child) {
    const Answer<Rows> rows = job.db.run(
        "SELECT c.relpersistence = 'u', coalesce(s.spcname, '') FROM "
        "pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = "
        "c.reltablespace WHERE c.oid = $1::oid",
        {std::to_string(set.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    const bool is_unlogged = !rows->empty() && rows->flag(0, 0);
    const std::string space = rows->empty() ? "" : rows->text(0, 1);
    std::string sql = is_unlogged ? "CREATE UNLOGGED TABLE " : "CREATE TABLE ";
    sql += child.sql() + " (LIKE " + set.table.sql() +
           " INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS "
           "INCLUDING GENERATED";
    sql += job.db.server_version() >= 140'000 ? " INCLUDING COMPRESSION)" : ")";
    return sql + (space.empty() ? "" : " TABLESPACE " + quote_identifier(space));
}

/// Step A: the table, complete but for what ATTACH gives it.
Answer<void> make_table(JobContext& job,
                        const PartitionSet& set,
                        const PlannedPartition& planned,
                        const Relation& child,
                        const Found& found) {
    const Answer<std::string> create = create_sql(job, set, child);
    if (!create) {
        return failed(create.error());
    }
    const Answer<std::vector<std::string>> extras = read_extras(job, set, child);
    if (!extras) {
        return failed(extras.error());
    }
    LockedStep step;
    step.what = "create " + child.text();
    step.locks = "ACCESS SHARE on " + set.table.text();
    if (found.oid != 0 && !found.is_alike) {
        step.sql.push_back("DROP TABLE " + child.sql());
    }
    if (found.oid == 0 || !found.is_alike) {
        step.sql.push_back(*create);
    }
    if (set.user != set.owner) {
        step.sql.push_back("ALTER TABLE " + child.sql() + " OWNER TO " +
                           quote_identifier(set.owner));
    }
    PartitionComment comment;
    comment.table = set.table.text();
    comment.lo = planned.range.lo.text;
    comment.hi = planned.range.hi.text;
    step.sql.push_back("COMMENT ON TABLE " + child.sql() + " IS " + quote_literal(comment.json()));
    step.sql.insert(step.sql.end(), extras->begin(), extras->end());
    return run_locked(job, step);
}

/// Step B.
LockedStep attach_step(const PartitionSet& set,
                       const PlannedPartition& planned,
                       const Relation& child) {
    LockedStep step;
    step.what = "attach " + child.text();
    // The table itself is not looked at for blockers: its lock lets readers and writers be, however
    // old they are, so that a long report does not keep partitions from being made.
    step.locks =
        "SHARE UPDATE EXCLUSIVE on " + set.table.text() + ", ACCESS EXCLUSIVE on " + child.text();
    step.most_patience = kPartitionPatience;
    for (const std::vector<ForeignKey>* keys : {&set.references, &set.referencing}) {
        for (const ForeignKey& key : *keys) {
            step.oids.push_back(key.other.oid);
            step.locks += ", SHARE ROW EXCLUSIVE on " + key.other.text();
        }
    }
    step.sql = {"ALTER TABLE " + set.table.sql() + " ATTACH PARTITION " + child.sql() +
                " FOR VALUES FROM (" + planned.range.lo.sql() + ") TO (" + planned.range.hi.sql() +
                ")"};
    step.also = identity_by_index(set, child);
    return step;
}

}  // namespace

Answer<std::vector<std::string>> read_extras(JobContext& job,
                                             const PartitionSet& set,
                                             const Relation& child) {
    const std::string newest =
        set.partitions.empty() ? "0" : std::to_string(set.partitions.back().relation.oid);
    const Answer<Rows> rows = job.db.run(
        "SELECT pg_catalog.format('ALTER TABLE %s SET (%s)', $3::text, (SELECT "
        "string_agg(pg_catalog.format('%I = %L', split_part(o, '=', 1), substr(o, strpos(o, '=') + "
        "1)), ', ') FROM unnest(c.reloptions) o)) FROM pg_catalog.pg_class c WHERE c.oid = "
        "$2::oid AND c.relkind = 'r' AND c.reloptions IS NOT NULL "
        "UNION ALL SELECT pg_catalog.format('GRANT %s ON %s TO %s%s', string_agg(a.privilege_type, "
        "', ' ORDER BY a.privilege_type), $3::text, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE "
        "quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END, CASE WHEN a.is_grantable THEN "
        "' WITH GRANT OPTION' ELSE '' END) FROM pg_catalog.pg_class c, "
        "LATERAL aclexplode(c.relacl) a WHERE c.oid = $1::oid AND a.grantee <> c.relowner "
        "GROUP BY a.grantee, a.is_grantable "
        "UNION ALL SELECT pg_catalog.format('GRANT %s (%I) ON %s TO %s', a.privilege_type, "
        "t.attname, $3::text, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE "
        "quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END) FROM pg_catalog.pg_attribute t, "
        "LATERAL aclexplode(t.attacl) a WHERE t.attrelid = $1::oid AND NOT t.attisdropped",
        {std::to_string(set.table.oid), newest, child.sql()});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<std::string> all;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        all.push_back(rows->text(i, 0));
    }
    if (set.replica_identity == 'f' || set.replica_identity == 'n') {
        all.push_back("ALTER TABLE " + child.sql() + " REPLICA IDENTITY " +
                      (set.replica_identity == 'f' ? "FULL" : "NOTHING"));
    }
    return all;
}

std::function<Answer<void>(JobContext&)> identity_by_index(const PartitionSet& set,
                                                           const Relation& child) {
    if (set.replica_identity != 'i') {
        return {};
    }
    return [parent = set.table.oid, child](JobContext& job) -> Answer<void> {
        const Answer<Rows> rows = job.db.run(
            "SELECT c.relname FROM pg_catalog.pg_index p JOIN pg_catalog.pg_inherits h ON "
            "h.inhparent = p.indexrelid JOIN pg_catalog.pg_index x ON x.indexrelid = h.inhrelid "
            "JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid WHERE p.indrelid = $1::oid AND "
            "p.indisreplident AND x.indrelid = $2::regclass",
            {std::to_string(parent), child.sql()});
        if (!rows || rows->empty()) {
            return rows ? Answer<void>{} : failed(rows.error());
        }
        return job.change("ALTER TABLE " + child.sql() + " REPLICA IDENTITY USING INDEX " +
                          quote_identifier(rows->view(0, 0)));
    };
}

Answer<void> make_partition(JobContext& job,
                            const PartitionSet& set,
                            const PlannedPartition& planned,
                            conf::DefaultPartition policy) {
    const Relation child{0, set.table.schema, planned.name, 'r'};
    const Answer<Found> found = find_table(job, set, child);
    if (!found) {
        return failed(found.error());
    }
    if (found->oid != 0 && !found->is_ours) {
        return problem("CONFLICT: " + child.text() +
                           " is there and is not an empty table of "
                           "Weir's for this; it is left as it is",
                       "rename it, attach it by hand as " + planned.range.line() +
                           ", or change name in [[partition]]");
    }
    if (Answer<void> made = make_table(job, set, planned, child, *found); !made) {
        return made;
    }
    LockedStep step = attach_step(set, planned, child);
    return set.default_partition ? attach_beside_default(job, set, planned, std::move(step), policy)
                                 : run_locked(job, step);
}

Answer<std::int64_t> finalize_pending(JobContext& job, const PartitionSet& set) {
    std::int64_t count = 0;
    for (const Partition& partition : set.pending) {
        LockedStep step;
        step.what = "finish the detach of " + partition.relation.text();
        step.oids = {partition.relation.oid};
        step.sql = {"ALTER TABLE " + set.table.sql() + " DETACH PARTITION " +
                    partition.relation.sql() + " FINALIZE"};
        step.locks = "SHARE UPDATE EXCLUSIVE on " + set.table.text() + ", ACCESS EXCLUSIVE on " +
                     partition.relation.text();
        step.most_patience = kPartitionPatience;
        if (const Answer<void> done = run_locked(job, step); !done) {
            return failed(done.error());
        }
        if (!job.is_dry) {
            job.reporter.note(partition.relation.text() + ": its detach is finished");
        }
        ++count;
    }
    return count;
}

}  // namespace weir::maintenance
