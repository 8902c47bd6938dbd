#include "maintenance/aggregate_target.hpp"

#include "maintenance/aggregate_source.hpp"
#include "maintenance/ladder.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace weir::maintenance {

namespace {

const TypedColumn* find(const std::vector<TypedColumn>& columns, const std::string& name) {
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const TypedColumn& column) {
        return column.name == name;
    });
    return found == columns.end() ? nullptr : &*found;
}

/// One privilege: how it is asked for and how it is granted.
struct Need {
    std::string test;
    std::string grant;
};

std::vector<Need> needs_of(const AggregateDefinition& definition,
                           const std::optional<Relation>& target) {
    const std::string source = definition.source.sql();
    const std::string to = " TO ' || quote_ident(current_user)";
    const auto on_table = [&](const std::string& table, const std::string& privilege) {
        return Need{"has_table_privilege(" + quote_literal(table) + ", '" + privilege + "')",
                    "'GRANT " + privilege + " ON ' || " + quote_literal(table) + " || '" + to};
    };
    std::vector<Need> needs{on_table(source, "SELECT")};
    if (definition.settings.track == conf::LateTracking::Triggers) {
        needs.push_back(on_table(source, "TRIGGER"));
    }
    needs.push_back({"has_database_privilege(current_database(), 'TEMP')",
                     "'GRANT TEMP ON DATABASE ' || quote_ident(current_database()) || '" + to});
    needs.push_back(
        {"to_regnamespace('weir') IS NOT NULL OR has_database_privilege(current_database(), "
         "'CREATE')",
         "'GRANT CREATE ON DATABASE ' || quote_ident(current_database()) || '" + to});
    needs.push_back(
        {"to_regnamespace('weir') IS NULL OR (SELECT has_schema_privilege(oid, 'USAGE') "
         "AND has_schema_privilege(oid, 'CREATE') FROM pg_catalog.pg_namespace WHERE "
         "nspname = 'weir')",
         "'GRANT USAGE, CREATE ON SCHEMA weir" + to});
    if (target) {
        for (const char* privilege : {"SELECT", "INSERT", "UPDATE", "DELETE"}) {
            needs.push_back(on_table(target->sql(), privilege));
        }
    } else {
        const std::string schema = quote_literal(definition.target.schema);
        needs.push_back({"has_schema_privilege(" + schema + ", 'CREATE')",
                         "'GRANT CREATE ON SCHEMA ' || quote_ident(" + schema + ") || '" + to});
    }
    return needs;
}

/// Tables of the source that statements may name: the parent and all partitions.
Answer<std::vector<Relation>> tables_of(Connection& db, const Relation& source) {
    const Answer<Rows> rows = db.run(
        "WITH RECURSIVE tree AS (SELECT $1::oid AS relid UNION ALL SELECT i.inhrelid FROM tree t "
        "JOIN pg_catalog.pg_inherits i ON i.inhparent = t.relid) SELECT c.oid, n.nspname, "
        "c.relname, c.relkind FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
        {std::to_string(source.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<Relation> tables;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        tables.push_back({static_cast<std::uint32_t>(rows->number(i, 0)),
                          rows->text(i, 1),
                          rows->text(i, 2),
                          rows->text(i, 3).front()});
    }
    return tables;
}

std::string marker_name(const AggregateDefinition& definition) {
    return fit_name("mark_" + definition.target.text(), "");
}

std::string marker_sql(const AggregateDefinition& definition) {
    return "weir." + quote_identifier(marker_name(definition));
}

struct Trigger {
    std::string name;
    std::string sql;
};

std::vector<Trigger> triggers_of(const AggregateDefinition& definition, const Relation& table) {
    std::vector<Trigger> triggers;
    for (const auto& [event, rows] :
         {std::pair{"INSERT", "REFERENCING NEW TABLE AS new_rows "},
          std::pair{"UPDATE", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "},
          std::pair{"DELETE", "REFERENCING OLD TABLE AS old_rows "},
          std::pair{"TRUNCATE", ""}}) {
        const std::string name =
            fit_name("weir_" + definition.target.text(), std::string{"_"} + event);
        triggers.push_back({name,
                            "CREATE TRIGGER " + quote_identifier(name) + " AFTER " + event +
                                " ON " + table.sql() + " " + rows +
                                "FOR EACH STATEMENT EXECUTE FUNCTION " + marker_sql(definition) +
                                "()"});
    }
    return triggers;
}

Answer<std::set<std::string>> triggers_on(Connection& db, const Relation& table) {
    const Answer<Rows> rows = db.run(
        "SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid AND NOT "
        "tgisinternal",
        {std::to_string(table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    std::set<std::string> names;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        names.insert(rows->text(i, 0));
    }
    return names;
}

Answer<void> ensure_triggers_on(JobContext& job,
                                const AggregateDefinition& definition,
                                const Relation& table) {
    const Answer<std::set<std::string>> there = triggers_on(job.db, table);
    if (!there) {
        return failed(there.error());
    }
    const bool wanted = definition.settings.track == conf::LateTracking::Triggers;
    LockedStep step;
    step.what = std::string{wanted ? "watch " : "no longer watch "} + table.text();
    step.oids = {table.oid};
    step.locks = "SHARE ROW EXCLUSIVE on " + table.text();
    for (const Trigger& trigger : triggers_of(definition, table)) {
        const bool is_there = there->count(trigger.name) != 0;
        if (wanted && !is_there) {
            step.sql.push_back(trigger.sql);
        } else if (!wanted && is_there) {
            step.sql.push_back("DROP TRIGGER " + quote_identifier(trigger.name) + " ON " +
                               table.sql());
        }
    }
    if (step.sql.empty()) {
        return {};
    }
    // What was changed before is on nobody's list.
    step.also = [&](JobContext& /*job*/) -> Answer<void> {
        const Answer<bool> is_known = has_control(job.db);
        if (!is_known || !*is_known || !wanted) {
            return is_known ? Answer<void>{} : Answer<void>{failed(is_known.error())};
        }
        const Answer<Rows> noted = job.db.run(unwatched_sql(definition, table));
        return noted ? Answer<void>{} : Answer<void>{failed(noted.error())};
    };
    return run_locked(job, step);
}

/// A unique index or key of exactly the columns that tell rows apart.
Answer<bool> has_unique_way(Connection& db,
                            const AggregateDefinition& definition,
                            const Relation& target) {
    std::vector<std::string> names;
    if (!definition.is_per_session) {
        names.emplace_back(kBucketColumn);
    }
    for (const AggregateColumn& group : definition.groups) {
        names.push_back(group.name);
    }
    std::string wanted;
    for (const std::string& name : names) {
        wanted += (wanted.empty() ? "" : ", ") + quote_literal(name);
    }
    const Answer<Rows> rows = db.run(
        "SELECT count(*) FROM pg_catalog.pg_index i WHERE i.indrelid = $1::oid AND i.indisunique "
        "AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND ARRAY(SELECT "
        "a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n) JOIN "
        "pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.n <= "
        "i.indnkeyatts ORDER BY 1) = ARRAY(SELECT unnest(ARRAY[" +
            wanted + "]) ORDER BY 1)",
        {std::to_string(target.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    return rows->number(0, 0) > 0;
}

std::string columns_missing(const std::vector<TypedColumn>& given,
                            const std::vector<TypedColumn>& there,
                            const TargetName& target) {
    for (const TypedColumn& column : given) {
        const TypedColumn* found = find(there, column.name);
        if (found == nullptr) {
            return "has no column " + column.name + " (ALTER TABLE " + target.sql() +
                   " ADD COLUMN " + quote_identifier(column.name) + " " + column.type + ")";
        }
        if (found->type != column.type) {
            return "column " + column.name + " is " + found->type + ", and the aggregate gives " +
                   column.type;
        }
    }
    for (const TypedColumn& column : there) {
        if (column.is_required && find(given, column.name) == nullptr) {
            return "column " + column.name + " is NOT NULL, and the aggregate does not give it";
        }
    }
    return {};
}

Answer<void> check_columns(JobContext& job,
                           const AggregateDefinition& definition,
                           const Relation& target) {
    const Answer<std::vector<TypedColumn>> given = columns_given(job.db, definition);
    if (!given) {
        return failed(given.error());
    }
    const Answer<std::vector<TypedColumn>> there = columns_of(job.db, target.sql());
    if (!there) {
        return failed(there.error());
    }
    const std::string why = columns_missing(*given, *there, definition.target);
    return why.empty() ? Answer<void>{}
                       : Answer<void>{problem("target " + target.text() + ": " + why)};
}

}  // namespace

Answer<std::vector<std::string>> missing_grants(JobContext& job,
                                                const AggregateDefinition& definition) {
    const Answer<std::optional<Relation>> target = find_target(job.db, definition.target);
    if (!target) {
        return failed(target.error());
    }
    std::vector<std::string> grants;
    for (const Need& need : needs_of(definition, *target)) {
        const Answer<Rows> rows = job.db.run("SELECT " + need.test + ", " + need.grant);
        if (!rows) {
            return failed(rows.error());
        }
        if (!rows->flag(0, 0)) {
            grants.push_back(rows->text(0, 1));
        }
    }
    return grants;
}

Answer<std::optional<Relation>> find_target(Connection& db, const TargetName& name) {
    Answer<Relation> found = find_relation(db, name.sql());
    if (!found && found.error().is(state::kUndefinedTable)) {
        return std::optional<Relation>{};
    }
    if (!found) {
        return failed(found.error());
    }
    if (found->kind != 'r' && found->kind != 'p') {
        return problem("target " + found->text() + " is there and is no table",
                       "the sums are kept in a table; a view of them is named by view");
    }
    return std::optional{*std::move(found)};
}

Answer<std::vector<TypedColumn>> columns_of(Connection& db, const std::string& table) {
    const Answer<Rows> rows = db.run(
        "SELECT attname, format_type(atttypid, NULL), attnotnull AND NOT atthasdef AND attidentity "
        "= '' FROM pg_catalog.pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT "
        "attisdropped ORDER BY attnum",
        {table});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<TypedColumn> columns;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        columns.push_back({rows->text(i, 0), rows->text(i, 1), rows->flag(i, 2)});
    }
    return columns;
}

Answer<std::vector<TypedColumn>> columns_given(Connection& db,
                                               const AggregateDefinition& definition) {
    const AggregateSql sql{definition, definition.target.sql()};
    Answer<Transaction> transaction = Transaction::begin(db);  // rolled back
    if (!transaction) {
        return failed(transaction.error());
    }
    const Answer<Rows> made =
        db.run("CREATE TEMP TABLE weir_given AS " + sql.query({}) + " WITH NO DATA");
    if (!made) {
        return problem(definition.job() + ": " + made.error().text,
                       made.error().detail,
                       made.error().sqlstate);
    }
    return columns_of(db, "pg_temp.weir_given");
}

Answer<void> create_target(JobContext& job, const AggregateDefinition& definition) {
    const AggregateSql sql{definition, definition.target.sql()};
    const std::string index = fit_name(definition.target.name, "_key");
    const std::string table = sql.create_target();
    const std::string unique = sql.create_index(index, job.db.server_version());
    job.reporter.statement(table, {});
    job.reporter.statement(unique, {});
    if (job.is_dry) {
        return {};
    }
    const Answer<Rows> made = job.db.run(table + ";" + unique);
    if (!made) {
        return problem(definition.job() + ": " + made.error().text,
                       made.error().detail,
                       made.error().sqlstate);
    }
    job.reporter.note(definition.target.text() + " made");
    return {};
}

Answer<void> check_target(JobContext& job,
                          const AggregateDefinition& definition,
                          const Relation& target,
                          TargetCheck check) {
    if (check == TargetCheck::All) {
        if (Answer<void> fits = check_columns(job, definition, target); !fits) {
            return fits;
        }
    }
    const Answer<bool> is_unique = has_unique_way(job.db, definition, target);
    if (!is_unique) {
        return failed(is_unique.error());
    }
    if (!*is_unique) {
        const AggregateSql sql{definition, target.sql()};
        return problem("target " + target.text() + ": nothing tells its rows apart",
                       sql.create_index(fit_name(target.name, "_key"), job.db.server_version()));
    }
    return {};
}

Answer<void> check_types(Connection& db,
                         const std::string& given,
                         const std::string& table,
                         const AggregateDefinition& definition) {
    const Answer<std::vector<TypedColumn>> columns = columns_of(db, given);
    if (!columns) {
        return failed(columns.error());
    }
    const Answer<std::vector<TypedColumn>> there = columns_of(db, table);
    if (!there) {
        return failed(there.error());
    }
    const std::string why = columns_missing(*columns, *there, definition.target);
    const std::string target = definition.target.text();
    return why.empty() ? Answer<void>{}
                       : Answer<void>{problem(
                             "target " + target + ": " + why,
                             "weir aggregate backfill --rebuild " + target + " computes it anew",
                             kOtherTypes)};
}

Answer<void> make_marker(JobContext& job, const AggregateDefinition& definition) {
    const AggregateSql sql{definition, definition.target.sql()};
    return job.change(sql.create_marker(marker_sql(definition)));
}

Answer<void> ensure_triggers(JobContext& job, const AggregateDefinition& definition) {
    if (definition.settings.track == conf::LateTracking::Triggers) {
        const Answer<Rows> there = job.db.run(
            "SELECT count(*) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = "
            "p.pronamespace WHERE n.nspname = 'weir' AND p.proname = $1",
            {marker_name(definition)});
        if (!there) {
            return failed(there.error());
        }
        if (there->number(0, 0) == 0) {
            if (Answer<void> made = make_marker(job, definition); !made) {
                return made;
            }
        }
    }
    const Answer<std::vector<Relation>> tables = tables_of(job.db, definition.source);
    if (!tables) {
        return failed(tables.error());
    }
    for (const Relation& table : *tables) {
        if (table.kind != 'r' && table.kind != 'p') {
            continue;  // a foreign table has no transition tables
        }
        if (Answer<void> watched = ensure_triggers_on(job, definition, table); !watched) {
            return watched;
        }
    }
    return {};
}

}  // namespace weir::maintenance
