#include "maintenance/doctor_privileges.hpp"

#include "maintenance/control_schema.hpp"
#include "maintenance/identifier.hpp"
#include "maintenance/view_facts.hpp"

#include <optional>
#include <string>
#include <utility>

namespace weir::maintenance {

namespace {

using State = DoctorCheck::State;

/// Asks one thing after the other; what the server refuses to answer is a finding, too.
class Examination {
public:
    Examination(Connection& db, std::string user) : db_{db}, user_{std::move(user)} {}

    /// @param sql one row, one column: whether it is so
    /// @param lack what it means when it is not; @param grant what mends that
    void expect(const std::string& subject,
                const std::string& sql,
                const std::vector<Parameter>& parameters,
                const std::string& lack,
                const std::string& grant) {
        const Answer<Rows> rows = db_.run(sql, parameters);
        if (!rows) {
            add(State::Finding, subject, rows.error().line());
        } else if (rows->empty() || !rows->flag(0, 0)) {
            add(State::Finding, subject, lack, grant);
        }
    }

    void add(State state,
             const std::string& subject,
             const std::string& text,
             const std::string& fix = {}) {
        found_ = found_ || state != State::Fine;
        checks_.push_back({state, "privileges", subject, text, fix});
    }

    /// @return the relation; where it is not there that is a finding
    std::optional<Relation> find(const std::string& name, const std::string& subject) {
        Answer<Relation> relation = find_relation(db_, name);
        if (!relation) {
            add(State::Finding, subject, relation.error().line());
            return std::nullopt;
        }
        return std::move(*relation);
    }

    void expect_owner(const Relation& relation, const std::string& subject) {
        const Answer<Rows> owner = db_.run(
            "SELECT pg_get_userbyid(relowner), pg_has_role(relowner, 'USAGE') "
            "FROM pg_catalog.pg_class WHERE oid = $1::oid",
            {std::to_string(relation.oid)});
        if (!owner || owner->empty()) {
            add(State::Finding, subject, "its owner cannot be asked for");
        } else if (!owner->flag(0, 1)) {
            add(State::Finding,
                subject,
                user_ + " is no member of " + owner->text(0, 0) + ", who owns " + relation.text(),
                "GRANT " + quote_identifier(owner->text(0, 0)) + " TO " + quote_identifier(user_));
        }
    }

    void expect_create(const std::string& schema, const std::string& subject) {
        expect(subject,
               "SELECT has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE') "
               "FROM pg_catalog.pg_namespace WHERE nspname = $1",
               {schema},
               user_ + " may not make anything in the schema " + schema + ", or it is not there",
               "GRANT USAGE, CREATE ON SCHEMA " + quote_identifier(schema) + " TO " +
                   quote_identifier(user_));
    }

    void expect_on_table(const Relation& relation,
                         const char* privilege,
                         const std::string& subject) {
        expect(subject,
               "SELECT has_table_privilege($1::oid, $2)",
               {std::to_string(relation.oid), privilege},
               user_ + " has no " + privilege + " on " + relation.text(),
               std::string{"GRANT "} + privilege + " ON " + relation.sql() + " TO " +
                   quote_identifier(user_));
    }

    /// Says that all is there, where nothing was found since the last time.
    void conclude(const std::string& subject) {
        if (!std::exchange(found_, false)) {
            add(State::Fine, subject, user_ + " has what it takes");
        }
    }

    [[nodiscard]] Connection& db() { return db_; }

    [[nodiscard]] const std::string& user() const { return user_; }

    [[nodiscard]] DoctorChecks take() { return std::move(checks_); }

private:
    Connection& db_;
    std::string user_;
    DoctorChecks checks_;
    bool found_ = false;
};

void examine(Examination& examination, const conf::PartitionSettings& partition) {
    const std::string subject = "partition " + partition.table;
    if (const auto table = examination.find(partition.table, subject)) {
        if (table->kind != 'p') {
            examination.add(State::Finding,
                            subject,
                            table->text() + " is not partitioned",
                            "weir partition convert " + partition.table);
        }
        examination.expect_owner(*table, subject);
        examination.expect_create(table->schema, subject);
        if (!partition.retention.archive_schema.empty()) {
            examination.expect_create(partition.retention.archive_schema, subject);
        }
    }
    examination.conclude(subject);
}

/// @return the schema that a name is in, whether or not it is there
std::string schema_of(Connection& db, const std::string& name) {
    const Answer<Rows> rows = db.run(
        "SELECT CASE WHEN cardinality(n) > 1 THEN n[1] ELSE current_schema() END "
        "FROM parse_ident($1) n",
        {name});
    return rows && !rows->empty() ? rows->text(0, 0) : "";
}

void examine(Examination& examination, const conf::AggregateSettings& aggregate) {
    const std::string subject = "aggregate " + aggregate.target;
    if (const auto source = examination.find(aggregate.source, subject)) {
        examination.expect_on_table(*source, "SELECT", subject);
        if (aggregate.track == conf::LateTracking::Triggers) {
            examination.expect_on_table(*source, "TRIGGER", subject);
        }
    }
    const Answer<Relation> target = find_relation(examination.db(), aggregate.target);
    if (target) {
        examination.expect_owner(*target, subject);
    } else {
        examination.expect_create(schema_of(examination.db(), aggregate.target), subject);
    }
    examination.conclude(subject);
}

void examine(Examination& examination, const conf::MaterializedViewSettings& settings) {
    const std::string subject = "view " + settings.name;
    const Answer<ViewFacts> view = read_view(examination.db(), settings.name);
    if (!view) {
        examination.add(State::Finding, subject, view.error().line());
    } else if (!view->may_refresh) {
        examination.expect_owner(view->relation, subject);
    } else if (settings.concurrently == conf::Concurrently::Always &&
               !view->why_not_concurrently().empty()) {
        examination.add(State::Finding,
                        subject,
                        "cannot be refreshed CONCURRENTLY: " + view->why_not_concurrently(),
                        view->unique_index_sql());
    }
    examination.conclude(subject);
}

void examine_database(Examination& examination, const conf::Config& config) {
    const std::string user = quote_identifier(examination.user());
    const std::string subject = "user " + examination.user();
    examination.expect(subject,
                       "SELECT pg_has_role('pg_monitor', 'USAGE')",
                       {},
                       examination.user() +
                           " does not see what other sessions do, so that who "
                           "is in the way cannot be named",
                       "GRANT pg_monitor TO " + user);
    if (!config.aggregates.empty() || !config.materialized_views.empty()) {
        const Answer<Rows> grant = examination.db().run(
            "SELECT CASE WHEN to_regnamespace($1) IS NULL THEN 'CREATE ON DATABASE ' || "
            "format('\"%s\"', current_database()) ELSE 'USAGE, CREATE ON SCHEMA ' || $1 END",
            {std::string{kControlSchema}});
        examination.expect(subject,
                           "SELECT coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM "
                           "pg_catalog.pg_namespace WHERE nspname = $1), "
                           "has_database_privilege(current_database(), 'CREATE'))",
                           {std::string{kControlSchema}},
                           std::string{"the schema "} + kControlSchema +
                               ", which remembers what was done, " + "cannot be made or written to",
                           grant ? "GRANT " + grant->text(0, 0) + " TO " + user : "");
    }
    examination.expect(
        subject,
        "SELECT coalesce(bool_and(has_table_privilege(c.oid, 'SELECT') AND "
        "has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')), true) "
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname = 'job'",
        {std::string{kControlSchema}},
        std::string{kControlSchema} +
            ".job, by which several Weirs know what has been run, cannot be read and written",
        std::string{"GRANT SELECT, INSERT, UPDATE ON "} + kControlSchema + ".job TO " + user);
    examination.conclude(subject);
    const std::string zone = config.maintenance.timezone;
    if (!zone.empty()) {
        const Answer<Rows> known = examination.db().run("SELECT now() AT TIME ZONE $1", {zone});
        examination.add(known ? State::Fine : State::Finding,
                        "maintenance.timezone",
                        known ? zone + " is known to the server" : known.error().line(),
                        known ? "" : "a name out of pg_timezone_names, such as \"Europe/Berlin\"");
    }
}

}  // namespace

Answer<DoctorChecks> check_privileges(Connection& db, const conf::Config& config) {
    const Answer<Rows> user = db.run("SELECT current_user");
    if (!user) {
        return failed(user.error());
    }
    Examination examination{db, user->text(0, 0)};
    examine_database(examination, config);
    for (const conf::PartitionSettings& partition : config.partitions) {
        examine(examination, partition);
    }
    for (const conf::AggregateSettings& aggregate : config.aggregates) {
        examine(examination, aggregate);
    }
    for (const conf::MaterializedViewSettings& view : config.materialized_views) {
        examine(examination, view);
    }
    return examination.take();
}

}  // namespace weir::maintenance
