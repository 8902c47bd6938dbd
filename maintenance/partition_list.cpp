#include "maintenance/partition_list.hpp"

#include "maintenance/partition_set.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace weir::maintenance {

namespace {

/// Which columns of list_sql() order the rows; the others are the report's, as they are.
enum Order : std::uint8_t { Oid, Parent, IsDefault, Position, OrderColumns };

/// Recently scanned is known since 16; before, whether it was ever.
std::string heat_sql(int version) {
    const std::string scanned =
        version >= 160'000
            ? "greatest(s.last_seq_scan, s.last_idx_scan) > now() - interval '30 days'"
            : "coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0) > 0";
    return "CASE WHEN NOT p.isleaf OR s.relid IS NULL THEN NULL "
           "WHEN p.is_present AND s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0 THEN 'hot' WHEN " +
           scanned +
           " THEN 'warm' WHEN (SELECT stats_reset > now() - interval '1 day' FROM "
           "pg_catalog.pg_stat_database WHERE datname = current_database()) THEN NULL "
           "ELSE 'cold' END";
}

/// A partition that is partitioned itself is as large as all that is in it. Sizes are asked for
/// where no ACCESS EXCLUSIVE lock is held or wanted: pg_total_relation_size waits behind one.
std::string whole_sql() {
    return "SELECT coalesce(sum(greatest(l.reltuples, 0)), 0)::bigint AS rows, sum(CASE WHEN l.oid "
           "IN (SELECT relation FROM busy) THEN NULL ELSE pg_total_relation_size(l.oid) "
           "END)::bigint AS bytes, sum(k.n_dead_tup)::bigint AS dead_rows, "
           "coalesce(sum(coalesce(k.seq_scan, 0) + coalesce(k.idx_scan, 0)), 0)::bigint AS scans, "
           "coalesce(sum(k.n_tup_ins + k.n_tup_upd + k.n_tup_del), 0)::bigint AS writes "
           "FROM " +
           partition_tree_sql("p.relid") +
           " q JOIN pg_catalog.pg_class l ON l.oid = q.relid LEFT "
           "JOIN pg_catalog.pg_stat_user_tables k ON k.relid = l.oid WHERE q.isleaf";
}

std::string list_sql(const PartitionSet& set, int version) {
    const bool is_known = set.unsupported.empty();
    const std::string pending = version >= 140'000 ? "i.inhdetachpending" : "false";
    const auto typed = [&set](const std::string& text) {
        return "CASE WHEN t.level = 1 AND " + text + " NOT IN ('MINVALUE', 'MAXVALUE') THEN " +
               text + "::" + cast_of(set.kind) + " END";
    };
    const bool is_time = is_known && set.kind != KeyKind::Integer;
    const std::string present = is_time ? "coalesce(" + typed("lo") +
                                              " <= now() AND (hi = "
                                              "'MAXVALUE' OR " +
                                              typed("hi") + " > now()), false)"
                                        : "true";
    const std::string position =
        is_known ? "CASE WHEN t.level = 1 AND lo = 'MINVALUE' THEN -9223372036854775808 WHEN "
                   "t.level = 1 AND lo <> 'MAXVALUE' THEN " +
                       position_sql(set.kind, "lo::" + cast_of(set.kind)) + " END"
                 : "NULL";
    return "WITH busy AS (SELECT relation FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND "
           "mode = 'AccessExclusiveLock'), "
           "p AS (SELECT t.relid, t.parentrelid, t.isleaf, c.relname, n.nspname, bound, lo, hi, " +
           position + " AS position, " + present +
           " AS is_present, "
           "CASE WHEN c.relkind = 'r' THEN age(c.relfrozenxid) END AS xid_age "
           "FROM " +
           partition_tree_sql("$1::oid") +
           " t JOIN pg_catalog.pg_class c ON c.oid = t.relid "
           "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, "
           "LATERAL (SELECT pg_get_expr(c.relpartbound, 0) AS bound) e, "
           "LATERAL (SELECT regexp_match(bound, 'FROM \\((.*)\\) TO \\((.*)\\)$') AS m) r, "
           "LATERAL (SELECT trim(both '''' FROM m[1]) AS lo, trim(both '''' FROM m[2]) AS hi) b "
           "WHERE t.level > 0) "
           "SELECT p.relid::oid, p.parentrelid::oid, p.bound = 'DEFAULT', p.position, "
           "p.nspname || '.' || p.relname AS partition, "
           "coalesce(p.lo, CASE WHEN p.bound <> 'DEFAULT' THEN replace(p.bound, 'FOR VALUES ', '') "
           "END) AS lo, p.hi, w.rows, w.bytes, w.dead_rows, w.scans, w.writes, p.xid_age, " +
           heat_sql(version) + " AS heat, CASE WHEN " + pending +
           " THEN 'detaching' WHEN p.bound = 'DEFAULT' THEN 'default' WHEN p.isleaf THEN "
           "'attached' ELSE 'partitioned' END AS state "
           "FROM p LEFT JOIN pg_catalog.pg_stat_user_tables s ON s.relid = p.relid CROSS JOIN "
           "LATERAL (" +
           whole_sql() +
           ") w "
           "JOIN pg_catalog.pg_inherits i ON i.inhrelid = p.relid AND i.inhparent = p.parentrelid";
}

/// @return the rows' numbers: by their bounds, DEFAULT last, each table's partitions behind it
std::vector<std::size_t> order_of(const Rows& rows, std::int64_t root) {
    std::multimap<std::int64_t, std::size_t> children;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        children.emplace(rows.number(i, Parent), i);
    }
    const auto key = [&rows](std::size_t i) {
        return std::tuple{
            rows.flag(i, IsDefault), rows.number(i, Position), rows.view(i, OrderColumns)};
    };
    const auto by_key = [&key](std::size_t a, std::size_t b) { return key(a) > key(b); };
    std::vector<std::size_t> order;
    std::vector<std::size_t> waiting;  // the next is the last
    const auto push = [&](std::int64_t parent) {
        std::vector<std::size_t> of;
        const auto [first, last] = children.equal_range(parent);
        std::transform(first, last, std::back_inserter(of), [](const auto& c) { return c.second; });
        std::sort(of.begin(), of.end(), by_key);
        waiting.insert(waiting.end(), of.begin(), of.end());
    };
    push(root);
    while (!waiting.empty()) {
        order.push_back(waiting.back());
        waiting.pop_back();
        push(rows.number(order.back(), Oid));
    }
    return order;
}

bool is_number(std::string_view column) {
    for (const std::string_view text : {"partition", "lo", "hi", "heat", "state"}) {
        if (text == column) {
            return false;
        }
    }
    return true;
}

}  // namespace

Answer<Report> list_partitions(Connection& db, const std::string& table) {
    const Answer<Relation> relation = find_relation(db, table);
    if (!relation) {
        return failed(relation.error());
    }
    const Answer<PartitionSet> set = read_partition_set(db, *relation);
    if (!set) {
        return failed(set.error());
    }
    const Answer<Rows> rows =
        db.run(list_sql(*set, db.server_version()), {std::to_string(relation->oid)});
    if (!rows) {
        return failed(rows.error());
    }
    Report report;
    for (std::size_t column = OrderColumns; column < rows->columns(); ++column) {
        report.columns.push_back({std::string{rows->name(column)}, is_number(rows->name(column))});
    }
    for (const std::size_t i : order_of(*rows, relation->oid)) {
        auto& row = report.rows.emplace_back();
        for (std::size_t column = OrderColumns; column < rows->columns(); ++column) {
            row.push_back(rows->maybe(i, column));
        }
    }
    return report;
}

}  // namespace weir::maintenance
