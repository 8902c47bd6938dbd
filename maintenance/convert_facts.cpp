#include "maintenance/convert_facts.hpp"

namespace weir::maintenance {

namespace {

Answer<void> read_column(Connection& db, ConvertFacts& facts) {
    const Answer<Rows> rows = db.run(
        "SELECT pg_catalog.format_type(a.atttypid, NULL), a.attnotnull, a.attgenerated <> "
        "'', pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_attribute a JOIN "
        "pg_catalog.pg_class c ON c.oid = a.attrelid WHERE a.attrelid = $1::oid AND "
        "a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped",
        {std::to_string(facts.table.oid), facts.key});
    if (!rows) {
        return failed(rows.error());
    }
    const std::string where = facts.table.text() + ": ";
    if (rows->empty()) {
        return problem(where + "has no column " + facts.key, "--key names the column");
    }
    facts.kind = key_kind(rows->view(0, 0));
    if (facts.kind == KeyKind::Other) {
        return problem(
            where + facts.key + " is of type " + rows->text(0, 0),
            "timestamptz, timestamp, date, smallint, integer and bigint divide into ranges");
    }
    if (rows->flag(0, 2)) {
        return problem(where + facts.key + " is a generated column",
                       "PostgreSQL partitions by none of these; take one that it is made of");
    }
    facts.is_key_not_null = rows->flag(0, 1);
    facts.owner = rows->text(0, 3);
    return {};
}

Answer<void> read_checks(Connection& db, ConvertFacts& facts) {
    const Answer<Rows> rows = db.run(
        "SELECT conname = $2, convalidated, coalesce(pg_catalog.obj_description(oid, "
        "'pg_constraint'), '') FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND "
        "contype = 'c' AND conname IN ($2, $3)",
        {std::to_string(facts.table.oid), kBoundCheck, kNotNullCheck});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        if (rows->flag(i, 0)) {
            facts.has_bound_check = true;
            facts.is_bound_valid = rows->flag(i, 1);
            facts.bound_check = rows->text(i, 2);
        } else {
            facts.has_not_null_check = true;
        }
    }
    return {};
}

/// Only a primary key without the partition key in it is of interest: it is what may be widened.
Answer<void> read_primary_key(Connection& db, ConvertFacts& facts) {
    const Answer<Rows> rows = db.run(
        "SELECT k.conname, a.attname FROM pg_catalog.pg_constraint k, LATERAL unnest(k.conkey) "
        "WITH ORDINALITY u(n, i) JOIN pg_catalog.pg_attribute a ON a.attnum = u.n "
        "WHERE a.attrelid = k.conrelid AND k.conrelid = $1::oid AND k.contype = 'p' AND NOT EXISTS "
        "(SELECT FROM pg_catalog.pg_attribute p WHERE p.attrelid = k.conrelid AND p.attname = $2 "
        "AND p.attnum = ANY (k.conkey)) ORDER BY u.i",
        {std::to_string(facts.table.oid), facts.key});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        facts.primary_key = rows->text(i, 0);
        facts.primary_columns.push_back(rows->text(i, 1));
    }
    return {};
}

Answer<void> read_locked(Connection& db, ConvertFacts& facts) {
    const Answer<Rows> rows = db.run(
        "SELECT DISTINCT confrelid FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid "
        "AND contype = 'f'",
        {std::to_string(facts.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    facts.locked = {facts.table.oid};
    for (std::size_t i = 0; i < rows->size(); ++i) {
        facts.locked.push_back(static_cast<std::uint32_t>(rows->number(i, 0)));
    }
    return {};
}

}  // namespace

Relation ConvertFacts::legacy() const {
    return {table.oid, table.schema, fit_name(table.name, "_legacy"), 'r'};
}

std::string ConvertFacts::key_index() const {
    return fit_name(table.name, "_weir_key");
}

std::string ConvertFacts::key_columns() const {
    std::string columns;
    for (const std::string& column : primary_columns) {
        columns += quote_identifier(column) + ", ";
    }
    return columns + quote_identifier(key);
}

Answer<ConvertFacts> read_convert_facts(Connection& db,
                                        const Relation& table,
                                        const ConvertWish& wish) {
    ConvertFacts facts;
    facts.table = table;
    facts.key = wish.key;
    for (const auto& read : {&read_column, &read_checks, &read_primary_key, &read_locked}) {
        if (const Answer<void> done = read(db, facts); !done) {
            return failed(done.error());
        }
    }
    return facts;
}

}  // namespace weir::maintenance
