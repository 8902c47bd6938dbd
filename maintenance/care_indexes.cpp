#include "maintenance/care_indexes.hpp"

#include "maintenance/identifier.hpp"
#include "maintenance/runner_lock.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace weir::maintenance {

namespace {

using End = JobResult::End;

constexpr std::int64_t kMiB = std::int64_t{1024} * 1024;
/// What is smaller is not worth the effort.
constexpr std::int64_t kMinBytes = 10 * kMiB;
/// A table up to that size has an index built anew without somebody deciding.
constexpr std::int64_t kSmallTable = 1024 * kMiB;
constexpr const char* kDropLock = "SHARE UPDATE EXCLUSIVE: readers and writers go on";
constexpr const char* kReindexLock =
    "SHARE UPDATE EXCLUSIVE: readers and writers go on; waits for older transactions";

std::string may_maintain(int version) {
    constexpr int kMaintainPrivilege = 170'000;
    return version >= kMaintainPrivilege
               ? "(pg_has_role(t.relowner, 'USAGE') OR has_table_privilege(t.oid, 'MAINTAIN'))"
               : "pg_has_role(t.relowner, 'USAGE')";
}

constexpr const char* kNotOfTheSystem =
    "t.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// An index that is being built has a lock on its table for all that time.
std::string invalid_sql(int version) {
    const std::string same_nulls =
        version >= 150'000 ? "AND o.indnullsnotdistinct = i.indnullsnotdistinct " : "";
    return "SELECT t.oid, n.nspname || '.' || c.relname, format('%I.%I', n.nspname, c.relname), "
           "pg_relation_size(t.oid), c.relname ~ '_cc(new|old)[0-9]*$', "
           "EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conindid = c.oid) "
           "OR c.relispartition, i.indisexclusion OR c.relkind = 'I', "
           "EXISTS (SELECT 1 FROM pg_catalog.pg_index o WHERE o.indrelid = i.indrelid "
           "AND o.indexrelid <> i.indexrelid AND o.indisvalid AND o.indkey::text = i.indkey::text "
           "AND o.indclass::text = i.indclass::text AND o.indoption::text = i.indoption::text "
           "AND o.indcollation::text = i.indcollation::text AND o.indnkeyatts = i.indnkeyatts "
           "AND pg_get_expr(o.indexprs, o.indrelid) IS NOT DISTINCT FROM "
           "pg_get_expr(i.indexprs, i.indrelid) AND pg_get_expr(o.indpred, o.indrelid) IS NOT "
           "DISTINCT FROM pg_get_expr(i.indpred, i.indrelid) "
           "AND (o.indisunique OR NOT i.indisunique) " +
           same_nulls +
           "), "
           "pg_has_role(t.relowner, 'USAGE') "
           "FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid "
           "JOIN pg_catalog.pg_class t ON t.oid = i.indrelid "
           "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid AND " +
           std::string{kNotOfTheSystem} +
           " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' "
           "AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = "
           "current_database()) AND l.relation = t.oid AND l.granted AND l.pid <> "
           "pg_backend_pid() AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock')) "
           "ORDER BY 5 DESC, 2";
}

/// The estimate that everybody uses: what a packed B-tree of as many entries, as wide as statistics
/// say on average, would take, against what it takes. Equal keys are stored once from 13 on, so
/// that it says rather too little.
std::string bloat_sql(int version) {
    return "WITH idx AS (SELECT i.indrelid, i.indexrelid, t.relname AS tablename, "
           "c.relname AS indexname, n.nspname, t.relowner, c.reltuples::numeric AS tuples, "
           "pg_relation_size(c.oid) AS bytes, "
           "current_setting('block_size')::numeric AS block, "
           "coalesce((SELECT option_value::numeric FROM pg_options_to_table(c.reloptions) "
           "WHERE option_name = 'fillfactor'), 90) AS fill, "
           "i.indkey::int2[] AS keys, i.indnatts, t.oid AS toid "
           "FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid "
           "JOIN pg_catalog.pg_class t ON t.oid = i.indrelid "
           "JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace "
           "JOIN pg_catalog.pg_am m ON m.oid = c.relam "
           "WHERE m.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid "
           "AND NOT i.indisexclusion AND c.reltuples >= 0 AND c.relpages > 0 AND " +
           std::string{kNotOfTheSystem} +
           " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' "
           "AND l.relation = c.oid AND l.mode = 'AccessExclusiveLock')), "
           "width AS (SELECT x.indexrelid, "
           "sum((1 - coalesce(s.null_frac, 0)) * coalesce(s.avg_width, 1024)) AS data, "
           "max(coalesce(s.null_frac, 0)) > 0 AS has_nulls, "
           "bool_or(a.atttypid = 'name'::regtype) AS has_name "
           "FROM idx x CROSS JOIN LATERAL generate_series(1, x.indnatts) AS at(number) "
           "JOIN pg_catalog.pg_attribute ia ON ia.attrelid = x.indexrelid "
           "AND ia.attnum = at.number "
           "LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid "
           "AND a.attnum = x.keys[at.number - 1] AND x.keys[at.number - 1] <> 0 "
           "LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = x.nspname AND NOT s.inherited "
           "AND s.tablename = CASE WHEN a.attnum IS NULL THEN x.indexname ELSE x.tablename END "
           "AND s.attname = coalesce(a.attname, ia.attname) GROUP BY 1), "
           // Line pointer, header (with a bitmap where there are NULLs), data, each aligned to 8.
           "entry AS (SELECT x.*, (4 + CASE WHEN w.has_nulls THEN 16 ELSE 8 END "
           "+ ceil(w.data / 8) * 8)::numeric AS entry_bytes "
           "FROM idx x JOIN width w USING (indexrelid) WHERE NOT coalesce(w.has_name, false)), "
           // 24 bytes of page header, 16 of a B-tree page; the first page tells of the others.
           "packed AS (SELECT e.*, (1 + ceil(tuples / greatest(floor((block - 40) * fill / "
           "(100 * entry_bytes)), 1))) * block AS packed_bytes FROM entry e) "
           "SELECT t.oid, p.nspname || '.' || p.indexname, "
           "format('%I.%I', p.nspname, p.indexname), p.bytes, "
           "(1 - p.packed_bytes / p.bytes)::float8, " +
           may_maintain(version) +
           " FROM packed p JOIN pg_catalog.pg_class t ON t.oid = p.toid "
           "WHERE p.bytes >= $1::bigint AND 1 - p.packed_bytes / p.bytes >= $2::numeric "
           "ORDER BY p.bytes - p.packed_bytes DESC";
}

CareItem drop_item(CareItem item, std::string why) {
    item.sql = "DROP INDEX CONCURRENTLY " + item.sql;
    item.why = std::move(why);
    item.locks = kDropLock;
    return item;
}

CareItem reindex_item(CareItem item, std::string why) {
    item.sql = "REINDEX INDEX CONCURRENTLY " + item.sql;
    item.why = std::move(why);
    item.locks = kReindexLock;
    return item;
}

/// @param item with the index's name as its sql
CareItem mend(const Rows& rows, std::size_t at, CareItem item) {
    const std::int64_t table_bytes = rows.number(at, 3);
    const bool is_leftover = rows.flag(at, 4);
    const bool must_stay = rows.flag(at, 5);
    const bool is_beyond_us = rows.flag(at, 6);
    const bool has_twin = rows.flag(at, 7);
    if (is_beyond_us) {
        item.sql.clear();
        item.why =
            "is invalid and cannot be built anew CONCURRENTLY; a partitioned index becomes "
            "valid once each partition has its index attached";
        return item;
    }
    if (is_leftover && !must_stay) {
        return drop_item(std::move(item),
                         "is invalid, left by an interrupted REINDEX CONCURRENTLY");
    }
    if (has_twin && !must_stay) {
        return drop_item(std::move(item), "is invalid, and another index does the same");
    }
    if (table_bytes <= kSmallTable) {
        return reindex_item(std::move(item), "is invalid");
    }
    std::string why = "is invalid; REINDEX INDEX CONCURRENTLY " + item.sql + " builds it anew";
    why += must_stay ? "" : ", DROP INDEX CONCURRENTLY " + item.sql + " drops it";
    item.sql.clear();
    item.why = std::move(why);
    return item;
}

Answer<void> plan_invalid(JobContext& job, CarePlan& plan) {
    const Answer<Rows> rows = job.db.run(invalid_sql(job.db.server_version()));
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        CareItem item;
        item.oid = static_cast<std::uint32_t>(rows->number(i, 0));
        item.object = rows->text(i, 1);
        item.sql = rows->text(i, 2);
        if (rows->flag(i, 8)) {
            plan.items.push_back(mend(*rows, i, std::move(item)));
        } else {
            plan.forbidden.push_back(item.object);
        }
    }
    return {};
}

Answer<void> plan_bloated(JobContext& job, CarePlan& plan) {
    if (job.settings.care.index_bloat <= 0) {
        return {};
    }
    const Answer<Rows> rows =
        job.db.run(bloat_sql(job.db.server_version()),
                   {std::to_string(kMinBytes), std::to_string(job.settings.care.index_bloat)});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        constexpr double kPercent = 100;
        CareItem item;
        item.oid = static_cast<std::uint32_t>(rows->number(i, 0));
        item.object = rows->text(i, 1);
        item.sql = rows->text(i, 2);
        if (!rows->flag(i, 5)) {
            plan.forbidden.push_back(item.object);
            continue;
        }
        plan.items.push_back(reindex_item(
            std::move(item),
            "about " + std::to_string(static_cast<int>(rows->real(i, 4) * kPercent)) + " % of " +
                std::to_string(rows->number(i, 3) / kMiB) + " MiB are air"));
    }
    return {};
}

/// CONCURRENTLY waits for every transaction that is older than itself.
Answer<void> refuse_old_transactions(JobContext& job) {
    const auto age = job.settings.max_blocker_age;
    if (age.count() <= 0) {
        return {};
    }
    const Answer<Rows> rows = job.db.run(
        "SELECT 'process ' || pid || ' (' || concat_ws(', ', usename, "
        "nullif(application_name, '')) || ') has had a transaction open for ' || "
        "date_trunc('second', clock_timestamp() - xact_start) "
        "FROM pg_catalog.pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) "
        "AND backend_type = 'client backend' "
        "AND xact_start < clock_timestamp() - $1::interval ORDER BY xact_start LIMIT 1",
        {std::to_string(age.count()) + " milliseconds"});
    if (!rows) {
        return failed(rows.error());
    }
    return rows->empty() ? Answer<void>{}
                         : Answer<void>{problem(rows->text(0, 0), {}, state::kLockNotAvailable)};
}

/// What REINDEX CONCURRENTLY has begun and not ended is nobody's any more.
void clean_up(JobContext& job) {
    CarePlan left;
    if (!job.db.is_alive() || !plan_invalid(job, left)) {
        return;
    }
    for (const CareItem& item : left.items) {
        if (item.sql.starts_with("DROP ")) {
            static_cast<void>(job.change(item.sql, item.locks));
        }
    }
}

/// Somebody may have built it anew since it was found.
Answer<bool> is_still_to_drop(JobContext& job, const CareItem& item) {
    CarePlan now;
    if (const Answer<void> planned = plan_invalid(job, now); !planned) {
        return failed(planned.error());
    }
    return std::any_of(now.items.begin(), now.items.end(), [&item](const CareItem& one) {
        return one.sql == item.sql;
    });
}

/// Where they are built CONCURRENTLY on 14 before 14.4, indexes can lack rows, silently.
Answer<void> refuse_broken_server(const JobContext& job, const CareItem& item) {
    const int version = job.db.server_version();
    const bool is_broken = version >= 140'000 && version < 140'004;
    return is_broken && item.sql.starts_with("REINDEX ")
               ? Answer<void>{problem("PostgreSQL 14 before 14.4 builds wrong indexes CONCURRENTLY",
                                      "update the server to the newest 14 first")}
               : Answer<void>{};
}

Answer<void> reindex(JobContext& job, const CareItem& item) {
    if (Answer<void> refused = refuse_broken_server(job, item); !refused) {
        return refused;
    }
    if (Answer<void> refused = refuse_old_transactions(job); !refused) {
        return refused;
    }
    if (item.sql.starts_with("DROP ")) {
        const Answer<bool> is_due = is_still_to_drop(job, item);
        if (!is_due) {
            return failed(is_due.error());
        }
        if (!*is_due) {
            return problem("is no longer as it was found", {}, state::kLockNotAvailable);
        }
    }
    Answer<void> done = job.change(item.sql, item.locks);
    if (!done && item.sql.starts_with("REINDEX ")) {
        clean_up(job);
    }
    return done;
}

JobResult reindex_locked(JobContext& job) {
    const Answer<CarePlan> plan = plan_reindex(job);
    if (!plan) {
        return JobResult::failed(plan.error());
    }
    // It waits for others and nobody waits for it: for as long as any step would put up with them.
    constexpr std::chrono::milliseconds kUsual{30'000};
    const auto patience =
        job.settings.max_blocker_age.count() > 0 ? job.settings.max_blocker_age : kUsual;
    const LockTimeout limit{job.db, patience};
    return carry_out(job, *plan, "reindex", "indexes", &reindex);
}

}  // namespace

Answer<CarePlan> plan_reindex(JobContext& job) {
    CarePlan plan;
    if (const Answer<void> done = plan_invalid(job, plan); !done) {
        return failed(done.error());
    }
    if (const Answer<void> done = plan_bloated(job, plan); !done) {
        return failed(done.error());
    }
    return plan;
}

JobResult reindex_indexes(JobContext& job) {
    const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, "reindex");
    if (!lock) {
        return JobResult::failed(lock.error());
    }
    if (!lock->is_held()) {
        return {End::Standby, 0, "reindex: another Weir is at it"};
    }
    return reindex_locked(job);
}

}  // namespace weir::maintenance
