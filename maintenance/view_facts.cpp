#include "maintenance/view_facts.hpp"

#include <cstddef>

namespace weir::maintenance {

namespace {

constexpr int kMaintainPrivilege = 170'000;  // GRANT MAINTAIN is of 17

/// What is_usable_unique_index() of PostgreSQL asks for.
constexpr const char* kKeys =
    "SELECT DISTINCT a.attname, a.attnum FROM pg_catalog.pg_index i "
    "JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid "
    "JOIN pg_catalog.pg_am m ON m.oid = x.relam "
    "JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid "
    "AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) "
    "WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indimmediate "
    "AND i.indpred IS NULL AND i.indexprs IS NULL AND m.amname = 'btree' ORDER BY a.attnum";

constexpr const char* kLikelyKey =
    "SELECT a.attname, coalesce(s.n_distinct = -1 AND s.null_frac = 0, false) "
    "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname "
    "AND s.attname = a.attname "
    "WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND EXISTS ("
    "SELECT 1 FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod "
    "WHERE m.amname = 'btree' AND o.opcdefault AND (o.opcintype = a.atttypid OR EXISTS ("
    "SELECT 1 FROM pg_catalog.pg_cast t WHERE t.castsource = a.atttypid "
    "AND t.casttarget = o.opcintype AND t.castmethod = 'b' AND t.castcontext = 'i'))) "
    "ORDER BY 2 DESC, a.attnum";

std::string facts_sql(int version) {
    const std::string maintain =
        version >= kMaintainPrivilege ? " OR has_table_privilege(c.oid, 'MAINTAIN')" : "";
    return "SELECT c.relispopulated, pg_has_role(c.relowner, 'USAGE')" + maintain +
           ", pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c WHERE c.oid = $1::oid";
}

Answer<void> read_columns(Connection& db, ViewFacts& facts) {
    const std::vector<Parameter> oid{std::to_string(facts.relation.oid)};
    const Answer<Rows> keys = db.run(kKeys, oid);
    if (!keys) {
        return failed(keys.error());
    }
    for (std::size_t i = 0; i < keys->size(); ++i) {
        facts.key_columns.push_back(keys->text(i, 0));
    }
    if (!facts.key_columns.empty()) {
        return {};
    }
    const Answer<Rows> likely = db.run(kLikelyKey, oid);
    if (!likely) {
        return failed(likely.error());
    }
    for (std::size_t i = 0; i < likely->size(); ++i) {
        facts.likely_key.push_back(likely->text(i, 0));
        if (likely->flag(i, 1)) {  // they come first
            facts.is_key_likely_unique = true;
            break;
        }
    }
    return {};
}

}  // namespace

std::string ViewFacts::why_not_concurrently() const {
    if (!is_populated) {
        return "it has never been filled";
    }
    return key_columns.empty() ? "it has no unique index on plain columns without WHERE" : "";
}

std::string ViewFacts::unique_index_sql() const {
    if (!key_columns.empty() || likely_key.empty()) {
        return "";
    }
    std::string columns;
    for (const std::string& column : likely_key) {
        columns += (columns.empty() ? "" : ", ") + quote_identifier(column);
    }
    return "CREATE UNIQUE INDEX ON " + relation.sql() + " (" + columns + ")";
}

Answer<ViewFacts> read_view(Connection& db, const std::string& name) {
    ViewFacts facts;
    Answer<Relation> relation = find_relation(db, name);
    if (!relation) {
        return failed(relation.error());
    }
    if (relation->kind != 'm') {
        return problem(relation->text() + ": is no materialized view",
                       "weir view list says which there are");
    }
    facts.relation = std::move(*relation);
    const Answer<Rows> rows =
        db.run(facts_sql(db.server_version()), {std::to_string(facts.relation.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    if (rows->empty()) {
        return problem(name + ": has just been dropped");
    }
    facts.is_populated = rows->flag(0, 0);
    facts.may_refresh = rows->flag(0, 1);
    facts.owner = rows->text(0, 2);
    if (const Answer<void> done = read_columns(db, facts); !done) {
        return failed(done.error());
    }
    return facts;
}

}  // namespace weir::maintenance
