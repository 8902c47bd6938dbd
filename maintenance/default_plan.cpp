#include "maintenance/default_plan.hpp"

#include "maintenance/partition_name.hpp"

#include <algorithm>
#include <utility>

namespace weir::maintenance {

namespace {

std::string finite_sql(const PartitionSet& set) {
    const std::string key = quote_identifier(set.key);
    return set.kind == KeyKind::Integer ? "true" : "isfinite(" + key + ")";
}

PartitionCalendar calendar_of(const JobContext& job,
                              const PartitionSet& set,
                              const conf::PartitionSettings& settings) {
    return {set.kind, zone_of(job.settings), settings.interval};
}

/// @return the first key that lies too far ahead for a partition
Answer<std::int64_t> read_horizon(JobContext& job,
                                  const PartitionSet& set,
                                  const conf::PartitionSettings& settings) {
    const Answer<std::int64_t> now = read_now(job.db, set, zone_of(job.settings));
    if (!now) {
        return failed(now.error());
    }
    GridWish wish;
    wish.now = *now;
    wish.ahead_min = settings.ahead_max;
    wish.ahead_max = settings.ahead_max;
    const Answer<PartitionGrid> grid = read_grid(job.db, calendar_of(job, set, settings), wish);
    return grid ? Answer<std::int64_t>{grid->ceil(grid->max_until)} : failed(grid.error());
}

/// @return where the grid and the partitions that are there divide what DEFAULT holds
Answer<std::vector<std::int64_t>> read_borders(JobContext& job,
                                               const PartitionSet& set,
                                               const conf::PartitionSettings& settings) {
    const Answer<std::int64_t> horizon = read_horizon(job, set, settings);
    if (!horizon) {
        return failed(horizon.error());
    }
    const std::string at = position_sql(set.kind, quote_identifier(set.key));
    const Answer<Rows> ends = job.db.run(
        "SELECT min(p), max(p) FROM (SELECT CASE WHEN " + finite_sql(set) + " THEN " + at +
            " END AS p FROM " + set.default_partition->relation.sql() + ") k WHERE p < $1::bigint",
        {std::to_string(*horizon)});
    if (!ends) {
        return failed(ends.error());
    }
    std::vector<std::int64_t> borders;
    if (ends->is_null(0, 0)) {
        return borders;
    }
    GridWish wish;
    wish.from = ends->number(0, 0);
    wish.to = ends->number(0, 1);
    if (!set.partitions.empty() && !set.partitions.back().range.hi.is_open()) {
        wish.anchor = set.partitions.back().range.hi.at;
    }
    Answer<PartitionGrid> grid = read_grid(job.db, calendar_of(job, set, settings), wish);
    if (!grid) {
        return failed(grid.error());
    }
    borders = std::move(grid->marks);
    const std::int64_t last = borders.back();
    const std::int64_t first = borders.front();
    for (const Partition& partition : set.partitions) {
        for (const PartitionBound* bound : {&partition.range.lo, &partition.range.hi}) {
            if (partition.has_range && first < bound->at && bound->at < last) {
                borders.push_back(bound->at);
            }
        }
    }
    std::sort(borders.begin(), borders.end());
    borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
    return borders;
}

std::string array_of(const std::vector<std::int64_t>& values) {
    std::string all = "{";
    for (const std::int64_t value : values) {
        all += (all.size() > 1 ? "," : "") + std::to_string(value);
    }
    return all + "}";
}

}  // namespace

Answer<DefaultPlan> plan_default(JobContext& job,
                                 const PartitionSet& set,
                                 const conf::PartitionSettings& settings) {
    const Answer<std::vector<std::int64_t>> borders = read_borders(job, set, settings);
    if (!borders) {
        return failed(borders.error());
    }
    const std::string at = position_sql(set.kind, quote_identifier(set.key));
    const Answer<Rows> rows =
        job.db.run("SELECT b, count(*) FROM (SELECT CASE WHEN " + finite_sql(set) +
                       " THEN pg_catalog.width_bucket(" + at + ", $1::bigint[]) END AS b FROM " +
                       set.default_partition->relation.sql() +
                       ") k WHERE cardinality($1::bigint[]) > 0 GROUP BY b ORDER BY b",
                   {array_of(*borders)});
    if (!rows) {
        return failed(rows.error());
    }
    DefaultPlan plan;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        const auto bucket = static_cast<std::size_t>(rows->number(i, 0));
        if (rows->is_null(i, 0) || bucket == 0 || bucket >= borders->size()) {
            plan.kept += rows->number(i, 1);
            continue;
        }
        Answer<PlannedPartition> planned =
            plan_partition_for(job, set, settings, (*borders)[bucket - 1]);
        if (!planned) {
            return failed(planned.error());
        }
        if (!plan.slices.empty() && plan.slices.back().planned.name == planned->name) {
            // Another partition lies between two parts of one interval.
            const Answer<std::vector<KeyPoint>> lo =
                write_points(job.db, calendar_of(job, set, settings), {planned->range.lo.at});
            if (!lo) {
                return failed(lo.error());
            }
            planned->name = finer_name(planned->name, lo->front());
        }
        plan.slices.push_back({std::move(*planned), rows->number(i, 1)});
        plan.rows += rows->number(i, 1);
    }
    return plan;
}

Answer<std::vector<std::string>> default_key(Connection& db, const PartitionSet& set) {
    // What is deferrable cannot tell INSERT … ON CONFLICT that a row is there.
    const Answer<Rows> rows = db.run(
        "SELECT quote_ident(a.attname) FROM (SELECT x.indrelid, x.indkey, x.indnkeyatts FROM "
        "pg_catalog.pg_index x WHERE x.indrelid = $1::oid AND x.indisunique AND x.indisvalid AND "
        "x.indpred IS NULL AND x.indexprs IS NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_index "
        "d WHERE d.indrelid = $1::oid AND NOT d.indimmediate) AND NOT EXISTS (SELECT FROM "
        "pg_catalog.pg_attribute n WHERE n.attrelid = x.indrelid AND NOT n.attnotnull AND n.attnum "
        "= ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1])) ORDER BY NOT x.indisprimary, "
        "x.indnkeyatts, x.indexrelid LIMIT 1) i, LATERAL unnest(i.indkey) WITH ORDINALITY u(n, o) "
        "JOIN pg_catalog.pg_attribute a ON a.attnum = u.n WHERE a.attrelid = i.indrelid AND u.o <= "
        "i.indnkeyatts ORDER BY u.o",
        {std::to_string(set.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<std::string> columns;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        columns.push_back(rows->text(i, 0));
    }
    return columns;
}

Answer<void> check_replaceable(Connection& db, const PartitionSet& set) {
    const Relation& from = set.default_partition->relation;
    if (from.kind != 'r') {
        return problem(from.text() + ": is no plain table", "only those can be emptied");
    }
    if (!set.referencing.empty()) {
        return problem(set.table.text() + ": foreign key " + set.referencing.front().name + " of " +
                           set.referencing.front().other.text() + " refers to it",
                       "rows that others refer to cannot leave DEFAULT: drop it first");
    }
    const Answer<Rows> rows = db.run(
        "SELECT 'foreign key ' || conname || ' of ' || conrelid::regclass || ' refers to it' FROM "
        "pg_catalog.pg_constraint WHERE confrelid = $1::oid AND contype = 'f' "
        "UNION ALL SELECT 'trigger ' || tgname || ' is its own' FROM pg_catalog.pg_trigger WHERE "
        "tgrelid = $1::oid AND NOT tgisinternal AND tgname NOT LIKE 'weir\\_journal%' AND (tgtype "
        "& 1 = 0 "
        "OR NOT EXISTS (SELECT FROM pg_catalog.pg_trigger p WHERE p.tgrelid = $2::oid AND p.tgname "
        "= pg_trigger.tgname)) "
        "UNION ALL SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, 0) || ' "
        "depends on it' FROM pg_catalog.pg_depend d WHERE d.refclassid = "
        "'pg_catalog.pg_class'::regclass AND d.refobjid = $1::oid AND d.deptype = 'n' AND "
        "d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass, "
        "'pg_catalog.pg_policy'::regclass) "
        "UNION ALL SELECT 'publication ' || p.pubname || ' has it under its own name' FROM "
        "pg_catalog.pg_publication_tables t JOIN pg_catalog.pg_publication p ON p.pubname = "
        "t.pubname WHERE pg_catalog.format('%I.%I', t.schemaname, t.tablename)::regclass = $1::oid "
        "LIMIT 1",
        {std::to_string(from.oid), std::to_string(set.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    return rows->empty() ? Answer<void>{}
                         : problem(from.text() + ": " + rows->text(0, 0),
                                   "another table takes its place: drop that first");
}

}  // namespace weir::maintenance
