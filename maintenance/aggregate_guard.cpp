#include "maintenance/aggregate_guard.hpp"

#include "maintenance/aggregate_control.hpp"
#include "maintenance/aggregate_definition.hpp"
#include "maintenance/aggregate_zone.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace weir::maintenance {

namespace {

/// From when until when a partition's rows are, by the column that an aggregate goes by.
struct Stretch {
    std::string low;
    std::string high;  ///< not of it any more
};

/// One that was computed before.
struct Known {
    std::string target;
    std::string time;    ///< the column, as it stands in its query
    std::string bucket;  ///< of that column, in SQL
};

/// @param time as it stands in the aggregate's query
/// @return nothing where it has no rows
Answer<std::optional<Stretch>> stretch_of(Connection& db,
                                          const PartitionSet& set,
                                          const Partition& partition,
                                          const std::string& time) {
    const bool is_time = set.kind != KeyKind::Integer && set.kind != KeyKind::Other;
    if (is_time && partition.has_range && time == quote_identifier(set.key)) {
        const auto [lo, hi] = partition.range;
        return Stretch{lo.at == PartitionBound::kMin ? "-infinity" : lo.text,
                       hi.at == PartitionBound::kMax ? "infinity" : hi.text};
    }
    const Answer<Rows> rows =
        db.run("SELECT min(" + time + ")::timestamptz, max(" + time +
               ")::timestamptz + interval '1 microsecond' FROM " + partition.relation.sql());
    if (!rows) {
        return failed(rows.error());
    }
    return rows->is_null(0, 0) ? std::optional<Stretch>{}
                               : Stretch{rows->text(0, 0), rows->text(0, 1)};
}

/// @return "" or why it is not done with the rows of that time
/// @param known where the bucket that the stretch begins in may begin before it
Answer<std::string> why_needed(Connection& db, const Known& known, const Stretch& stretch) {
    const Answer<Rows> rows = db.run(
        "SELECT 'aggregate ' || a.target || CASE WHEN a.watermark < r.high THEN ' is complete up "
        "to ' || a.watermark::text || ' only' WHEN a.low_mark > r.low THEN ' has not been computed "
        "before ' || a.low_mark::text WHEN a.next_definition IS NOT NULL THEN ' is being rebuilt' "
        "ELSE ' has changed buckets that are not computed yet' END || ' (weir aggregate "
        "forget ' || a.target || ' where it is not wanted any more)' FROM weir.aggregate a, "
        "(SELECT t.low, t.high, CASE WHEN isfinite(t.low) THEN (" +
            known.bucket +
            ")::timestamptz ELSE t.low END AS bucket FROM (SELECT $2::timestamptz AS low, "
            "$3::timestamptz AS high) t, LATERAL (SELECT t.low AS " +
            known.time +
            ") b) r WHERE a.target = $1 AND "
            "(a.watermark < r.high OR a.low_mark > r.low OR a.next_definition IS NOT NULL OR "
            "EXISTS "
            "(SELECT FROM weir.aggregate_dirty d WHERE d.target = a.target AND d.bucket >= "
            "r.bucket AND "
            "d.bucket < r.high) OR EXISTS (SELECT FROM weir.aggregate_span s WHERE s.target = "
            "a.target "
            "AND s.low < r.high AND s.high > r.low))",
        {known.target, stretch.low, stretch.high});
    if (!rows) {
        return failed(rows.error());
    }
    return rows->empty() ? std::string{} : rows->text(0, 0);
}

/// @return "" or why one of those that were computed before needs it
Answer<std::string> why_needed_by_known(Connection& db,
                                        const PartitionSet& set,
                                        const Partition& partition,
                                        const Rows& known) {
    const SessionZone zone{db};
    for (std::size_t i = 0; i < known.size(); ++i) {
        const Known one{known.text(i, 0), known.text(i, 1), known.text(i, 2)};
        const auto stretch = stretch_of(db, set, partition, one.time);
        if (!stretch) {
            return failed(stretch.error());
        }
        if (!*stretch) {
            continue;
        }
        Answer<std::string> why = why_needed(db, one, **stretch);
        if (!why || !why->empty()) {
            return why;
        }
    }
    return std::string{};
}

/// @return those of the source that have never been computed
Answer<std::string> why_needed_by_new(Connection& db,
                                      const PartitionSet& set,
                                      const std::vector<conf::AggregateSettings>& aggregates,
                                      const Rows* known) {
    for (const conf::AggregateSettings& aggregate : aggregates) {
        const Answer<Relation> source = find_relation(db, aggregate.source);
        if (!source || source->oid != set.table.oid) {
            continue;
        }
        const Answer<TargetName> target = target_name(db, aggregate.target);
        if (!target) {
            return failed(target.error());
        }
        bool is_known = false;
        for (std::size_t i = 0; known != nullptr && i < known->size(); ++i) {
            is_known = is_known || known->view(i, 0) == target->text();
        }
        if (!is_known) {
            return "aggregate " + target->text() + " has never been computed (weir aggregate run " +
                   target->text() + ")";
        }
    }
    return std::string{};
}

}  // namespace

RetentionGuard guard_of(const std::vector<conf::AggregateSettings>& aggregates) {
    return [&aggregates](JobContext& job,
                         const PartitionSet& set,
                         const Partition& partition) -> Answer<std::string> {
        const Answer<bool> has_known = has_control(job.db);
        if (!has_known) {
            return failed(has_known.error());
        }
        if (!*has_known) {
            return why_needed_by_new(job.db, set, aggregates, /*known=*/nullptr);
        }
        // The line of a definition's text that names its column; a rebuild may go by another one.
        const Answer<Rows> known = job.db.run(
            "SELECT a.target, t.time, t.bucket FROM weir.aggregate a, LATERAL (SELECT DISTINCT "
            "substring(d FROM '\\ntime ([^\\n]*)\\n') AS time, "
            "substring(d FROM '\\nbucket ([^\\n]*)\\n') AS bucket FROM (VALUES (a.definition), "
            "(a.next_definition)) v (d) WHERE d IS NOT NULL) t WHERE a.source = $1 ORDER BY 1, 2",
            {set.table.text()});
        if (!known) {
            return failed(known.error());
        }
        Answer<std::string> why = why_needed_by_new(job.db, set, aggregates, &*known);
        return why && why->empty() ? why_needed_by_known(job.db, set, partition, *known) : why;
    };
}

}  // namespace weir::maintenance
