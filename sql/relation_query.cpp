#include "sql/relation_query.hpp"

#include <string>

namespace weir::sql {

namespace {

/// Relations, and what their columns tell. 1083 is time, 1266 timetz; arrays and domains of them
/// count as well.
constexpr std::string_view kRelations = R"(WITH
rel AS (SELECT c.oid, c.relkind, c.relrowsecurity, c.relname, n.nspname
 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
  ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r','p','v','m','f','S']::pg_catalog."char"[])
  AND n.nspname OPERATOR(pg_catalog.!~) '^pg_temp_'),
clock AS MATERIALIZED (SELECT t.oid, 1266::pg_catalog.oid OPERATOR(pg_catalog.=)
   ANY (ARRAY[t.oid, t.typelem, t.typbasetype,
   COALESCE(base.typelem, 0::pg_catalog.oid)]) AS z
 FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type base
  ON base.oid OPERATOR(pg_catalog.=) t.typbasetype
 WHERE ARRAY[t.oid, t.typelem, t.typbasetype,
   COALESCE(base.typelem, 0::pg_catalog.oid)] OPERATOR(pg_catalog.&&)
  ARRAY[1083, 1266]::pg_catalog.oid[]),
clocked AS (SELECT a.attrelid, pg_catalog.bool_or(clock.z) AS z,
  pg_catalog.bool_or(NOT clock.z) AS t
 FROM pg_catalog.pg_attribute a JOIN clock ON clock.oid OPERATOR(pg_catalog.=) a.atttypid
 WHERE NOT a.attisdropped GROUP BY a.attrelid),
rule AS MATERIALIZED (SELECT r.ev_class, r.ev_type, rel.relkind,
  pg_catalog.concat(' ', r.ev_qual::pg_catalog.text, r.ev_action::pg_catalog.text) AS tree
 FROM pg_catalog.pg_rewrite r JOIN rel ON rel.oid OPERATOR(pg_catalog.=) r.ev_class
 WHERE r.ev_class OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid),
mention AS MATERIALIZED (SELECT DISTINCT rule.ev_class, rule.ev_type, rule.relkind,
  m[1] OPERATOR(pg_catalog.~~) ':relid%' AS is_relation,
  pg_catalog.split_part(m[1], ' ', 2)::pg_catalog.oid AS oid
 FROM rule, pg_catalog.regexp_matches(rule.tree,
  ':(?:relid|funcid|opfuncid|aggfnoid|winfnoid) [1-9][0-9]*', 'g') m),
)";

/// Views that hang on the time, as SQLValueFunction does or a text that says 'now'; the numbers are
/// the types whose input knows no such word: bool, bytea, char, name, int8, int2, int4, text, oid,
/// json, xml, float4, float8, inet, bpchar, varchar, bit, varbit, numeric, interval, uuid, jsonb.
/// Trees are long, and looking for a word is cheaper than for a pattern.
constexpr std::string_view kViews = R"(marked AS (SELECT ev_class, pg_catalog.concat(
  CASE WHEN pg_catalog.bool_or(CASE WHEN
    pg_catalog.strpos(tree, '{SQLVALUEFUNCTION') OPERATOR(pg_catalog.>) 0
   THEN tree OPERATOR(pg_catalog.~) '[{]SQLVALUEFUNCTION :op [0-8] ' END) THEN 'N' END,
  CASE WHEN pg_catalog.bool_or(CASE WHEN
    pg_catalog.strpos(tree, '{COERCEVIAIO') OPERATOR(pg_catalog.>) 0 THEN
    tree OPERATOR(pg_catalog.~)
     ':resulttype (?!(?:16|17|18|19|20|21|23|25|26|114|142|700|701|1042|1043|1560|1562|1700|1186|2950|3802|869) )[0-9]+ :resultcollid'
   END OR pg_catalog.strpos(tree, '{JSONEXPR') OPERATOR(pg_catalog.>) 0) THEN 'I' END,
  CASE WHEN pg_catalog.bool_or(
    pg_catalog.strpos(tree, '{TABLESAMPLECLAUSE') OPERATOR(pg_catalog.>) 0
    OR pg_catalog.strpos(tree, '{ROWMARKCLAUSE') OPERATOR(pg_catalog.>) 0) THEN 'M' END,
  CASE WHEN pg_catalog.bool_or(relkind OPERATOR(pg_catalog.<>) ALL
   (ARRAY['v','m']::pg_catalog."char"[])) THEN 'L' END) AS flags
 FROM rule WHERE ev_type OPERATOR(pg_catalog.=) '1'::pg_catalog."char" GROUP BY ev_class),
)";

/// Functions and their effective volatility: PostgreSQL calls every aggregate immutable.
constexpr std::string_view kFunctions = R"(func AS (SELECT p.oid, p.proname, n.nspname,
  CASE WHEN p.prokind OPERATOR(pg_catalog.=) 'a'::pg_catalog."char" THEN
   GREATEST(p.provolatile::pg_catalog.text, (SELECT pg_catalog.max(part.provolatile::pg_catalog.text)
    FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc part ON part.oid OPERATOR(pg_catalog.=)
     ANY (ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
      a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::pg_catalog.oid[])
    WHERE a.aggfnoid::pg_catalog.oid OPERATOR(pg_catalog.=) p.oid))
   ELSE p.provolatile::pg_catalog.text END AS level,
  CASE WHEN p.prokind OPERATOR(pg_catalog.=) 'a'::pg_catalog."char" THEN 's'
   WHEN l.lanname OPERATOR(pg_catalog.=) 'sql' THEN 's'
   WHEN l.lanname OPERATOR(pg_catalog.=) 'plpgsql' THEN 'p'
   WHEN l.lanname OPERATOR(pg_catalog.=) ANY (ARRAY['c','internal']::pg_catalog.name[]) THEN 'c'
   ELSE 'o' END AS language,
  p.prokind, p.prosrc, p.proargdefaults, p.pronargs, p.pronargdefaults, p.proargtypes,
  p.prorettype, p.proallargtypes
 FROM pg_catalog.pg_proc p
 JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
 JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang),
source AS (SELECT f.oid, pg_catalog.encode(pg_catalog.convert_to(pg_catalog.concat_ws(' ; ',
  CASE WHEN f.prokind OPERATOR(pg_catalog.=) 'a'::pg_catalog."char" THEN
    (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(part.proname), ' ')
     FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc part ON part.oid OPERATOR(pg_catalog.=)
      ANY (ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
       a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::pg_catalog.oid[])
     WHERE a.aggfnoid::pg_catalog.oid OPERATOR(pg_catalog.=) f.oid)
   WHEN f.language OPERATOR(pg_catalog.=) 's' AND f.prosrc OPERATOR(pg_catalog.=) ''
    THEN pg_catalog.pg_get_functiondef(f.oid)
   WHEN f.language OPERATOR(pg_catalog.=) ANY (ARRAY['s','p']) THEN f.prosrc END,
  pg_catalog.pg_get_expr(f.proargdefaults, 0::pg_catalog.oid)), pg_catalog.getdatabaseencoding()),
  'escape') AS text
 FROM func f WHERE f.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid),
)";

/// Which relation's reads or writes run what hangs on a function; "hidden" is what no relation has.
constexpr std::string_view kUses = R"(uses AS (
 SELECT d.refobjid AS function, COALESCE(ad.adrelid, con.conrelid, po.polrelid, tg.tgrelid,
   ix.indrelid, CASE WHEN d.classid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid THEN d.objid END,
   0::pg_catalog.oid) AS relation,
  CASE WHEN po.polrelid IS NULL THEN 'w' ELSE 'r' END AS moment
 FROM pg_catalog.pg_depend d
 LEFT JOIN pg_catalog.pg_attrdef ad ON d.classid OPERATOR(pg_catalog.=) 2604::pg_catalog.oid
  AND ad.oid OPERATOR(pg_catalog.=) d.objid
 LEFT JOIN (SELECT c.oid, c.conrelid FROM pg_catalog.pg_constraint c
   WHERE c.conrelid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid) AS con
  ON d.classid OPERATOR(pg_catalog.=) 2606::pg_catalog.oid
  AND con.oid OPERATOR(pg_catalog.=) d.objid
 LEFT JOIN pg_catalog.pg_policy po ON d.classid OPERATOR(pg_catalog.=) 3256::pg_catalog.oid
  AND po.oid OPERATOR(pg_catalog.=) d.objid
 LEFT JOIN pg_catalog.pg_trigger tg ON d.classid OPERATOR(pg_catalog.=) 2620::pg_catalog.oid
  AND tg.oid OPERATOR(pg_catalog.=) d.objid
 LEFT JOIN pg_catalog.pg_index ix ON d.classid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid
  AND ix.indexrelid OPERATOR(pg_catalog.=) d.objid
 WHERE d.refclassid OPERATOR(pg_catalog.=) 1255::pg_catalog.oid
  AND d.refobjid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
  AND d.classid OPERATOR(pg_catalog.<>) ALL
   (ARRAY[1255, 2618, 3466, 2612, 3381]::pg_catalog.oid[])
  AND (tg.tgfoid IS NULL OR tg.tgfoid OPERATOR(pg_catalog.<>) d.refobjid))
)";

/// The first of the branches says of which type the columns are: text, because a name is cut.
constexpr std::string_view kRowsOfRelations = R"(
(SELECT 'relation', rel.oid::pg_catalog.text,
  CASE WHEN rel.nspname OPERATOR(pg_catalog.~) '^[ -~]*$' THEN rel.nspname::pg_catalog.text
   ELSE '?' END,
  pg_catalog.concat(rel.relkind, CASE WHEN rel.relrowsecurity THEN 'R' END,
   CASE WHEN clocked.z THEN 'Z' END, CASE WHEN clocked.t THEN 'T' END, marked.flags),
  CASE WHEN rel.relname OPERATOR(pg_catalog.~) '^[ -~]*$' THEN rel.relname::pg_catalog.text
   ELSE '' END
 FROM rel LEFT JOIN clocked ON clocked.attrelid OPERATOR(pg_catalog.=) rel.oid
 LEFT JOIN marked ON marked.ev_class OPERATOR(pg_catalog.=) rel.oid ORDER BY rel.oid)
UNION ALL (SELECT 'child', i.inhparent::pg_catalog.text, i.inhrelid::pg_catalog.text, '', ''
 FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c
  ON c.oid OPERATOR(pg_catalog.=) i.inhrelid
 WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r','p','f']::pg_catalog."char"[])
 ORDER BY i.inhparent, i.inhrelid)
UNION ALL (SELECT CASE WHEN ev_type OPERATOR(pg_catalog.=) '1'::pg_catalog."char" THEN 'reads'
   ELSE 'rule' END AS kind, ev_class::pg_catalog.text, oid::pg_catalog.text, '', ''
 FROM mention WHERE is_relation AND (ev_type OPERATOR(pg_catalog.<>) '1'::pg_catalog."char"
  OR oid OPERATOR(pg_catalog.<>) ev_class)
 ORDER BY ev_class, oid, kind)
UNION ALL (SELECT 'calls', m.ev_class::pg_catalog.text, f.oid::pg_catalog.text,
  pg_catalog.concat(CASE WHEN m.ev_type OPERATOR(pg_catalog.=) '1'::pg_catalog."char" THEN 'r'
   ELSE 'w' END, f.level) AS word,
  CASE WHEN f.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid THEN f.proname::pg_catalog.text
   ELSE '' END
 FROM mention m JOIN func f ON f.oid OPERATOR(pg_catalog.=) m.oid
 WHERE NOT m.is_relation AND (f.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
  OR f.level OPERATOR(pg_catalog.<>) 'i') ORDER BY m.ev_class, f.oid, word)
UNION ALL (SELECT DISTINCT 'calls', u.relation::pg_catalog.text, u.function::pg_catalog.text,
  pg_catalog.concat(u.moment, f.level) AS word, ''
 FROM uses u JOIN func f ON f.oid OPERATOR(pg_catalog.=) u.function
 WHERE u.relation OPERATOR(pg_catalog.<>) 0::pg_catalog.oid ORDER BY 2, 3, 4)
UNION ALL (SELECT 'cascade', confrelid::pg_catalog.text, conrelid::pg_catalog.text,
  pg_catalog.concat(confdeltype, confupdtype) AS word, ''
 FROM pg_catalog.pg_constraint WHERE contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"
 ORDER BY confrelid, conrelid, word)
UNION ALL (SELECT 'trigger', tgrelid::pg_catalog.text, tgfoid::pg_catalog.text,
  tgtype::pg_catalog.text, ''
 FROM pg_catalog.pg_trigger WHERE NOT tgisinternal
  AND tgenabled OPERATOR(pg_catalog.<>) 'D'::pg_catalog."char" ORDER BY tgrelid, tgfoid, tgtype)
)";

constexpr std::string_view kRowsOfFunctions = R"(
UNION ALL (SELECT CASE WHEN n OPERATOR(pg_catalog.=) 0 THEN 'function' ELSE 'source' END,
  f.oid::pg_catalog.text, CASE WHEN n OPERATOR(pg_catalog.=) 0 THEN
   CASE WHEN f.nspname OPERATOR(pg_catalog.~) '^[ -~]*$' THEN f.nspname::pg_catalog.text
    ELSE '?' END ELSE '' END,
  CASE WHEN n OPERATOR(pg_catalog.=) 0 THEN pg_catalog.concat(f.level, f.language) ELSE '' END,
  CASE WHEN n OPERATOR(pg_catalog.=) 0 THEN
   CASE WHEN f.proname OPERATOR(pg_catalog.~) '^[ -~]*$' THEN f.proname::pg_catalog.text
    ELSE '' END
   ELSE pg_catalog.substr(s.text, (n OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog.*) 40000
    OPERATOR(pg_catalog.+) 1, 40000) END
 FROM source s JOIN func f ON f.oid OPERATOR(pg_catalog.=) s.oid, pg_catalog.generate_series(0,
  (pg_catalog.length(s.text) OPERATOR(pg_catalog.+) 39999) OPERATOR(pg_catalog./) 40000) n
 ORDER BY f.oid, n)
UNION ALL (SELECT DISTINCT 'hidden', '', u.function::pg_catalog.text, '', '' FROM uses u
 JOIN func f ON f.oid OPERATOR(pg_catalog.=) u.function
 WHERE u.relation OPERATOR(pg_catalog.=) 0::pg_catalog.oid
  AND f.language OPERATOR(pg_catalog.<>) 'c' ORDER BY 3)
UNION ALL (SELECT 'computed', '', '', pg_catalog.max(f.level),
  CASE WHEN f.proname OPERATOR(pg_catalog.~) '^[ -~]*$' THEN f.proname::pg_catalog.text
   ELSE '' END AS text
 FROM func f JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) f.proargtypes[0]
 WHERE f.level OPERATOR(pg_catalog.<>) 'i' AND f.pronargs OPERATOR(pg_catalog.>=) 1
  AND f.pronargs OPERATOR(pg_catalog.-) f.pronargdefaults OPERATOR(pg_catalog.<=) 1
  AND (t.typtype OPERATOR(pg_catalog.=) ANY (ARRAY['c','d']::pg_catalog."char"[])
   OR t.oid OPERATOR(pg_catalog.=) ANY (ARRAY[2249,2276,2283,2776,5077,5079]::pg_catalog.oid[]))
 GROUP BY text ORDER BY text)
)";

/// 1082 is date, 1114 timestamp, 1184 timestamptz.
constexpr std::string_view kRowsOfTheRest = R"(
UNION ALL (SELECT 'column', '', '', '', a.attname::pg_catalog.text
 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c
  ON c.oid OPERATOR(pg_catalog.=) a.attrelid
 WHERE a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
  AND c.relkind OPERATOR(pg_catalog.=)
   ANY (ARRAY['r','p','v','m','f','c']::pg_catalog."char"[])
 GROUP BY a.attname HAVING pg_catalog.bool_and(a.atttypid OPERATOR(pg_catalog.=)
   ANY (ARRAY[1082,1114,1184]::pg_catalog.oid[]))
  AND a.attname OPERATOR(pg_catalog.~) '^[ -~]*$' ORDER BY a.attname)
UNION ALL (SELECT DISTINCT 'operator', '', '', '', o.oprname::pg_catalog.text
 FROM pg_catalog.pg_operator o
 JOIN func f ON f.oid OPERATOR(pg_catalog.=) o.oprcode::pg_catalog.oid
 WHERE o.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
  AND f.level OPERATOR(pg_catalog.<>) 'i' ORDER BY 5)
UNION ALL (SELECT DISTINCT 'cast', '', '', c.castcontext::pg_catalog.text, ''
 FROM pg_catalog.pg_cast c LEFT JOIN func f ON f.oid OPERATOR(pg_catalog.=) c.castfunc
 WHERE c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
  AND (c.castmethod OPERATOR(pg_catalog.=) 'i'::pg_catalog."char"
   OR f.level OPERATOR(pg_catalog.<>) 'i') ORDER BY 4)
UNION ALL SELECT 'flag', '', '', 'timetz', '' WHERE EXISTS (SELECT FROM func f
  JOIN clock ON clock.z AND (clock.oid OPERATOR(pg_catalog.=) f.prorettype
   OR clock.oid OPERATOR(pg_catalog.=) ANY (f.proargtypes::pg_catalog.oid[])
   OR clock.oid OPERATOR(pg_catalog.=) ANY (f.proallargtypes))
  WHERE f.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid)
 OR EXISTS (SELECT FROM clocked JOIN pg_catalog.pg_class c
  ON c.oid OPERATOR(pg_catalog.=) clocked.attrelid
  WHERE c.relkind OPERATOR(pg_catalog.=) 'c'::pg_catalog."char")
 OR EXISTS (SELECT FROM pg_catalog.pg_range r
  JOIN clock ON clock.oid OPERATOR(pg_catalog.=) r.rngsubtype)
UNION ALL SELECT 'flag', '', '', 'event_trigger', ''
 WHERE EXISTS (SELECT FROM pg_catalog.pg_event_trigger)
UNION ALL SELECT 'flag', '', '', 'isolation', ''
 WHERE EXISTS (SELECT FROM pg_catalog.pg_settings s
   WHERE s.name OPERATOR(pg_catalog.=) 'default_transaction_isolation'
    AND (s.setting OPERATOR(pg_catalog.<>) 'read committed'
     OR s.reset_val OPERATOR(pg_catalog.<>) 'read committed'))
  OR EXISTS (SELECT FROM pg_catalog.pg_db_role_setting r
   WHERE pg_catalog.array_to_string(r.setconfig, ' ')
    OPERATOR(pg_catalog.~~) '%transaction_isolation%')
UNION ALL SELECT 'server', d.oid::pg_catalog.text, '', '',
  pg_catalog.concat_ws('/', EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time()),
   (SELECT EXTRACT(epoch FROM w.stats_reset) FROM pg_catalog.pg_stat_bgwriter w))
 FROM pg_catalog.pg_database d
 WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
)";

}  // namespace

std::string relations_query() {
    std::string sql;
    for (const std::string_view part : {kRelations,
                                        kViews,
                                        kFunctions,
                                        kUses,
                                        kRowsOfRelations,
                                        kRowsOfFunctions,
                                        kRowsOfTheRest}) {
        sql += part;
    }
    return sql;
}

}  // namespace weir::sql
