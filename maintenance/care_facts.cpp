#include "maintenance/care_facts.hpp"

#include <algorithm>
#include <cstddef>

namespace weir::maintenance {

namespace {

/// @return what VACUUM and ANALYZE ask for, of the pg_class row c
std::string may_maintain(int version) {
    constexpr int kMaintainPrivilege = 170'000;
    const std::string maintain =
        version >= kMaintainPrivilege ? " OR has_table_privilege(c.oid, 'MAINTAIN')" : "";
    return "(pg_has_role(c.relowner, 'USAGE') OR (SELECT pg_has_role(d.datdba, 'USAGE') FROM "
           "pg_catalog.pg_database d WHERE d.datname = current_database())" +
           maintain + ")";
}

constexpr const char* kNotOfTheSystem =
    "c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// @return how many multixacts ago the oldest of the table's own and its TOAST table's was
std::string multixact_age() {
    return "greatest(mxid_age(c.relminmxid), "
           "CASE WHEN t.oid IS NOT NULL THEN mxid_age(t.relminmxid) ELSE 0 END)";
}

std::string tables_sql(int version) {
    return "SELECT c.oid, n.nspname || '.' || c.relname, "
           "format('%I.%I', n.nspname, c.relname), "
           "CASE WHEN c.relispartition THEN pg_partition_root(c.oid) ELSE 0 END::oid::bigint, "
           "coalesce(s.n_live_tup, 0), coalesce(s.n_dead_tup, 0), "
           "coalesce(s.n_mod_since_analyze, 0), "
           "greatest(age(c.relfrozenxid), CASE WHEN t.oid IS NOT NULL THEN age(t.relfrozenxid) "
           "ELSE 0 END), " +
           multixact_age() + ", (" + multixact_age() +
           " * current_setting('autovacuum_freeze_max_age')::float8 / "
           "current_setting('autovacuum_multixact_freeze_max_age')::float8)::bigint, "
           "coalesce(s.last_analyze, s.last_autoanalyze) IS NOT NULL, "
           "c.relpages > 0 OR coalesce(s.n_live_tup, 0) > 0, " +
           may_maintain(version) +
           " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
           "LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid "
           "LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid "
           "WHERE c.relkind IN ('r', 'm') AND " +
           kNotOfTheSystem + " ORDER BY 2";
}

std::string parents_sql(int version) {
    // pg_partition_tree() would lock all of them.
    return "WITH RECURSIVE tree(root, relid) AS (SELECT oid, oid FROM pg_catalog.pg_class WHERE "
           "relkind = 'p' AND NOT relispartition UNION SELECT t.root, i.inhrelid FROM tree t "
           "JOIN pg_catalog.pg_inherits i ON i.inhparent = t.relid) "
           "SELECT c.oid, n.nspname || '.' || c.relname, "
           "format('%I.%I', n.nspname, c.relname), "
           "coalesce(sum(pg_stat_get_live_tuples(p.relid)), 0)::bigint, "
           "coalesce(sum(pg_stat_get_tuples_inserted(p.relid) + "
           "pg_stat_get_tuples_updated(p.relid) + pg_stat_get_tuples_deleted(p.relid)), "
           "0)::bigint, "
           "coalesce(sum(pg_stat_get_mod_since_analyze(p.relid)), 0)::bigint, "
           "EXISTS (SELECT 1 FROM pg_catalog.pg_stats t WHERE t.schemaname = n.nspname "
           "AND t.tablename = c.relname AND t.inherited), " +
           may_maintain(version) +
           " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
           "JOIN tree p ON p.root = c.oid JOIN pg_catalog.pg_class leaf ON leaf.oid = p.relid "
           "WHERE leaf.relkind <> 'p' AND " +
           kNotOfTheSystem + " GROUP BY c.oid, n.nspname, c.relname, c.relowner ORDER BY 2";
}

double share(std::int64_t part, std::int64_t whole) {
    return static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(whole, 1));
}

}  // namespace

double TableFacts::dead_share() const {
    return share(dead, live + dead);
}

std::int64_t TableFacts::freeze_age() const {
    return std::max(xid_age, scaled_mxid_age);
}

double TableFacts::modified_share() const {
    return share(modified, live);
}

Answer<std::vector<TableFacts>> read_tables(Connection& db) {
    const Answer<Rows> rows = db.run(tables_sql(db.server_version()));
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<TableFacts> tables;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        TableFacts table;
        std::size_t column = 0;
        table.oid = static_cast<std::uint32_t>(rows->number(i, column++));
        table.name = rows->text(i, column++);
        table.sql = rows->text(i, column++);
        table.root = static_cast<std::uint32_t>(rows->number(i, column++));
        table.live = rows->number(i, column++);
        table.dead = rows->number(i, column++);
        table.modified = rows->number(i, column++);
        table.xid_age = rows->number(i, column++);
        table.mxid_age = rows->number(i, column++);
        table.scaled_mxid_age = rows->number(i, column++);
        table.was_analyzed = rows->flag(i, column++);
        table.has_pages = rows->flag(i, column++);
        table.may_maintain = rows->flag(i, column);
        tables.push_back(std::move(table));
    }
    return tables;
}

Answer<std::vector<ParentFacts>> read_parents(Connection& db) {
    const Answer<Rows> rows = db.run(parents_sql(db.server_version()));
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<ParentFacts> parents;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        ParentFacts parent;
        std::size_t column = 0;
        parent.oid = static_cast<std::uint32_t>(rows->number(i, column++));
        parent.name = rows->text(i, column++);
        parent.sql = rows->text(i, column++);
        parent.live = rows->number(i, column++);
        parent.changes = rows->number(i, column++);
        parent.modified = rows->number(i, column++);
        parent.was_analyzed = rows->flag(i, column++);
        parent.may_maintain = rows->flag(i, column);
        parents.push_back(std::move(parent));
    }
    return parents;
}

}  // namespace weir::maintenance
