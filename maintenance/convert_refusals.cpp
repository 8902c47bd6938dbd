#include "maintenance/convert_facts.hpp"

#include <utility>

namespace weir::maintenance {

namespace {

// Each gives rows of what is in the way and what would help. $1 the table, $2 the key, $3 whether
// its primary key is to be widened.

constexpr const char* kTableSql =
    "SELECT 'is unlogged or temporary', 'ALTER TABLE … SET LOGGED first; a partitioned table is "
    "neither' FROM pg_catalog.pg_class WHERE oid = $1::oid AND relpersistence <> 'p' "
    "UNION ALL SELECT 'is a partition, inherits, or is inherited from', 'ALTER TABLE … NO INHERIT "
    "first' WHERE EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE $1::oid IN (inhrelid, "
    "inhparent)) "
    "UNION ALL SELECT 'is a table of type ' || reloftype::regtype, 'ALTER TABLE … NOT OF first' "
    "FROM pg_catalog.pg_class WHERE oid = $1::oid AND reloftype <> 0 "
    "UNION ALL SELECT 'is stored by ' || m.amname, 'only heap tables are converted' FROM "
    "pg_catalog.pg_class c JOIN pg_catalog.pg_am m ON m.oid = c.relam WHERE c.oid = $1::oid AND "
    "m.amname <> 'heap' "
    "UNION ALL SELECT 'belongs to extension ' || e.extname, 'its extension keeps it as it is' FROM "
    "pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid WHERE d.classid = "
    "'pg_catalog.pg_class'::regclass AND d.objid = $1::oid AND d.deptype = 'e' "
    "UNION ALL SELECT 'belongs to ' || pg_catalog.pg_get_userbyid(relowner) || ', and only its "
    "owner may convert it', pg_catalog.format('GRANT %I TO %I', "
    "pg_catalog.pg_get_userbyid(relowner), current_user) FROM pg_catalog.pg_class WHERE oid = "
    "$1::oid AND NOT pg_catalog.pg_has_role(relowner, 'USAGE') "
    "UNION ALL SELECT current_user || ' may not create tables in its schema', "
    "pg_catalog.format('GRANT CREATE ON SCHEMA %I TO %I', relnamespace::regnamespace, "
    "current_user) FROM pg_catalog.pg_class WHERE oid = $1::oid AND NOT "
    "pg_catalog.has_schema_privilege(relnamespace, 'CREATE') "
    "UNION ALL SELECT 'a subscription writes to it', 'convert it at the publisher, or leave the "
    "subscription first' FROM pg_catalog.pg_subscription_rel WHERE srrelid = $1::oid";

constexpr const char* kConstraintSql =
    "SELECT pg_catalog.format('foreign key %I of %s refers to it', conname, conrelid::regclass), "
    "'its key would have to hold ' || $2::text || ' too, and there is no way of doing that online: "
    "drop it first' FROM pg_catalog.pg_constraint WHERE confrelid = $1::oid AND contype = 'f' "
    "UNION ALL SELECT pg_catalog.format('has the exclusion constraint %I', conname), 'partitioned "
    "tables have none: drop it first' FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND "
    "contype = 'x' "
    "UNION ALL SELECT pg_catalog.format('constraint %I is NOT VALID', conname), "
    "pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I first', $1::regclass, conname) FROM "
    "pg_catalog.pg_constraint WHERE conrelid = $1::oid AND contype IN ('c', 'f') AND NOT "
    "convalidated AND conname NOT LIKE 'weir\\_convert\\_%' "
    "UNION ALL SELECT pg_catalog.format('CHECK %I is NO INHERIT', conname), 'partitioned tables "
    "have none: drop it, or make it a plain one' FROM pg_catalog.pg_constraint WHERE conrelid = "
    "$1::oid AND contype = 'c' AND connoinherit "
    "UNION ALL SELECT pg_catalog.format(CASE WHEN k.contype = 'p' THEN 'PRIMARY KEY %I does not "
    "hold %I' ELSE 'UNIQUE %I does not hold %I' END, c.relname, $2::text), CASE WHEN k.contype = "
    "'p' AND $3::boolean THEN 'one that is deferrable or INCLUDEs columns is not widened' WHEN "
    "k.contype = 'p' THEN '--widen-primary-key adds it; then two rows may have the same ' || "
    "pg_catalog.pg_get_indexdef(x.indexrelid, 1, true) ELSE 'what is unique in a partitioned table "
    "holds its key: drop it, or make it a plain index, or add the column to it' END FROM "
    "pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid LEFT JOIN "
    "pg_catalog.pg_constraint k ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid AND "
    "k.contype IN ('p', 'u') WHERE x.indrelid = $1::oid AND x.indisunique AND x.indisvalid AND NOT "
    "x.indisexclusion AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = "
    "$1::oid AND a.attname = $2 AND a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1])) AND "
    "NOT (x.indisprimary AND $3::boolean AND NOT k.condeferrable AND x.indnatts = x.indnkeyatts)";

constexpr const char* kReaderSql =
    "SELECT DISTINCT CASE WHEN c.relkind = 'm' THEN pg_catalog.format('materialized view %s reads "
    "it', c.oid::regclass) WHEN c.oid = $1::oid THEN pg_catalog.format('has the rule %I', "
    "w.rulename) WHEN c.relkind = 'v' AND w.rulename = '_RETURN' THEN pg_catalog.format('view %s "
    "belongs to %s', c.oid::regclass, pg_catalog.pg_get_userbyid(c.relowner)) ELSE "
    "pg_catalog.format('rule %I of %s uses it', w.rulename, c.oid::regclass) END, CASE WHEN "
    "c.relkind = 'm' THEN 'it would go on reading the old table alone and cannot be replaced: drop "
    "it, and make it again behind this' WHEN c.relkind = 'v' AND w.rulename = '_RETURN' THEN "
    "pg_catalog.format('it has to be made anew: GRANT %I TO %I', "
    "pg_catalog.pg_get_userbyid(c.relowner), current_user) ELSE 'drop it first' END "
    "FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class WHERE (c.oid = "
    "$1::oid OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = "
    "'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = "
    "'pg_catalog.pg_class'::regclass AND d.refobjid = $1::oid)) AND NOT (c.relkind = 'v' AND "
    "w.rulename = '_RETURN' AND pg_catalog.pg_has_role(c.relowner, 'USAGE')) "
    "UNION ALL SELECT DISTINCT 'its row type is used by ' || pg_catalog.pg_describe_object( "
    "d.classid, d.objid, 0), 'it would go on meaning the old table: drop it first' FROM "
    "pg_catalog.pg_class c JOIN pg_catalog.pg_type t ON t.oid = c.reltype JOIN "
    "pg_catalog.pg_depend "
    "d ON d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray) "
    "WHERE c.oid = $1::oid AND d.deptype = 'n' "
    "UNION ALL SELECT 'function ' || d.objid::regprocedure || ' reads it and belongs to ' || "
    "pg_catalog.pg_get_userbyid(p.proowner), pg_catalog.format('it has to be made anew: GRANT %I "
    "TO %I', pg_catalog.pg_get_userbyid(p.proowner), current_user) FROM pg_catalog.pg_depend d "
    "JOIN pg_catalog.pg_proc p ON p.oid = d.objid WHERE d.classid = "
    "'pg_catalog.pg_proc'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND "
    "d.refobjid = $1::oid AND NOT pg_catalog.pg_has_role(p.proowner, 'USAGE') "
    "UNION ALL SELECT DISTINCT 'policy ' || pg_catalog.quote_ident(o.polname) || ' of ' || "
    "o.polrelid::regclass || ' reads it', 'it would go on reading the old table alone: drop it, "
    "and make it again behind this' FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_policy o ON "
    "o.oid = d.objid WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND d.refclassid = "
    "'pg_catalog.pg_class'::regclass AND d.refobjid = $1::oid AND o.polrelid <> $1::oid";

constexpr const char* kTriggerSql =
    "SELECT pg_catalog.format('trigger %I is for each row and has a transition table', tgname), "
    "'partitioned tables have none of that kind: make it FOR EACH STATEMENT' FROM "
    "pg_catalog.pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal AND tgtype & 1 <> 0 AND "
    "(tgoldtable IS NOT NULL OR tgnewtable IS NOT NULL) "
    "UNION ALL SELECT pg_catalog.format('trigger %I is BEFORE each row', tgname), 'partitioned "
    "tables have these from PostgreSQL 13 on' FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid "
    "AND NOT tgisinternal AND tgtype & 3 = 3 AND "
    "pg_catalog.current_setting('server_version_num')::int < 130000";

constexpr const char* kPublicationSql =
    "SELECT DISTINCT pg_catalog.format('publication %I has it', p.pubname), "
    "pg_catalog.format('subscribers would be sent rows of its partitions: ALTER PUBLICATION %I SET "
    "(publish_via_partition_root = true) first', p.pubname) FROM pg_catalog.pg_publication_tables "
    "t JOIN pg_catalog.pg_publication p ON p.pubname = t.pubname JOIN pg_catalog.pg_class c ON "
    "c.oid = $1::oid AND t.tablename = c.relname AND t.schemaname = c.relnamespace::regnamespace:: "
    "name WHERE NOT p.pubviaroot "
    "UNION ALL SELECT pg_catalog.format('publication %I belongs to %s', p.pubname, "
    "pg_catalog.pg_get_userbyid(p.pubowner)), pg_catalog.format('GRANT %I TO %I', "
    "pg_catalog.pg_get_userbyid(p.pubowner), current_user) FROM pg_catalog.pg_publication_rel r "
    "JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1::oid AND NOT "
    "pg_catalog.pg_has_role(p.pubowner, 'USAGE')";

/// $4 the names that will be needed.
constexpr const char* kNameSql =
    "SELECT pg_catalog.format('%I.%I is there already', n.nspname, c.relname), 'rename or drop it: "
    "the name is needed for what the table has now' FROM pg_catalog.pg_class c JOIN "
    "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = ANY "
    "($2::text[])";

constexpr int kViaRoot = 130'000;  // publications of partitioned tables are of 13

/// @return in front of what reads the parameters: all of them need a type
std::string query(const char* sql, int version) {
    std::string text = std::string{"WITH given AS (SELECT $1::oid, $2::text, $3::boolean) "} + sql;
    const std::string_view via_root = "NOT p.pubviaroot";
    if (const std::size_t at = text.find(via_root); version < kViaRoot && at != std::string::npos) {
        text.replace(at, via_root.size(), "true");
    }
    return text;
}

void add(const Rows& rows, const Relation& table, std::vector<Problem>& all) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        all.push_back({table.text() + ": " + rows.text(i, 0), {}, rows.text(i, 1)});
    }
}

std::string array_of(const std::vector<std::string>& names) {
    std::string all = "{";
    for (const std::string& name : names) {
        all += all.size() > 1 ? ",\"" : "\"";
        for (const char c : name) {
            all.append(c == '"' || c == '\\' ? "\\" : "").append(1, c);
        }
        all += '"';
    }
    return all + "}";
}

/// The table's, and those of its indexes: their names are the new table's from the swap on.
Answer<std::vector<std::string>> legacy_names(Connection& db, const ConvertFacts& facts) {
    const Answer<Rows> rows = db.run(
        "SELECT c.relname FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = "
        "x.indexrelid WHERE x.indrelid = $1::oid AND x.indisvalid AND c.relname <> $2",
        {std::to_string(facts.table.oid), facts.key_index()});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<std::string> names{facts.legacy().name};
    for (std::size_t i = 0; i < rows->size(); ++i) {
        names.push_back(fit_name(rows->view(i, 0), "_legacy"));
    }
    return names;
}

}  // namespace

Answer<std::vector<Problem>> find_refusals(Connection& db,
                                           const ConvertFacts& facts,
                                           const ConvertWish& wish) {
    std::vector<Problem> all;
    for (const char* sql : {kTableSql, kConstraintSql, kReaderSql, kTriggerSql, kPublicationSql}) {
        const Answer<Rows> rows = db.run(query(sql, db.server_version()),
                                         {std::to_string(facts.table.oid),
                                          facts.key,
                                          wish.widens_primary_key ? "true" : "false"});
        if (!rows) {
            return failed(rows.error());
        }
        add(*rows, facts.table, all);
    }
    const Answer<std::vector<std::string>> names = legacy_names(db, facts);
    if (!names) {
        return failed(names.error());
    }
    const Answer<Rows> taken = db.run(kNameSql, {facts.table.schema, array_of(*names)});
    if (!taken) {
        return failed(taken.error());
    }
    add(*taken, facts.table, all);
    return all;
}

}  // namespace weir::maintenance
