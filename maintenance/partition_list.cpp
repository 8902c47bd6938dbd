#include "maintenance/partition_list.hpp"

#include "maintenance/identifier.hpp"

namespace weir::maintenance {

namespace {

/// Sizes are asked for where no ACCESS EXCLUSIVE lock is held or wanted: pg_total_relation_size
/// waits behind one.
std::string list_sql(int version) {
    const std::string pending = version >= 140'000 ? "i.inhdetachpending" : "false";
    return "WITH busy AS (SELECT relation FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND "
           "mode = 'AccessExclusiveLock'), "
           "p AS (SELECT t.relid, t.parentrelid, t.isleaf, c.relname, n.nspname, "
           "pg_get_expr(c.relpartbound, c.oid) AS bound, greatest(c.reltuples, 0)::bigint AS rows, "
           "CASE WHEN c.oid IN (SELECT relation FROM busy) THEN NULL ELSE "
           "pg_total_relation_size(c.oid) END AS bytes, age(c.relfrozenxid) AS xid_age "
           "FROM pg_partition_tree($1::oid) t JOIN pg_catalog.pg_class c ON c.oid = t.relid "
           "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.level > 0) "
           "SELECT p.nspname || '.' || p.relname, p.bound, p.rows, p.bytes, s.n_dead_tup, "
           "coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0), "
           "coalesce(s.n_tup_ins, 0) + coalesce(s.n_tup_upd, 0) + coalesce(s.n_tup_del, 0), "
           "p.xid_age, CASE WHEN " +
           pending +
           " THEN 'detaching' WHEN p.bound = 'DEFAULT' THEN 'default' WHEN p.isleaf THEN "
           "'attached' ELSE 'partitioned' END "
           "FROM p LEFT JOIN pg_catalog.pg_stat_user_tables s ON s.relid = p.relid "
           "JOIN pg_catalog.pg_inherits i ON i.inhrelid = p.relid AND i.inhparent = p.parentrelid "
           "ORDER BY p.bound = 'DEFAULT', p.nspname, p.relname";
}

}  // namespace

Answer<Report> list_partitions(Connection& db, const std::string& table) {
    const Answer<Relation> relation = find_relation(db, table);
    if (!relation) {
        return failed(relation.error());
    }
    if (relation->kind != 'p') {
        return problem(relation->text() + ": is not partitioned",
                       "weir partition convert makes a partitioned table of it");
    }
    const Answer<Rows> rows =
        db.run(list_sql(db.server_version()), {std::to_string(relation->oid)});
    if (!rows) {
        return failed(rows.error());
    }
    Report report;
    report.columns = {{"partition"},
                      {"bounds"},
                      {"rows", true},
                      {"bytes", true},
                      {"dead_rows", true},
                      {"scans", true},
                      {"writes", true},
                      {"xid_age", true},
                      {"state"}};
    for (std::size_t i = 0; i < rows->size(); ++i) {
        auto& row = report.rows.emplace_back();
        for (std::size_t column = 0; column < rows->columns(); ++column) {
            row.push_back(rows->maybe(i, column));
        }
    }
    return report;
}

}  // namespace weir::maintenance
