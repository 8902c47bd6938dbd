#include "maintenance/view_sources.hpp"

namespace weir::maintenance {

namespace {

/// STABLE functions of PostgreSQL's own that depend on nothing but their arguments and on settings
/// that are in the signature. What is not named here may ask for the time or read anything.
constexpr const char* kHarmless =
    "^((date|time|timestamp|timestamptz|timetz)(_(cmp|eq|ne|lt|le|gt|ge)_(date|timestamp|"
    "timestamptz))?|timestamptz_(pl|mi)_interval|interval_pl_timestamptz|date_part|date_trunc|"
    "extract|timezone|make_timestamptz|generate_series|overlaps|in_range|to_char|to_date|"
    "to_timestamp|to_number|to_json|to_jsonb|row_to_json|array_to_json|array_to_string|concat|"
    "concat_ws|format|textanycat|anytextcat|quote_literal|quote_nullable|jsonb?_agg(_strict)?|"
    "jsonb?_object_agg(_strict|_unique)*|jsonb?_build_(array|object)|jsonb?_populate_recordset|"
    "jsonb?_populate_record|jsonb?_to_recordset|jsonb?_to_record)$";

/// What pg_depend does not know, the stored query does: functions and tables of PostgreSQL's own.
std::string sources_sql() {
    return std::string{
               "WITH RECURSIVE seen(oid) AS (SELECT $1::oid UNION "
               "SELECT n.oid FROM seen s JOIN pg_catalog.pg_class c ON c.oid = s.oid, LATERAL ("
               "SELECT m[1]::oid AS oid FROM pg_catalog.pg_rewrite r, "
               "regexp_matches(r.ev_action::text, ':relid (\\d+)', 'g') m "
               "WHERE r.ev_class = c.oid AND r.ev_type = '1' AND (c.relkind = 'v' OR c.oid = $1) "
               "UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i "
               "WHERE i.inhparent = c.oid AND c.relkind IN ('r', 'p')) n WHERE n.oid <> 0), "
               "rel AS (SELECT c.oid, c.relkind, c.relfilenode, c.relrowsecurity, "
               "n.nspname || '.' || c.relname AS name, "
               "pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + "
               "pg_stat_get_tuples_deleted(c.oid) AS changes "
               "FROM seen s JOIN pg_catalog.pg_class c ON c.oid = s.oid AND c.oid <> $1 "
               "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace), "
               "rule AS (SELECT r.oid, r.xmin::text AS version, r.ev_action::text AS action "
               "FROM pg_catalog.pg_rewrite r JOIN seen s ON s.oid = r.ev_class "
               "JOIN pg_catalog.pg_class c ON c.oid = r.ev_class "
               "WHERE r.ev_type = '1' AND (c.relkind = 'v' OR c.oid = $1)), "
               "fn AS (SELECT DISTINCT p.oid, p.xmin::text AS version, p.proname, p.provolatile, "
               "p.prokind FROM rule, regexp_matches(rule.action, "
               "':(?:funcid|opfuncid|aggfnoid|winfnoid) (\\d+)', 'g') m "
               "JOIN pg_catalog.pg_proc p ON p.oid = m[1]::oid), "
               "why AS ("
               "SELECT 1 AS rank, 'reads ' || name || ', which has no counters' AS text FROM rel "
               "WHERE relkind NOT IN ('r', 'p', 'v', 'm', 'f') UNION ALL "
               "SELECT 2, 'reads the foreign table ' || name FROM rel WHERE relkind = 'f' "
               "UNION ALL SELECT 3, 'reads ' || name || ' of the system' FROM rel "
               "WHERE oid < 16384 UNION ALL "
               "SELECT 4, 'reads ' || name || ', which has row level security' FROM rel "
               "WHERE relrowsecurity UNION ALL "
               "SELECT 5, 'calls ' || proname || '()' FROM fn WHERE CASE WHEN oid >= 16384 "
               "THEN provolatile <> 'i' OR prokind <> 'f' "
               "ELSE provolatile = 'v' OR (provolatile = 's' AND proname !~ '"} +
           kHarmless +
           "') END UNION ALL "
           "SELECT 6, 'asks for the present date, time or user' FROM rule "
           "WHERE action LIKE '%{SQLVALUEFUNCTION%' UNION ALL "
           "SELECT 7, 'takes a sample' FROM rule WHERE action LIKE '%{TABLESAMPLECLAUSE%' "
           "UNION ALL "
           // A text like 'today' is a time that changes.
           "SELECT 8, 'reads times out of text' FROM rule "
           "WHERE action ~ ':resulttype (1082|1083|1114|1184|1266) :resultcollid') "
           // All three: after a crash of a backend alone the server counts from 0 again, too.
           "SELECT md5(concat_ws(';', pg_postmaster_start_time(), "
           "(SELECT stats_reset FROM pg_catalog.pg_stat_bgwriter), "
           "(SELECT stats_reset FROM pg_catalog.pg_stat_database "
           "WHERE datname = current_database()), "
           "(SELECT string_agg(concat_ws(':', oid, relkind, relfilenode, changes), ',' "
           "ORDER BY oid) FROM rel), "
           "(SELECT string_agg(concat_ws(':', oid, version), ',' ORDER BY oid) FROM rule), "
           "(SELECT string_agg(concat_ws(':', oid, version), ',' ORDER BY oid) FROM fn "
           "WHERE oid >= 16384), "
           "(SELECT string_agg(setting, ',' ORDER BY name) FROM pg_catalog.pg_settings "
           "WHERE name IN ('TimeZone', 'DateStyle', 'IntervalStyle', 'lc_time', 'lc_numeric', "
           "'lc_monetary', 'extra_float_digits')))), "
           "coalesce((SELECT sum(changes) FROM rel), 0)::bigint, "
           "coalesce((SELECT text FROM why ORDER BY rank, text LIMIT 1), '')";
}

constexpr const char* kDepth =
    "WITH RECURSIVE seen(oid) AS (SELECT $1::oid UNION "
    "SELECT m[1]::oid FROM seen s JOIN pg_catalog.pg_rewrite r ON r.ev_class = s.oid "
    "AND r.ev_type = '1', regexp_matches(r.ev_action::text, ':relid (\\d+)', 'g') m) "
    "SELECT count(*) FROM seen s JOIN pg_catalog.pg_class c ON c.oid = s.oid "
    "WHERE c.relkind = 'm' AND c.oid <> $1";

}  // namespace

Answer<ViewSources> read_view_sources(Connection& db, std::uint32_t view) {
    const Answer<Rows> rows = db.run(sources_sql(), {std::to_string(view)});
    if (!rows) {
        return failed(rows.error());
    }
    return ViewSources{rows->text(0, 0), rows->number(0, 1), rows->text(0, 2)};
}

Answer<std::int64_t> view_depth(Connection& db, std::uint32_t view) {
    const Answer<Rows> rows = db.run(kDepth, {std::to_string(view)});
    if (!rows) {
        return failed(rows.error());
    }
    return rows->number(0, 0);
}

}  // namespace weir::maintenance
