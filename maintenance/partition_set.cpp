#include "maintenance/partition_set.hpp"

#include "maintenance/partition_comment.hpp"

#include <algorithm>
#include <utility>

namespace weir::maintenance {

namespace {

std::string why_unsupported(const PartitionSet& set, std::int64_t columns) {
    if (set.strategy != 'r') {
        return "is partitioned by " + set.key_definition + ", not by RANGE";
    }
    if (columns > 1) {
        return "has a key of " + std::to_string(columns) + " columns";
    }
    if (set.key.empty()) {
        return "has an expression as its key";
    }
    if (set.kind == KeyKind::Other) {
        return "has a key of type " + set.key_type +
               "; timestamptz, timestamp, date, smallint, integer and bigint can be worked on";
    }
    return {};
}

/// Published it is under its own name, under that of a table that it is a partition of, or with all
/// that its schema has.
std::string table_sql(int version) {
    const std::string by_schema =
        version >= kSchemaPublications
            ? " OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace s WHERE s.pnnspid = "
              "c.relnamespace)"
            : "";
    return "SELECT p.partstrat, p.partnatts, coalesce(a.attname, ''), "
           "coalesce(pg_catalog.format_type(a.atttypid, NULL), ''), "
           "pg_catalog.pg_get_partkeydef(c.oid), pg_catalog.pg_get_userbyid(c.relowner), "
           "pg_catalog.pg_has_role(c.relowner, 'USAGE'), "
           "pg_catalog.has_schema_privilege(c.relnamespace, 'CREATE'), "
           "EXISTS (SELECT FROM pg_catalog.pg_attribute i WHERE i.attrelid = c.oid AND "
           "i.attidentity <> '' AND NOT i.attisdropped), "
           "EXISTS (SELECT FROM pg_catalog.pg_publication b WHERE b.puballtables) OR EXISTS "
           "(SELECT FROM pg_catalog.pg_publication_rel r JOIN "
           "pg_catalog.pg_partition_ancestors(c.oid) t ON r.prrelid = t.relid)" +
           by_schema +
           ", c.relreplident, current_user FROM pg_catalog.pg_class c JOIN "
           "pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid "
           "LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND p.partnatts = 1 "
           "AND a.attnum = p.partattrs[0] AND a.attnum > 0 WHERE c.oid = $1::oid";
}

Answer<void> read_table(Connection& db, PartitionSet& set) {
    const Answer<Rows> rows =
        db.run(table_sql(db.server_version()), {std::to_string(set.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    if (rows->empty()) {
        return problem(set.table.text() + ": is not partitioned",
                       "weir partition convert makes a partitioned table of it");
    }
    set.strategy = rows->view(0, 0).front();
    set.key = rows->text(0, 2);
    set.key_type = rows->text(0, 3);
    set.key_definition = rows->text(0, 4);
    set.owner = rows->text(0, 5);
    set.is_owner = rows->flag(0, 6);
    set.may_create = rows->flag(0, 7);
    set.has_identity = rows->flag(0, 8);
    set.is_published = rows->flag(0, 9);
    set.replica_identity = rows->view(0, 10).front();
    set.user = rows->text(0, 11);
    set.kind = key_kind(set.key_type);
    set.unsupported = why_unsupported(set, rows->number(0, 1));
    return {};
}

std::string position_or_null(KeyKind kind, const std::string& literal) {
    return "CASE WHEN " + literal + " NOT IN ('MINVALUE', 'MAXVALUE') THEN " +
           position_sql(kind, literal + "::" + cast_of(kind)) + " END, " + "CASE WHEN " + literal +
           " IN ('MINVALUE', 'MAXVALUE') THEN " + literal + " ELSE " +
           bound_text_sql(kind, literal + "::" + cast_of(kind)) + " END";
}

/// The bounds are read by the server: it wrote them, in the form that the session's settings say.
std::string children_sql(const PartitionSet& set, int version) {
    const std::string pending = version >= 140'000 ? "i.inhdetachpending" : "false";
    const std::string bounds = set.unsupported.empty() ? position_or_null(set.kind, "lo") + ", " +
                                                             position_or_null(set.kind, "hi")
                                                       : "NULL, NULL, NULL, NULL";
    return "SELECT oid, nspname, relname, relkind, bound, pending, rows, description, " + bounds +
           " FROM (SELECT c.oid, n.nspname, c.relname, c.relkind, "
           "coalesce(pg_catalog.pg_get_expr(c.relpartbound, 0), '') AS bound, " +
           pending +
           " AS pending, CASE WHEN c.reltuples < 0 OR c.relpages = 0 AND c.reltuples = 0 THEN -1 "
           "ELSE c.reltuples::bigint END AS rows, "
           "coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') AS description "
           "FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid "
           "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent = $1::oid) "
           "c, LATERAL (SELECT regexp_match(bound, 'FROM \\((.*)\\) TO \\((.*)\\)$') AS m) r, "
           "LATERAL (SELECT trim(both '''' FROM m[1]) AS lo, trim(both '''' FROM m[2]) AS hi) b "
           "ORDER BY bound = 'DEFAULT', nspname, relname";
}

PartitionBound bound_of(const Rows& rows, std::size_t row, std::size_t column) {
    PartitionBound bound{rows.number(row, column), rows.text(row, column + 1)};
    if (rows.is_null(row, column)) {  // MINVALUE, MAXVALUE, or an infinite time
        const bool is_least = bound.text == "MINVALUE" || bound.text == "-infinity";
        bound.at = is_least ? PartitionBound::kMin : PartitionBound::kMax;
    }
    return bound;
}

Answer<void> read_children(Connection& db, PartitionSet& set) {
    constexpr std::size_t kLo = 8;
    constexpr std::size_t kHi = 10;
    const Answer<Rows> rows =
        db.run(children_sql(set, db.server_version()), {std::to_string(set.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        Partition child;
        child.relation = {static_cast<std::uint32_t>(rows->number(i, 0)),
                          rows->text(i, 1),
                          rows->text(i, 2),
                          rows->view(i, 3).front()};
        child.bounds = rows->text(i, 4);
        child.rows = rows->number(i, 6);
        child.description = rows->text(i, 7);
        child.has_range = !rows->is_null(i, kLo + 1) && !rows->is_null(i, kHi + 1);
        child.range = {bound_of(*rows, i, kLo), bound_of(*rows, i, kHi)};
        if (rows->flag(i, 5)) {
            set.pending.push_back(std::move(child));
        } else if (child.bounds == "DEFAULT") {
            set.default_partition = std::move(child);
        } else {
            set.partitions.push_back(std::move(child));
        }
    }
    std::stable_sort(
        set.partitions.begin(), set.partitions.end(), [](const Partition& a, const Partition& b) {
            return a.has_range && b.has_range && a.range.lo.at < b.range.lo.at;
        });
    return {};
}

Answer<void> read_loose(Connection& db, PartitionSet& set) {
    const Answer<Rows> rows = db.run(
        "SELECT c.oid, n.nspname, c.relname, c.relkind, d.description "
        "FROM pg_catalog.pg_description d JOIN pg_catalog.pg_class c ON c.oid = d.objoid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0 "
        "AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition "
        "AND starts_with(d.description, $1) ORDER BY n.nspname, c.relname",
        {std::string{kCommentMark}});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        const PartitionComment comment = PartitionComment::parse(rows->view(i, 4));
        if (comment.table == set.table.text()) {
            LooseTable& loose = set.loose.emplace_back();
            loose.relation = {static_cast<std::uint32_t>(rows->number(i, 0)),
                              rows->text(i, 1),
                              rows->text(i, 2),
                              rows->view(i, 3).front()};
            loose.lo = comment.lo;
            loose.hi = comment.hi;
            loose.detached = comment.detached;
            loose.action = comment.action;
        }
    }
    return {};
}

Answer<void> read_foreign_keys(Connection& db, PartitionSet& set) {
    const Answer<Rows> rows = db.run(
        "SELECT k.conname, k.conrelid = $1::oid, c.oid, n.nspname, c.relname, c.relkind "
        "FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = "
        "CASE WHEN k.conrelid = $1::oid THEN k.confrelid ELSE k.conrelid END "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE k.contype = 'f' AND k.conparentid = 0 AND $1::oid IN (k.conrelid, k.confrelid) "
        "ORDER BY k.conname",
        {std::to_string(set.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        ForeignKey key{rows->text(i, 0),
                       {static_cast<std::uint32_t>(rows->number(i, 2)),
                        rows->text(i, 3),
                        rows->text(i, 4),
                        rows->view(i, 5).front()}};
        (rows->flag(i, 1) ? set.references : set.referencing).push_back(std::move(key));
    }
    return {};
}

}  // namespace

KeyKind key_kind(std::string_view type) {
    constexpr std::pair<std::string_view, KeyKind> kKinds[] = {
        {"timestamp with time zone", KeyKind::Timestamptz},
        {"timestamp without time zone", KeyKind::Timestamp},
        {"date", KeyKind::Date},
        {"smallint", KeyKind::Integer},
        {"integer", KeyKind::Integer},
        {"bigint", KeyKind::Integer}};
    for (const auto& [name, kind] : kKinds) {
        if (name == type) {
            return kind;
        }
    }
    return KeyKind::Other;
}

std::string PartitionBound::sql() const {
    return text == "MINVALUE" || text == "MAXVALUE" ? text : quote_literal(text);
}

std::string PartitionRange::line() const {
    return "[" + lo.text + ", " + hi.text + ")";
}

std::vector<PartitionRange> PartitionSet::gaps() const {
    std::vector<PartitionRange> all;
    for (std::size_t i = 1; i < partitions.size(); ++i) {
        const PartitionRange& before = partitions[i - 1].range;
        const PartitionRange& after = partitions[i].range;
        if (before.hi.at < after.lo.at) {
            all.push_back({before.hi, after.lo});
        }
    }
    return all;
}

const Partition* PartitionSet::find(std::int64_t at) const {
    const auto found = std::find_if(partitions.begin(), partitions.end(), [at](const Partition& p) {
        return p.has_range && p.range.lo.at <= at && at < p.range.hi.at;
    });
    return found == partitions.end() ? nullptr : &*found;
}

std::int64_t PartitionSet::covered_until(std::int64_t at) const {
    std::int64_t until = at;
    for (const Partition& partition : partitions) {
        if (partition.has_range && partition.range.lo.at <= until &&
            until < partition.range.hi.at) {
            until = partition.range.hi.at;
        }
    }
    return until;
}

Answer<void> PartitionSet::check_privileges() const {
    if (!is_owner) {
        return problem(table.text() + ": belongs to " + owner +
                           ", and only its owner may attach "
                           "and detach partitions",
                       "GRANT " + quote_identifier(owner) + " TO " + quote_identifier(user),
                       state::kInsufficientPrivilege);
    }
    if (!may_create) {
        return problem(table.schema + ": " + user + " may not create tables in this schema",
                       "GRANT CREATE ON SCHEMA " + quote_identifier(table.schema) + " TO " +
                           quote_identifier(user),
                       state::kInsufficientPrivilege);
    }
    return {};
}

Answer<PartitionSet> read_partition_set(Connection& db, const Relation& table) {
    PartitionSet set;
    set.table = table;
    for (const auto& read : {&read_table, &read_children, &read_loose, &read_foreign_keys}) {
        if (const Answer<void> done = read(db, set); !done) {
            return failed(done.error());
        }
    }
    return set;
}

std::string cast_of(KeyKind kind) {
    switch (kind) {
        case KeyKind::Timestamptz: return "timestamptz";
        case KeyKind::Timestamp: return "timestamp";
        case KeyKind::Date: return "date";
        case KeyKind::Integer: return "bigint";
        case KeyKind::Other: return "text";
    }
    return "text";
}

std::string position_sql(KeyKind kind, const std::string& value) {
    if (kind == KeyKind::Integer) {
        return value;
    }
    return "CASE WHEN isfinite(" + value + ") THEN (extract(epoch FROM " + value +
           ") * 1000000)::bigint END";
}

std::string bound_text_sql(KeyKind kind, const std::string& value) {
    if (kind == KeyKind::Timestamptz) {
        return "CASE WHEN isfinite(" + value + ") THEN (" + value +
               " AT TIME ZONE 'UTC')::text || '+00' ELSE " + value + "::text END";
    }
    return "(" + value + ")::text";
}

}  // namespace weir::maintenance
