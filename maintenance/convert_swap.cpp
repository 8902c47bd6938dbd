#include "maintenance/convert_swap.hpp"

#include "maintenance/partition_comment.hpp"

#include <array>
#include <utility>

namespace weir::maintenance {

namespace {

/// Statements in the order in which they run.
using Statements = std::vector<std::string>;

// Each gives statements. $1 the table, $2 its name, $3 that of the first partition, both quoted.

/// A view reads what it was made on: it is made on the new table with what it has.
constexpr const char* kViews =
    "SELECT pg_catalog.format('CREATE OR REPLACE VIEW %s%s AS %s', c.oid::regclass, ' WITH (' || "
    "(SELECT string_agg(pg_catalog.format('%I = %L', split_part(o, '=', 1), substr(o, strpos(o, "
    "'=') + 1)), ', ') FROM unnest(c.reloptions) o) || ')', pg_catalog.pg_get_viewdef(c.oid)) FROM "
    "pg_catalog.pg_class c WHERE c.relkind = 'v' AND EXISTS (SELECT FROM pg_catalog.pg_rewrite w "
    "JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = "
    "w.oid WHERE w.ev_class = c.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND "
    "d.refobjid = $1::oid) ORDER BY c.oid";

/// Only those in the standard's form depend on the table; others find it by its name.
constexpr const char* kFunctions =
    "SELECT pg_catalog.pg_get_functiondef(p.oid) FROM pg_catalog.pg_proc p WHERE EXISTS (SELECT "
    "FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = "
    "p.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = $1::oid) ORDER BY "
    "p.oid";

constexpr const char* kConstraintIndexes =
    "SELECT pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', $2::text, k.conname, "
    "pg_catalog.pg_get_constraintdef(k.oid)) FROM pg_catalog.pg_constraint k WHERE k.conrelid = "
    "$1::oid AND k.contype IN ('p', 'u') AND k.conname <> $4 ORDER BY k.oid";

constexpr const char* kPlainIndexes =
    "SELECT pg_catalog.format('CREATE %sINDEX %I ON %s', CASE WHEN x.indisunique THEN 'UNIQUE ' "
    "ELSE '' END, c.relname, $2::text) || substr(pg_catalog.pg_get_indexdef(c.oid), "
    "length(pg_catalog.format('CREATE %sINDEX %I ON %I.%I', CASE WHEN x.indisunique THEN 'UNIQUE ' "
    "ELSE '' END, c.relname, n.nspname, t.relname)) + 1) FROM pg_catalog.pg_index x JOIN "
    "pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_class t ON t.oid = "
    "x.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace WHERE x.indrelid = "
    "$1::oid AND x.indisvalid AND c.relname <> $5 AND NOT EXISTS (SELECT FROM "
    "pg_catalog.pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x')) "
    "ORDER BY c.oid";

constexpr const char* kForeignKeys =
    "SELECT pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', $2::text, conname, "
    "pg_catalog.pg_get_constraintdef(oid)) FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid "
    "AND contype = 'f' ORDER BY oid";

/// An identity column's sequence cannot change hands: another of its name goes on where it was.
constexpr const char* kIdentities =
    "SELECT s FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_depend d ON d.refobjid = "
    "a.attrelid AND d.refobjsubid = a.attnum AND d.deptype = 'i' AND d.classid = "
    "'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass JOIN "
    "pg_catalog.pg_sequence q ON q.seqrelid = d.objid JOIN pg_catalog.pg_class c ON c.oid = "
    "d.objid, LATERAL (SELECT d.objid::regclass::text AS name, pg_catalog.quote_ident(a.attname) "
    "AS col, 'weir_convert_' || d.objid AS was, c.relnamespace::regnamespace AS space) e, LATERAL "
    "(VALUES (1, pg_catalog.format('ALTER SEQUENCE %s RENAME TO %I', e.name, e.was)), (2, "
    "pg_catalog.format('ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY (SEQUENCE NAME "
    "%s START %s INCREMENT %s MINVALUE %s MAXVALUE %s CACHE %s %s)', $2::text, e.col, CASE "
    "a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, e.name, q.seqstart, "
    "q.seqincrement, q.seqmin, q.seqmax, q.seqcache, CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO "
    "CYCLE' END)), (3, pg_catalog.format('SELECT pg_catalog.setval(%L, last_value, is_called) FROM "
    "%s.%I', e.name, e.space, e.was)), (4, pg_catalog.format('ALTER TABLE %s ALTER COLUMN %s DROP "
    "IDENTITY', $3::text, e.col))) x(i, s) WHERE a.attrelid = $1::oid AND a.attidentity <> '' "
    "UNION ALL SELECT pg_catalog.format('GRANT %s ON SEQUENCE %s TO %s', r.privilege_type, "
    "d.objid::regclass, CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE "
    "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.grantee)) END || CASE WHEN r.is_grantable "
    "THEN ' WITH GRANT OPTION' ELSE '' END) FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c "
    "ON c.oid = d.objid AND c.relkind = 'S', LATERAL aclexplode(c.relacl) r WHERE d.refclassid = "
    "'pg_catalog.pg_class'::regclass AND d.refobjid = $1::oid AND d.deptype = 'i' AND d.classid = "
    "'pg_catalog.pg_class'::regclass AND r.grantee <> c.relowner";

constexpr const char* kSequences =
    "SELECT pg_catalog.format('ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::regclass, $2::text, "
    "a.attname) FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid AND "
    "c.relkind = 'S' JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = "
    "d.refobjsubid WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = "
    "'pg_catalog.pg_class'::regclass AND d.refobjid = $1::oid AND d.deptype = 'a'";

/// ATTACH gives partitions the row triggers of their table: those of the same name go first.
constexpr const char* kTriggers =
    "SELECT s FROM pg_catalog.pg_trigger t, LATERAL (VALUES (1, CASE WHEN t.tgtype & 1 <> 0 THEN "
    "pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, $3::text) END), (2, "
    "pg_catalog.pg_get_triggerdef(t.oid)), (3, CASE t.tgenabled WHEN 'D' THEN "
    "pg_catalog.format('ALTER TABLE %s DISABLE TRIGGER %I', $2::text, t.tgname) WHEN 'R' THEN "
    "pg_catalog.format('ALTER TABLE %s ENABLE REPLICA TRIGGER %I', $2::text, t.tgname) WHEN 'A' "
    "THEN pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', $2::text, t.tgname) END), "
    "(4, (SELECT pg_catalog.format('COMMENT ON TRIGGER %I ON %s IS %L', t.tgname, $2::text, d) "
    "FROM pg_catalog.obj_description(t.oid, 'pg_trigger') d WHERE d IS NOT NULL))) x(i, s) WHERE "
    "t.tgrelid = $1::oid AND NOT t.tgisinternal AND s IS NOT NULL ORDER BY t.oid, i";

constexpr const char* kPolicies =
    "SELECT pg_catalog.format('ALTER TABLE %s %s ROW LEVEL SECURITY', $2::text, w) FROM "
    "pg_catalog.pg_class c, LATERAL (VALUES ('ENABLE', c.relrowsecurity), ('FORCE', "
    "c.relforcerowsecurity)) x(w, f) WHERE c.oid = $1::oid AND x.f "
    "UNION ALL SELECT pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', "
    "p.polname, "
    "$2::text, CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, CASE p.polcmd "
    "WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' "
    "ELSE 'ALL' END, (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE "
    "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) r), "
    "' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || "
    "pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')') FROM pg_catalog.pg_policy p WHERE "
    "p.polrelid = $1::oid "
    "UNION ALL SELECT pg_catalog.format('COMMENT ON POLICY %I ON %s IS %L', p.polname, $2::text, "
    "d) "
    "FROM pg_catalog.pg_policy p, LATERAL pg_catalog.obj_description(p.oid, 'pg_policy') d WHERE "
    "p.polrelid = $1::oid AND d IS NOT NULL";

/// What ALTER DEFAULT PRIVILEGES gives a new table goes, too: its grants are the old one's.
constexpr const char* kGrants =
    "SELECT DISTINCT pg_catalog.format('REVOKE ALL ON %s FROM %s', $2::text, CASE r.grantee WHEN 0 "
    "THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.grantee)) END) FROM "
    "pg_catalog.pg_default_acl f, LATERAL aclexplode(f.defaclacl) r WHERE f.defaclobjtype = 'r' "
    "UNION ALL SELECT pg_catalog.format('GRANT ALL ON %s TO %I', $2::text, "
    "pg_catalog.pg_get_userbyid(relowner)) FROM pg_catalog.pg_class WHERE oid = $1::oid AND EXISTS "
    "(SELECT FROM pg_catalog.pg_default_acl WHERE defaclobjtype = 'r') "
    "UNION ALL SELECT pg_catalog.format('GRANT %s ON %s TO %s', string_agg(r.privilege_type, ', "
    "'), "
    "$2::text, CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE "
    "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.grantee)) END || CASE WHEN r.is_grantable "
    "THEN ' WITH GRANT OPTION' ELSE '' END) FROM pg_catalog.pg_class c, LATERAL "
    "aclexplode(c.relacl) r WHERE c.oid = $1::oid AND r.grantee <> c.relowner GROUP BY r.grantee, "
    "r.is_grantable "
    "UNION ALL SELECT pg_catalog.format('GRANT %s (%I) ON %s TO %s', r.privilege_type, a.attname, "
    "$2::text, CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE "
    "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.grantee)) END || CASE WHEN r.is_grantable "
    "THEN ' WITH GRANT OPTION' ELSE '' END) FROM pg_catalog.pg_attribute a, LATERAL "
    "aclexplode(a.attacl) r WHERE a.attrelid = $1::oid AND NOT a.attisdropped";

constexpr const char* kColumns =
    "SELECT s FROM pg_catalog.pg_attribute a, LATERAL (VALUES (CASE WHEN a.attstattarget >= 0 THEN "
    "pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', $2::text, a.attname, "
    "a.attstattarget) END), (pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', "
    "$2::text, "
    "a.attname, (SELECT string_agg(pg_catalog.format('%I = %L', split_part(o, '=', 1), "
    "split_part(o, '=', 2)), ', ') FROM unnest(a.attoptions) o)))) x(s) WHERE a.attrelid = $1::oid "
    "AND a.attnum > 0 AND NOT a.attisdropped AND (s LIKE '%SET STATISTICS%' OR a.attoptions IS NOT "
    "NULL AND s IS NOT NULL)";

constexpr const char* kIdentity =
    "SELECT pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY %s', $2::text, CASE c.relreplident "
    "WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE 'USING INDEX ' || (SELECT "
    "pg_catalog.quote_ident(i.relname) FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON "
    "i.oid = x.indexrelid WHERE x.indrelid = c.oid AND x.indisreplident) END) FROM "
    "pg_catalog.pg_class c WHERE c.oid = $1::oid AND (c.relreplident IN ('f', 'n') OR "
    "c.relreplident = 'i' AND EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = c.oid "
    "AND x.indisreplident))";

constexpr const char* kPublications =
    "SELECT s FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = "
    "r.prpubid, LATERAL (VALUES (1, pg_catalog.format('ALTER PUBLICATION %I DROP TABLE %s', "
    "p.pubname, $3::text)), (2, pg_catalog.format('ALTER PUBLICATION %I ADD TABLE %s', p.pubname, "
    "$2::text)))  x(i, s) WHERE r.prrelid = $1::oid ORDER BY p.oid, i";

constexpr const char* kFilteredPublications =  // of 15
    "SELECT s FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = "
    "r.prpubid, LATERAL (VALUES (1, pg_catalog.format('ALTER PUBLICATION %I DROP TABLE %s', "
    "p.pubname, $3::text)), (2, pg_catalog.format('ALTER PUBLICATION %I ADD TABLE %s%s%s', "
    "p.pubname, $2::text, ' (' || (SELECT string_agg(pg_catalog.quote_ident(a.attname), ', ') FROM "
    "pg_catalog.pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)) || "
    "')', ' WHERE (' || pg_catalog.pg_get_expr(r.prqual, r.prrelid) || ')'))) x(i, s) WHERE "
    "r.prrelid = $1::oid ORDER BY p.oid, i";

constexpr const char* kComments =
    "SELECT pg_catalog.format('COMMENT ON TABLE %s IS %L', $2::text, d) FROM "
    "pg_catalog.obj_description($1::oid, 'pg_class') d WHERE d IS NOT NULL "
    "UNION ALL SELECT pg_catalog.format('COMMENT ON INDEX %I.%I IS %L', n.nspname, c.relname, d) "
    "FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN "
    "pg_catalog.pg_namespace n ON n.oid = c.relnamespace, LATERAL "
    "pg_catalog.obj_description(c.oid, 'pg_class') d WHERE x.indrelid = $1::oid AND x.indisvalid "
    "AND c.relname <> $5 AND d IS NOT NULL "
    "UNION ALL SELECT pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, "
    "$2::text, d) FROM pg_catalog.pg_constraint k, LATERAL pg_catalog.obj_description(k.oid, "
    "'pg_constraint') d WHERE k.conrelid = $1::oid AND k.contype IN ('p', 'u', 'f') AND d IS NOT "
    "NULL";

constexpr const char* kIndexNames =
    "SELECT c.relname FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = "
    "x.indexrelid "
    "WHERE x.indrelid = $1::oid AND x.indisvalid AND c.relname <> $5 ORDER BY c.oid";

constexpr const char* kSpace =
    "SELECT s.spcname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_tablespace s ON s.oid = "
    "c.reltablespace WHERE c.oid = $1::oid";

/// What the catalog says of the table before it is renamed, as statements to be run behind that.
class Swap {
public:
    Swap(Connection& db, const ConvertFacts& facts, const CutOver& bound)
        : db_{db}, facts_{facts}, bound_{bound} {}

    [[nodiscard]] Answer<Statements> compose() {
        const std::string table = facts_.table.sql();
        Answer<Statements> names = read(kIndexNames);
        Answer<Statements> space = read(kSpace);
        if (!names || !space) {
            return failed((names ? space : names).error());
        }
        rename(*names);
        all_.push_back(create_sql(*space));
        all_.push_back("ALTER TABLE " + table + " OWNER TO " + quote_identifier(facts_.owner));
        all_.push_back("ALTER TABLE " + table + " DROP CONSTRAINT " + kBoundCheck);
        if (!facts_.primary_key.empty()) {
            all_.push_back("ALTER TABLE " + table + " ADD CONSTRAINT " +
                           quote_identifier(facts_.primary_key) + " PRIMARY KEY (" +
                           facts_.key_columns() + ")");
        }
        const bool is_filtered = db_.server_version() >= kFilters;
        for (const char* sql : {kConstraintIndexes,
                                kPlainIndexes,
                                kForeignKeys,
                                kIdentities,
                                kSequences,
                                kTriggers,
                                kPolicies,
                                kGrants,
                                kColumns,
                                kIdentity,
                                is_filtered ? kFilteredPublications : kPublications,
                                kComments,
                                kViews,
                                kFunctions}) {
            if (const Answer<void> done = add(sql); !done) {
                return failed(done.error());
            }
        }
        const Answer<Rows> said = db_.run("SELECT pg_catalog.obj_description($1::oid, 'pg_class')",
                                          {std::to_string(facts_.table.oid)});
        if (!said) {
            return failed(said.error());
        }
        attach(said->text(0, 0));
        return std::move(all_);
    }

private:
    static constexpr int kFilters = 150'000;

    [[nodiscard]] Answer<Statements> read(const char* sql) {
        // All five parameters have a type, whichever of them are used.
        const Answer<Rows> rows =
            db_.run(std::string{"WITH given AS (SELECT $1::oid, $2::text, $3::text, $4::text, "
                                "$5::text) "} +
                        sql,
                    {std::to_string(facts_.table.oid),
                     facts_.table.sql(),
                     facts_.legacy().sql(),
                     facts_.primary_key,
                     facts_.key_index()});
        if (!rows) {
            return failed(rows.error());
        }
        Statements read;
        for (std::size_t i = 0; i < rows->size(); ++i) {
            read.push_back(rows->text(i, 0));
        }
        return read;
    }

    [[nodiscard]] Answer<void> add(const char* sql) {
        Answer<Statements> more = read(sql);
        if (!more) {
            return failed(more.error());
        }
        all_.insert(all_.end(), more->begin(), more->end());
        return {};
    }

    void rename(const Statements& indexes) {
        all_.push_back("ALTER TABLE " + facts_.table.sql() + " RENAME TO " +
                       quote_identifier(facts_.legacy().name));
        for (const std::string& name : indexes) {
            all_.push_back("ALTER INDEX " + quote_identifier(facts_.table.schema) + "." +
                           quote_identifier(name) + " RENAME TO " +
                           quote_identifier(fit_name(name, "_legacy")));
        }
    }

    [[nodiscard]] std::string create_sql(const Statements& space) const {
        constexpr int kCompression = 140'000;
        std::string sql =
            "CREATE TABLE " + facts_.table.sql() + " (LIKE " + facts_.legacy().sql() +
            " INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS "
            "INCLUDING GENERATED INCLUDING STATISTICS";
        sql += db_.server_version() >= kCompression ? " INCLUDING COMPRESSION)" : ")";
        sql += " PARTITION BY RANGE (" + quote_identifier(facts_.key) + ")";
        return sql + (space.empty() ? "" : " TABLESPACE " + quote_identifier(space.front()));
    }

    void attach(const std::string& description) {
        const std::string legacy = facts_.legacy().sql();
        if (!facts_.primary_key.empty()) {
            const std::string name = quote_identifier(fit_name(facts_.primary_key, "_legacy"));
            all_.push_back("ALTER TABLE " + legacy + " DROP CONSTRAINT " + name);
            all_.push_back("ALTER TABLE " + legacy + " ADD CONSTRAINT " + name +
                           " PRIMARY KEY USING INDEX " + quote_identifier(facts_.key_index()));
        }
        all_.push_back("ALTER TABLE " + facts_.table.sql() + " ATTACH PARTITION " + legacy +
                       " FOR VALUES FROM (MINVALUE) TO (" + quote_literal(bound_.text) + ")");
        all_.push_back("ALTER TABLE " + legacy + " DROP CONSTRAINT " + kBoundCheck);
        PartitionComment comment;
        comment.table = facts_.table.text();
        comment.lo = "MINVALUE";
        comment.hi = bound_.text;
        comment.was = description;
        all_.push_back("COMMENT ON TABLE " + legacy + " IS " + quote_literal(comment.json()));
    }

    Connection& db_;
    const ConvertFacts& facts_;
    const CutOver& bound_;
    Statements all_;
};

}  // namespace

Answer<std::vector<std::string>> swap_locks(Connection& db, const ConvertFacts& facts) {
    // LOCK TABLE of a view would lock all that it reads; this locks it alone and changes nothing.
    const Answer<Rows> rows = db.run(
        "SELECT DISTINCT pg_catalog.format('ALTER VIEW %I.%I OWNER TO %I', n.nspname, c.relname, "
        "pg_catalog.pg_get_userbyid(c.relowner)) FROM pg_catalog.pg_class c JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_rewrite w ON "
        "w.ev_class = c.oid JOIN pg_catalog.pg_depend d ON d.classid = "
        "'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid WHERE c.relkind = 'v' AND "
        "d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = $1::oid ORDER BY 1",
        {std::to_string(facts.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<std::string> all;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        all.push_back(rows->text(i, 0));
    }
    all.push_back("LOCK TABLE " + facts.table.sql() + " IN ACCESS EXCLUSIVE MODE");
    return all;
}

Answer<std::vector<std::string>> swap_statements(Connection& db,
                                                 const ConvertFacts& facts,
                                                 const CutOver& bound) {
    const Answer<Rows> set = db.run("SELECT pg_catalog.set_config('search_path', '', true)");
    if (!set) {
        return failed(set.error());
    }
    return Swap{db, facts, bound}.compose();
}

}  // namespace weir::maintenance
