#include "proxy/catalog_query.hpp"

#include "sql/function_catalog.hpp"

namespace weir::proxy {

namespace {

// Set for this one Query: search_path, so that nobody's own objects are taken for PostgreSQL's; and
// jit, because to compile what takes milliseconds takes PostgreSQL a second or more.
constexpr std::string_view kSafely =
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true); "
    "SELECT pg_catalog.set_config(name, 'off', true) FROM pg_settings WHERE name = 'jit'; ";

/// What has been made since the cluster was.
constexpr std::string_view kPrint = R"(WITH print AS (SELECT md5(concat_ws('/',
 (SELECT md5(string_agg(concat(oid, ',', xmin), ' ' ORDER BY oid)) FROM pg_proc WHERE oid >= 16384),
 (SELECT concat_ws(',', count(*), sum(objid::bigint), sum(refobjid::bigint), sum(xmin::text::bigint))
   FROM pg_depend WHERE refclassid = 'pg_proc'::regclass AND refobjid >= 16384),
 (SELECT concat_ws(',', count(*), sum(oid::bigint), sum(xmin::text::bigint)) FROM pg_trigger),
 (SELECT concat_ws(',', count(*), sum(oid::bigint), sum(xmin::text::bigint)) FROM pg_rewrite),
 (SELECT concat_ws(',', count(*), sum(oid::bigint), sum(xmin::text::bigint)) FROM pg_attrdef),
 (SELECT concat_ws(',', count(*), sum(oid::bigint), sum(xmin::text::bigint)) FROM pg_constraint),
 (SELECT concat_ws(',', count(*), sum(oid::bigint), sum(xmin::text::bigint)) FROM pg_policy),
 (SELECT concat_ws(',', count(*), sum(oid::bigint), sum(xmin::text::bigint)) FROM pg_operator),
 (SELECT concat_ws(',', count(*), sum(oid::bigint), sum(xmin::text::bigint)) FROM pg_cast),
 (SELECT concat_ws(',', count(*), sum(oid::bigint), sum(xmin::text::bigint)) FROM pg_type
   WHERE typtype = 'd'),
 (SELECT count(*) FROM pg_aggregate)
)) AS p),
)";

/// PostgreSQL's own functions that leave something, by number, and where stored expressions have
/// these.
constexpr std::string_view kStored = R"(own AS (SELECT array_agg(oid) AS oids,
  ':(funcid|opfuncid|aggfnoid|winfnoid) (' || string_agg(oid::text, '|') || ')[^0-9]' AS pattern
 FROM pg_proc WHERE oid < 16384 AND pronamespace = 'pg_catalog'::regnamespace
  AND (proname IN ('set_config', 'setseed', 'pg_advisory_lock', 'pg_advisory_lock_shared',
  'pg_try_advisory_lock', 'pg_try_advisory_lock_shared', 'pg_replication_origin_session_setup',
  'query_to_xml', 'query_to_xmlschema', 'query_to_xml_and_xmlschema', 'cursor_to_xml', 'ts_stat',
  'ts_rewrite'))),
stored AS (SELECT
  EXISTS (SELECT FROM pg_rewrite WHERE oid >= 16384
   AND (ev_action::text ~ own.pattern OR ev_qual::text ~ own.pattern))
  OR EXISTS (SELECT FROM pg_attrdef WHERE adbin::text ~ own.pattern)
  OR EXISTS (SELECT FROM pg_constraint WHERE conbin::text ~ own.pattern)
  OR EXISTS (SELECT FROM pg_policy WHERE polqual::text ~ own.pattern
   OR polwithcheck::text ~ own.pattern)
  OR EXISTS (SELECT FROM pg_trigger WHERE tgqual::text ~ own.pattern)
  OR EXISTS (SELECT FROM pg_type WHERE typtype = 'd' AND typdefaultbin::text ~ own.pattern)
  OR EXISTS (SELECT FROM pg_operator WHERE oid >= 16384 AND oprcode = ANY (own.oids))
  OR EXISTS (SELECT FROM pg_cast WHERE castfunc = ANY (own.oids))
  OR EXISTS (SELECT FROM pg_aggregate WHERE aggfnoid >= 16384 AND (aggtransfn = ANY (own.oids)
   OR aggfinalfn = ANY (own.oids) OR aggmtransfn = ANY (own.oids)
   OR aggminvtransfn = ANY (own.oids) OR aggmfinalfn = ANY (own.oids)
   OR aggcombinefn = ANY (own.oids))) AS calls
 FROM own),
)";

/// A function's defaults run as well. One written in C or taken from PostgreSQL is told by what it
/// is called there: few of those leave something.
constexpr std::string_view kFunctions = R"(functions AS (SELECT p.oid, p.proname, l.lanname,
  concat(
   CASE WHEN EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass
     AND d.refobjid = p.oid AND d.classid <> 'pg_trigger'::regclass
     AND (d.classid <> 'pg_proc'::regclass
      OR EXISTS (SELECT FROM pg_aggregate a WHERE a.aggfnoid = d.objid))) THEN 'h' END,
   CASE WHEN EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass
     AND d.refobjid = p.oid AND d.classid = 'pg_trigger'::regclass) THEN 't' END,
   CASE WHEN EXISTS (SELECT FROM unnest(p.proconfig) c WHERE lower(c) LIKE 'seed=%') THEN 's' END
  ) AS flags,
  encode(convert_to(concat_ws(' ; ',
    CASE WHEN l.lanname = 'sql' AND p.prosrc = '' THEN pg_get_functiondef(p.oid) ELSE p.prosrc END,
    pg_get_expr(p.proargdefaults, 0)), getdatabaseencoding()), 'escape') AS source
 FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.oid >= 16384 AND (l.lanname NOT IN ('c', 'internal') OR p.proargdefaults IS NOT NULL
  OR p.prosrc ~ '^(dblink_|set_limit|set_config|setseed|pg_(try_)?advisory_|pg_replication_origin_|crosstab|connectby|xpath_table|query_to_|cursor_to_|ts_stat|ts_rewrite|tsquery_rewrite_query)'))
)";

constexpr std::string_view kRows = R"(SELECT 'print', p, '', '', '' FROM print
UNION ALL SELECT 'hidden', '', '', '', '' FROM print, stored WHERE p <> $1 AND calls
UNION ALL (SELECT 'function',
  CASE WHEN n = 0 THEN encode(convert_to(proname::text, getdatabaseencoding()), 'escape')
   ELSE '' END, lanname::text, flags, substr(source, n * 40000 + 1, 40000)
 FROM print, functions, generate_series(0, (length(source) - 1) / 40000) n
 WHERE p <> $1 ORDER BY functions.oid, n)
)";

constexpr std::string_view kCallableBegin = R"(
UNION ALL SELECT 'callable', CASE WHEN schema ~ '^[ -~]*$' THEN schema ELSE '?' END, name,
  CASE WHEN schema !~ '^[ -~]*$' THEN 'v' ELSE volatility END, ''
 FROM print, ()";
constexpr std::string_view kCallableEnd = R"() AS f (schema, name, volatility)
 WHERE p <> $1 AND name ~ '^[ -~]*$'
)";

void append_with_print(std::string& sql, std::string_view rest, std::string_view print) {
    constexpr std::string_view kParameter = "$1";
    for (std::size_t at = rest.find(kParameter); at != std::string_view::npos;
         at = rest.find(kParameter)) {
        sql.append(rest.substr(0, at)).append(1, '\'').append(print).append(1, '\'');
        rest.remove_prefix(at + kParameter.size());
    }
    sql.append(rest);
}

}  // namespace

std::string catalog_query(std::string_view print, bool wants_callable) {
    std::string sql{kSafely};
    sql.append(kPrint).append(kStored).append(kFunctions);
    append_with_print(sql, kRows, print);
    if (wants_callable) {
        sql.append(kCallableBegin).append(sql::kFunctionsQuery);
        append_with_print(sql, kCallableEnd, print);
    }
    return sql;
}

}  // namespace weir::proxy
