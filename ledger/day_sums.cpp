#include "ledger/day_sums.hpp"

#include "ledger/hour_writer.hpp"

namespace weir::ledger {

namespace {

constexpr const char* kSumTotals =
    "INSERT OR REPLACE INTO daily(day, digest, db, usr, app, calls, errors, rows, bytes, total_us, "
    "server_us, wait_us,"
    " sending_us, min_us, max_us, retried, cut, cache_hits, cache_misses, cache_saved_us)"
    " SELECT ?1, digest, db, usr, app, sum(calls), sum(errors), sum(rows), sum(bytes), "
    "sum(total_us),"
    " sum(server_us), sum(wait_us), sum(sending_us), min(min_us), max(max_us), sum(retried), "
    "sum(cut), sum(cache_hits), sum(cache_misses), sum(cache_saved_us)"
    " FROM hourly WHERE hour >= ?1 * 24 AND hour < (?1 + 1) * 24 GROUP BY +digest, db, usr, app";

// The histograms lie by digest: one range for each that the day has.
constexpr const char* kSumSpreads =
    "INSERT OR REPLACE INTO daily_hist(digest, day, db, usr, app, calls, errors, rows, total_us, "
    "server_us, wait_us,"
    " min_us, max_us, total, server, wait)"
    " SELECT h.digest, ?1, h.db, h.usr, h.app, sum(h.calls), sum(h.errors), sum(h.rows), "
    "sum(h.total_us),"
    " sum(h.server_us), sum(h.wait_us), min(h.min_us), max(h.max_us), hist_sum(h.total), "
    "hist_sum(h.server),"
    " hist_sum(h.wait)"
    " FROM (SELECT DISTINCT digest FROM daily WHERE day = ?1) d CROSS JOIN hourly_hist h"
    " WHERE h.digest = d.digest AND h.hour >= ?1 * 24 AND h.hour < (?1 + 1) * 24"
    " GROUP BY h.digest, h.db, h.usr, h.app";

}  // namespace

std::optional<std::int64_t> next_day_to_sum(Connection& connection,
                                            std::int64_t last,
                                            std::int64_t now_us) {
    constexpr std::int64_t kDayUs = kHourUs * kHoursOfDay;
    Use first = connection.use("SELECT min(hour) / 24 FROM hourly WHERE hour >= ?");
    first.with((last + 1) * kHoursOfDay);
    if (!first.row() || first.is_null(0) || first.integer(0) >= now_us / kDayUs) {
        return std::nullopt;
    }
    return first.integer(0);
}

bool sum_day(Connection& connection, std::int64_t day) {
    connection.execute("BEGIN IMMEDIATE");
    connection.use(kSumTotals).with(day).run();
    connection.use(kSumSpreads).with(day).run();
    connection
        .use(
            "INSERT INTO meta(key, value) VALUES ('summed_day', ?1)"
            " ON CONFLICT DO UPDATE SET value = excluded.value")
        .with(std::string_view{std::to_string(day)})
        .run();
    connection.execute("COMMIT");
    connection.roll_back();
    return connection.is_well();
}

}  // namespace weir::ledger
