#include "maintenance/aggregate_list.hpp"

#include "maintenance/aggregate_control.hpp"
#include "maintenance/aggregate_zone.hpp"

namespace weir::maintenance {

Answer<Report> list_aggregates(Connection& db) {
    const SessionZone zone{db};
    Report report;
    report.columns = {{"target"},
                      {"source"},
                      {"watermark"},
                      {"lag_s", true},
                      {"dirty", true},
                      {"stretches", true},
                      {"low_mark"},
                      {"rows", true},
                      {"last_run"},
                      {"state"}};
    const Answer<bool> is_known = has_control(db);
    if (!is_known) {
        return failed(is_known.error());
    }
    if (!*is_known) {
        return report;
    }
    // Rows as the planner knows them: counting would read the table.
    const Answer<Rows> rows = db.run(
        "SELECT a.target, a.source, a.watermark, greatest(extract(epoch FROM now() - "
        "a.watermark)::bigint, 0), (SELECT count(DISTINCT bucket) FROM weir.aggregate_dirty d "
        "WHERE "
        "d.target = a.target), (SELECT count(*) FROM weir.aggregate_span s WHERE s.target = "
        "a.target), a.low_mark, (SELECT coalesce(nullif(c.reltuples, -1)::bigint, "
        "pg_stat_get_live_tuples(c.oid)) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
        "ON n.oid = c.relnamespace WHERE n.nspname || '.' || c.relname = a.target), "
        "date_trunc('second', a.last_run), CASE WHEN a.next_definition IS NOT NULL THEN "
        "'rebuilding' WHEN a.low_mark > '-infinity' THEN 'backfilling' ELSE 'complete' END FROM "
        "weir.aggregate a ORDER BY 1");
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        auto& row = report.rows.emplace_back();
        for (std::size_t column = 0; column < rows->columns(); ++column) {
            row.push_back(rows->maybe(i, column));
        }
    }
    return report;
}

}  // namespace weir::maintenance
