#include "maintenance/aggregate_guard.hpp"

#include "maintenance/aggregate_control.hpp"
#include "maintenance/aggregate_zone.hpp"

namespace weir::maintenance {

Answer<std::string> why_needed_by_aggregates(JobContext& job,
                                             const Relation& table,
                                             const std::string& lo,
                                             const std::string& hi) {
    const Answer<bool> is_known = has_control(job.db);
    if (!is_known) {
        return failed(is_known.error());
    }
    if (!*is_known) {
        return std::string{};
    }
    const SessionZone zone{job.db};
    const std::string low = lo.empty() || lo == "MINVALUE" ? "-infinity" : lo;
    const std::string high = hi.empty() || hi == "MAXVALUE" ? "infinity" : hi;
    const Answer<Rows> rows = job.db.run(
        "SELECT 'aggregate ' || a.target || CASE WHEN a.watermark < r.high THEN ' is complete up "
        "to "
        "' || a.watermark::text || ' only' WHEN a.low_mark > r.low THEN ' has not been computed "
        "before ' || a.low_mark::text WHEN a.next_definition IS NOT NULL THEN ' is being rebuilt' "
        "ELSE ' has changed buckets that are not computed yet' END || ' (weir aggregate "
        "forget ' || a.target || ' where it is not wanted any more)' FROM weir.aggregate a, "
        "(SELECT "
        "$2::timestamptz AS low, $3::timestamptz AS high) r WHERE a.source = $1 AND (a.watermark < "
        "r.high OR a.low_mark > r.low OR a.next_definition IS NOT NULL OR EXISTS (SELECT FROM "
        "weir.aggregate_dirty d WHERE d.target = a.target AND d.bucket >= r.low AND d.bucket < "
        "r.high) OR EXISTS (SELECT FROM weir.aggregate_span s WHERE s.target = a.target AND s.low "
        "< "
        "r.high AND s.high > r.low)) ORDER BY 1 LIMIT 1",
        {table.text(), low, high});
    if (!rows) {
        return failed(rows.error());
    }
    return rows->empty() ? std::string{} : rows->text(0, 0);
}

}  // namespace weir::maintenance
