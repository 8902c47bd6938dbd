#include "maintenance/care_tables.hpp"

#include "maintenance/care_facts.hpp"
#include "maintenance/control_schema.hpp"
#include "maintenance/identifier.hpp"
#include "maintenance/runner_lock.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace weir::maintenance {

namespace {

using End = JobResult::End;

constexpr const char* kGentleLock = "SHARE UPDATE EXCLUSIVE: readers and writers go on";
constexpr const char* kParentTable = "table_state";

std::string percent(double share) {
    constexpr double kPercent = 100;
    return std::to_string(static_cast<int>(share * kPercent)) + " %";
}

/// What a WARNING of SKIP_LOCKED says is no error of the statement's.
class SkipWatch {
public:
    explicit SkipWatch(Connection& db) : db_{db} {
        db.on_notice([this](const Problem& notice) {
            if (notice.is(state::kLockNotAvailable)) {
                text_ = notice.text;
            }
        });
    }

    SkipWatch(const SkipWatch&) = delete;
    SkipWatch& operator=(const SkipWatch&) = delete;
    SkipWatch(SkipWatch&&) = delete;
    SkipWatch& operator=(SkipWatch&&) = delete;

    ~SkipWatch() { db_.on_notice({}); }

    [[nodiscard]] const std::string& text() const { return text_; }

private:
    Connection& db_;
    std::string text_;
};

Answer<void> maintain(JobContext& job, const CareItem& item) {
    const SkipWatch watch{job.db};
    if (Answer<void> done = job.change(item.sql, item.locks); !done) {
        return done;
    }
    return watch.text().empty() ? Answer<void>{}
                                : Answer<void>{problem(watch.text(), {}, state::kLockNotAvailable)};
}

// ---- ANALYZE ------------------------------------------------------------------------------------

CareItem analyze_item(std::uint32_t oid, const std::string& name, const std::string& sql) {
    CareItem item;
    item.oid = oid;
    item.object = name;
    item.sql = "ANALYZE (SKIP_LOCKED) " + sql;
    item.locks = kGentleLock;
    return item;
}

std::string parent_table() {
    return quote_identifier(kControlSchema) + "." + quote_identifier(kParentTable);
}

/// @return what had changed when they were last analyzed, by their oids
Answer<std::map<std::uint32_t, std::int64_t>> read_parent_states(Connection& db) {
    std::map<std::uint32_t, std::int64_t> known;
    const Answer<bool> is_there = has_control_table(db, kParentTable);
    if (!is_there) {
        return failed(is_there.error());
    }
    if (!*is_there) {
        return known;
    }
    const Answer<Rows> rows = db.run("SELECT relation, changes FROM " + parent_table());
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        known[static_cast<std::uint32_t>(rows->number(i, 0))] = rows->number(i, 1);
    }
    return known;
}

void remember_parent(JobContext& job, const CareItem& item) {
    if (Answer<void> made = make_control_table(job,
                                               kParentTable,
                                               "relation oid PRIMARY KEY, changes bigint NOT NULL, "
                                               "analyzed_at timestamptz NOT NULL");
        made) {
        const Answer<Rows> written = job.db.run(
            "WITH gone AS (DELETE FROM " + parent_table() +
                " s WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = "
                "s.relation)) INSERT INTO " +
                parent_table() +
                " VALUES ($1::oid, $2::bigint, clock_timestamp()) ON CONFLICT (relation) DO UPDATE "
                "SET (changes, analyzed_at) = (excluded.changes, excluded.analyzed_at)",
            {std::to_string(item.oid), std::to_string(item.changes)});
        if (!written) {
            job.reporter.note(item.object + ": cannot be noted: " + written.error().line());
        }
    } else {
        job.reporter.note(item.object + ": cannot be noted: " + made.error().line());
    }
}

Answer<void> analyze(JobContext& job, const CareItem& item) {
    Answer<void> done = maintain(job, item);
    if (done && item.changes >= 0 && !job.is_dry) {
        remember_parent(job, item);
    }
    return done;
}

std::string why_analyze(const TableFacts& table, const conf::CareSettings& care) {
    if (!table.was_analyzed && table.has_pages) {
        return "was never analyzed";
    }
    const bool is_due = care.modified_rows > 0 && table.modified > 0 &&
                        static_cast<std::uint64_t>(table.modified) >= care.min_rows &&
                        table.modified_share() >= care.modified_rows;
    return is_due ? std::to_string(table.modified) + " changes since it was analyzed, of " +
                        std::to_string(table.live) + " rows"
                  : "";
}

/// @param known what had changed when it was last analyzed; empty = not known
std::string why_analyze(const ParentFacts& parent,
                        std::optional<std::int64_t> known,
                        const conf::CareSettings& care) {
    if (parent.live == 0 && parent.modified == 0) {
        return "";
    }
    if (!parent.was_analyzed) {
        return "was never analyzed as a whole";
    }
    // Also fewer than were known: partitions have gone, or counting began anew.
    const std::int64_t changed = known ? std::abs(parent.changes - *known) : parent.modified;
    const double share =
        static_cast<double>(changed) / static_cast<double>(std::max<std::int64_t>(parent.live, 1));
    const bool is_due = care.modified_rows > 0 && changed > 0 &&
                        static_cast<std::uint64_t>(changed) >= care.min_rows &&
                        share >= care.modified_rows;
    return is_due
               ? std::to_string(changed) + " changes in its partitions since it was analyzed, of " +
                     std::to_string(parent.live) + " rows"
               : "";
}

Answer<std::set<std::uint32_t>> plan_parents(JobContext& job, CarePlan& plan) {
    const Answer<std::vector<ParentFacts>> parents = read_parents(job.db);
    if (!parents) {
        return failed(parents.error());
    }
    const auto known = read_parent_states(job.db);
    if (!known) {
        return failed(known.error());
    }
    std::set<std::uint32_t> planned;
    for (const ParentFacts& parent : *parents) {
        const auto found = known->find(parent.oid);
        std::string why =
            why_analyze(parent,
                        found == known->end() ? std::nullopt : std::optional{found->second},
                        job.settings.care);
        if (why.empty()) {
            continue;
        }
        if (!parent.may_maintain) {
            plan.forbidden.push_back(parent.name);
            continue;
        }
        CareItem item = analyze_item(parent.oid, parent.name, parent.sql);
        item.why = std::move(why);
        item.changes = parent.changes;
        plan.items.push_back(std::move(item));
        planned.insert(parent.oid);
    }
    return planned;
}

// ---- VACUUM -------------------------------------------------------------------------------------

bool is_old(const TableFacts& table, const conf::CareSettings& care) {
    return care.freeze_age > 0 && table.freeze_age() >= 0 &&
           static_cast<std::uint64_t>(table.freeze_age()) >= care.freeze_age;
}

bool is_dead(const TableFacts& table, const conf::CareSettings& care) {
    return care.dead_rows > 0 && table.dead > 0 &&
           static_cast<std::uint64_t>(table.dead) >= care.min_rows &&
           table.dead_share() >= care.dead_rows;
}

std::string why_freeze(const TableFacts& table) {
    return table.scaled_mxid_age > table.xid_age
               ? "its oldest multixact is " + std::to_string(table.mxid_age) + " multixacts old"
               : "its oldest row is " + std::to_string(table.xid_age) + " transactions old";
}

CareItem vacuum_item(const TableFacts& table, const conf::CareSettings& care, int version) {
    constexpr int kParallelVacuum = 130'000;
    constexpr int kChildrenToo = 180'000;  // those that inherit, which have a turn of their own
    const bool freezes = is_old(table, care);
    CareItem item;
    item.oid = table.oid;
    item.object = table.name;
    item.why = freezes ? why_freeze(table)
                       : percent(table.dead_share()) + " of its rows are dead, " +
                             std::to_string(table.dead) + " of them";
    item.sql = std::string{"VACUUM ("} + (freezes ? "FREEZE, " : "") + "SKIP_LOCKED, " +
               (version >= kParallelVacuum ? "PARALLEL 0, " : "") + "ANALYZE) " +
               (version >= kChildrenToo ? "ONLY " : "") + table.sql;
    item.locks = kGentleLock;
    return item;
}

/// An old snapshot keeps all dead rows that are younger: nobody need wonder then.
void remark_horizon(JobContext& job) {
    const Answer<Rows> rows = job.db.run(
        "SELECT * FROM (SELECT 'process ' || pid || ' (' || concat_ws(', ', usename, "
        "nullif(application_name, ''), state) || ')', clock_timestamp() - xact_start AS since "
        "FROM pg_catalog.pg_stat_activity WHERE backend_xmin IS NOT NULL "
        "AND datname = current_database() "
        "AND pid <> pg_backend_pid() UNION ALL SELECT 'the prepared transaction ' || gid, "
        "clock_timestamp() - prepared FROM pg_catalog.pg_prepared_xacts "
        "WHERE database = current_database()) h (who, since) "
        "WHERE since > $1::interval ORDER BY since DESC LIMIT 1",
        {std::string{"1 hour"}});
    if (rows && !rows->empty()) {
        job.reporter.warn("rows that died in the last " + rows->text(0, 1) +
                          " cannot be removed: " + rows->text(0, 0) +
                          " has had a transaction open for so long");
    }
}

JobResult with_lock(JobContext& job, const std::string& name, JobResult (*work)(JobContext&)) {
    const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, name);
    if (!lock) {
        return JobResult::failed(lock.error());
    }
    if (!lock->is_held()) {
        return {End::Standby, 0, name + ": another Weir is at it"};
    }
    // Indexes and partitions of what is not locked itself may be; clients go first.
    const LockTimeout limit{job.db, std::chrono::seconds{5}};
    return work(job);
}

JobResult vacuum_locked(JobContext& job) {
    const Answer<CarePlan> plan = plan_vacuum(job);
    if (!plan) {
        return JobResult::failed(plan.error());
    }
    if (!plan->items.empty()) {
        remark_horizon(job);
    }
    // By itself VACUUM would take all of the disk that there is.
    static_cast<void>(
        job.db.run("SELECT set_config('vacuum_cost_delay', "
                   "current_setting('autovacuum_vacuum_cost_delay'), false) "
                   "WHERE current_setting('autovacuum_vacuum_cost_delay') NOT LIKE '-1%'"));
    JobResult result = carry_out(job, *plan, "vacuum", "tables", &maintain);
    static_cast<void>(job.db.run("RESET vacuum_cost_delay"));
    return result;
}

JobResult analyze_locked(JobContext& job) {
    const Answer<CarePlan> plan = plan_analyze(job);
    return plan ? carry_out(job, *plan, "analyze", "tables", &analyze)
                : JobResult::failed(plan.error());
}

}  // namespace

Answer<CarePlan> plan_analyze(JobContext& job) {
    CarePlan plan;
    const Answer<std::set<std::uint32_t>> parents = plan_parents(job, plan);
    if (!parents) {
        return failed(parents.error());
    }
    const Answer<std::vector<TableFacts>> tables = read_tables(job.db);
    if (!tables) {
        return failed(tables.error());
    }
    for (const TableFacts& table : *tables) {
        std::string why = why_analyze(table, job.settings.care);
        // A partitioned table is analyzed with its partitions.
        if (why.empty() || parents->count(table.root) > 0) {
            continue;
        }
        if (!table.may_maintain) {
            plan.forbidden.push_back(table.name);
            continue;
        }
        CareItem item = analyze_item(table.oid, table.name, table.sql);
        item.why = std::move(why);
        plan.items.push_back(std::move(item));
    }
    return plan;
}

Answer<CarePlan> plan_vacuum(JobContext& job) {
    Answer<std::vector<TableFacts>> tables = read_tables(job.db);
    if (!tables) {
        return failed(tables.error());
    }
    const conf::CareSettings& care = job.settings.care;
    std::stable_sort(tables->begin(), tables->end(), [&care](const auto& a, const auto& b) {
        const bool a_is_old = is_old(a, care);
        const bool b_is_old = is_old(b, care);
        if (a_is_old != b_is_old) {
            return a_is_old;
        }
        return a_is_old ? a.freeze_age() > b.freeze_age() : a.dead > b.dead;
    });
    CarePlan plan;
    for (const TableFacts& table : *tables) {
        if (!is_old(table, care) && !is_dead(table, care)) {
            continue;
        }
        if (table.may_maintain) {
            plan.items.push_back(vacuum_item(table, care, job.db.server_version()));
        } else {
            plan.forbidden.push_back(table.name);
        }
    }
    return plan;
}

JobResult analyze_tables(JobContext& job) {
    return with_lock(job, "analyze", &analyze_locked);
}

JobResult vacuum_tables(JobContext& job) {
    return with_lock(job, "vacuum", &vacuum_locked);
}

}  // namespace weir::maintenance
