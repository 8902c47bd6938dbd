#include "maintenance/control_schema.hpp"

#include "maintenance/identifier.hpp"

namespace weir::maintenance {

namespace {

/// What comes of two that make the same thing at the same time, IF NOT EXISTS or not.
bool is_made_by_another(const Problem& problem) {
    constexpr const char* kUnique = "23505";
    constexpr const char* kDuplicateSchema = "42P06";
    return problem.is(kUnique) || problem.is(kDuplicateSchema) ||
           problem.is(state::kDuplicateTable);
}

Answer<void> make(Connection& db, const std::string& sql) {
    const Answer<Rows> made = db.run(sql);
    if (made || is_made_by_another(made.error())) {
        return {};
    }
    return failed(made.error());
}

}  // namespace

Answer<bool> has_control_table(Connection& db, const std::string& table) {
    const Answer<Rows> found = db.run(
        "SELECT coalesce((SELECT has_schema_privilege(n.oid, 'USAGE') AND "
        "has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND "
        "has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE') "
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname = $2), false)",
        {std::string{kControlSchema}, table});
    if (!found) {
        return failed(found.error());
    }
    return found->flag(0, 0);
}

Answer<void> make_control_schema(Connection& db) {
    // CREATE … IF NOT EXISTS asks for the privilege also where nothing is to be made.
    const Answer<Rows> there = db.run("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1",
                                      {std::string{kControlSchema}});
    if (!there) {
        return failed(there.error());
    }
    return there->empty()
               ? make(db, "CREATE SCHEMA IF NOT EXISTS " + quote_identifier(kControlSchema))
               : Answer<void>{};
}

Answer<void> make_control_table(JobContext& job,
                                const std::string& table,
                                const std::string& columns) {
    const Answer<bool> is_there = has_control_table(job.db, table);
    if (!is_there) {
        return failed(is_there.error());
    }
    if (*is_there || job.is_dry) {
        return {};
    }
    if (Answer<void> made = make_control_schema(job.db); !made) {
        return made;
    }
    return make(job.db,
                "CREATE TABLE IF NOT EXISTS " + quote_identifier(kControlSchema) + "." +
                    quote_identifier(table) + " (" + columns + ")");
}

}  // namespace weir::maintenance
