#include "maintenance/aggregate_view.hpp"

#include <optional>
#include <utility>

namespace weir::maintenance {

namespace {

struct LiveView {
    TargetName name;
    std::optional<Relation> there;
};

/// What a view is on, one line per table and column. $1 the view's oid.
constexpr const char* kReads =
    "FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON d.classid = "
    "'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = "
    "'pg_catalog.pg_class'::regclass ";

/// Whom its owner gave what, and what was said of it. $1 its oid, $2 its name.
constexpr const char* kKeepsakes =
    "SELECT DISTINCT 1, format('REVOKE ALL ON %s FROM %s', $2::text, CASE r.grantee WHEN 0 THEN "
    "'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) END) FROM pg_catalog.pg_default_acl f, "
    "LATERAL aclexplode(f.defaclacl) r, pg_catalog.pg_class c WHERE f.defaclobjtype = 'r' AND "
    "c.oid = $1::oid AND r.grantee <> c.relowner "
    "UNION ALL SELECT 2, format('GRANT %s ON %s TO %s', r.privilege_type, $2::text, CASE r.grantee "
    "WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) END || CASE WHEN "
    "r.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM pg_catalog.pg_class c, LATERAL "
    "aclexplode(c.relacl) r WHERE c.oid = $1::oid AND r.grantee <> c.relowner "
    "UNION ALL SELECT 2, format('GRANT %s (%I) ON %s TO %s', r.privilege_type, a.attname, "
    "$2::text, CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) "
    "END || CASE WHEN r.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM "
    "pg_catalog.pg_attribute a, LATERAL aclexplode(a.attacl) r WHERE a.attrelid = $1::oid AND "
    "a.attname = ANY ($3::text[]) "
    "UNION ALL SELECT 3, format('ALTER VIEW %s SET (%s)', $2::text, (SELECT "
    "string_agg(format('%I = %L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ') "
    "FROM unnest(reloptions) o)) FROM pg_catalog.pg_class WHERE oid = $1::oid AND reloptions IS "
    "NOT NULL "
    "UNION ALL SELECT 3, format('COMMENT ON VIEW %s IS %L', $2::text, t) FROM "
    "obj_description($1::oid, 'pg_class') t WHERE t IS NOT NULL "
    "UNION ALL SELECT 3, format('COMMENT ON COLUMN %s.%I IS %L', $2::text, a.attname, t) FROM "
    "pg_catalog.pg_attribute a, LATERAL col_description($1::oid, a.attnum) t WHERE a.attrelid = "
    "$1::oid AND a.attname = ANY ($3::text[]) AND t IS NOT NULL "
    "UNION ALL SELECT 4, format('ALTER VIEW %s OWNER TO %I', $2::text, pg_get_userbyid(relowner)) "
    "FROM pg_catalog.pg_class WHERE oid = $1::oid AND pg_get_userbyid(relowner) <> current_user "
    "ORDER BY 1";

/// @return the names as one value of type text[]
std::string array_of(const std::vector<std::string>& names) {
    std::string all = "{";
    for (const std::string& name : names) {
        all += all.size() > 1 ? ",\"" : "\"";
        for (const char c : name) {
            all.append(c == '"' || c == '\\' ? "\\" : "").push_back(c);
        }
        all += '"';
    }
    return all + "}";
}

/// @return whether it reads the target and how far it is: nobody else's view does both
Answer<bool> is_live(Connection& db, const AggregateDefinition& definition, const Relation& view) {
    const Answer<Rows> rows =
        db.run(std::string{"SELECT count(DISTINCT d.refobjid) "} + kReads +
                   "WHERE w.ev_class = $1::oid AND d.refobjid IN (to_regclass('weir.aggregate'), "
                   "to_regclass($2))",
               {std::to_string(view.oid), definition.target.sql()});
    if (!rows) {
        return failed(rows.error());
    }
    return rows->number(0, 0) == 2;
}

Answer<LiveView> find_view(Connection& db, const AggregateDefinition& definition) {
    const Answer<TargetName> name = target_name(db, definition.settings.view);
    if (!name) {
        return failed(name.error());
    }
    Answer<Relation> there = find_relation(db, name->sql());
    if (!there && !there.error().is(state::kUndefinedTable)) {
        return failed(there.error());
    }
    if (!there) {
        return LiveView{*name, {}};
    }
    if (there->kind != 'v') {
        return problem("view " + name->text() + " is there and is no view", "a name of its own");
    }
    const Answer<bool> is_ours = is_live(db, definition, *there);
    if (!is_ours) {
        return failed(is_ours.error());
    }
    if (!*is_ours) {
        return problem("view " + name->text() + " is there and is not the live view of " +
                           definition.target.text(),
                       "a name of its own");
    }
    return LiveView{*name, *std::move(there)};
}

Answer<std::vector<std::string>> keepsakes(Connection& db,
                                           const Relation& view,
                                           const std::vector<std::string>& columns) {
    const Answer<Rows> rows =
        db.run(kKeepsakes, {std::to_string(view.oid), view.sql(), array_of(columns)});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<std::string> all;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        all.push_back(rows->text(i, 1));
    }
    return all;
}

/// @param columns "" = any of them
Answer<void> refuse_readers_of(Connection& db,
                               const Relation& relation,
                               const std::string& columns,
                               const std::string& but_for) {
    const Answer<Rows> rows = db.run(
        std::string{"SELECT DISTINCT c.oid::regclass, a.attname "} + kReads +
            "JOIN pg_catalog.pg_class c ON c.oid = w.ev_class JOIN pg_catalog.pg_attribute a ON "
            "a.attrelid = d.refobjid AND a.attnum = d.refobjsubid WHERE d.refobjid = $1::oid AND "
            "c.oid <> $1::oid AND c.oid IS DISTINCT FROM to_regclass(nullif($3, '')) AND ($2 = '' "
            "OR a.attname = ANY (nullif($2, '')::text[])) ORDER BY 1, 2 LIMIT 1",
        {std::to_string(relation.oid), columns, but_for});
    if (!rows) {
        return failed(rows.error());
    }
    if (rows->empty()) {
        return {};
    }
    return problem(rows->text(0, 0) + " reads column " + rows->text(0, 1) + " of " +
                       relation.text() + ", whose columns are to change",
                   "make it read others, or drop it until the rebuild is done");
}

}  // namespace

Answer<void> ensure_view(JobContext& job, const AggregateDefinition& definition) {
    if (definition.settings.view.empty()) {
        return {};
    }
    const Answer<LiveView> view = find_view(job.db, definition);
    if (!view) {
        return failed(view.error());
    }
    if (view->there) {
        return {};
    }
    const AggregateSql sql{definition, definition.target.sql()};
    Answer<void> made = job.change(sql.create_view(view->name.sql()));
    if (!made) {
        return problem("view " + view->name.text() + ": " + made.error().text,
                       made.error().detail,
                       made.error().sqlstate);
    }
    return made;
}

Answer<ViewReplacement> replace_view(JobContext& job,
                                     const AggregateDefinition& definition,
                                     const std::vector<TypedColumn>& given) {
    ViewReplacement replacement;
    if (definition.settings.view.empty()) {
        return replacement;
    }
    const Answer<LiveView> view = find_view(job.db, definition);
    if (!view) {
        return failed(view.error());
    }
    const AggregateSql sql{definition, definition.target.sql()};
    replacement.after.push_back(sql.create_view(view->name.sql()));
    if (!view->there) {
        return replacement;
    }
    const Answer<std::vector<TypedColumn>> has = columns_of(job.db, view->name.sql());
    if (!has) {
        return failed(has.error());
    }
    if (given == *has) {
        return replacement;  // CREATE OR REPLACE VIEW is all it needs
    }
    if (Answer<void> unread = refuse_readers_of(job.db, *view->there, "", ""); !unread) {
        return failed(unread.error());
    }
    std::vector<std::string> names;
    names.reserve(given.size());
    for (const TypedColumn& column : given) {
        names.push_back(column.name);
    }
    Answer<std::vector<std::string>> kept = keepsakes(job.db, *view->there, names);
    if (!kept) {
        return failed(kept.error());
    }
    replacement.before.push_back("DROP VIEW " + view->name.sql());
    replacement.after.insert(replacement.after.end(), kept->begin(), kept->end());
    return replacement;
}

Answer<void> refuse_views_of(JobContext& job,
                             const AggregateDefinition& definition,
                             const std::vector<std::string>& going) {
    const Answer<Relation> target = find_relation(job.db, definition.target.sql());
    if (!target) {
        return failed(target.error());
    }
    std::string live;
    if (!definition.settings.view.empty()) {
        const Answer<LiveView> view = find_view(job.db, definition);
        if (!view) {
            return failed(view.error());
        }
        live = view->there ? view->name.sql() : "";
    }
    return going.empty() ? Answer<void>{}
                         : refuse_readers_of(job.db, *target, array_of(going), live);
}

}  // namespace weir::maintenance
