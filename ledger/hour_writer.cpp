#include "ledger/hour_writer.hpp"

#include <string>
#include <string_view>

namespace weir::ledger {

namespace {

std::string totals_sql(const std::string& table, const std::string& time) {
    return "INSERT INTO " + table + "(" + time +
           ", digest, db, usr, app, calls, errors, rows, bytes, total_us, server_us, wait_us, "
           "sending_us, min_us,"
           " max_us, retried, cut, cache_hits, cache_misses, cache_saved_us)"
           " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
           " ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, errors = errors + "
           "excluded.errors,"
           " rows = rows + excluded.rows, bytes = bytes + excluded.bytes, total_us = total_us + "
           "excluded.total_us,"
           " server_us = server_us + excluded.server_us, wait_us = wait_us + excluded.wait_us,"
           " sending_us = sending_us + excluded.sending_us, min_us = min(min_us, excluded.min_us),"
           " max_us = max(max_us, excluded.max_us), retried = retried + excluded.retried,"
           " cut = cut + excluded.cut, cache_hits = cache_hits + excluded.cache_hits,"
           " cache_misses = cache_misses + excluded.cache_misses,"
           " cache_saved_us = cache_saved_us + excluded.cache_saved_us";
}

std::string spread_sql(const std::string& table, const std::string& time) {
    return "INSERT INTO " + table + "(" + time +
           ", digest, db, usr, app, calls, errors, rows, total_us, server_us, wait_us, min_us, "
           "max_us, total, server,"
           " wait) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
           " ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, errors = errors + "
           "excluded.errors,"
           " rows = rows + excluded.rows, total_us = total_us + excluded.total_us,"
           " server_us = server_us + excluded.server_us, wait_us = wait_us + excluded.wait_us,"
           " min_us = min(min_us, excluded.min_us), max_us = max(max_us, excluded.max_us),"
           " total = hist_merge(total, excluded.total), server = hist_merge(server, "
           "excluded.server),"
           " wait = hist_merge(wait, excluded.wait)";
}

}  // namespace

HourWriter::Numbers HourWriter::numbers_of(const Pending::Key& key, const Pending::Hour& hour) {
    const std::int64_t t = key.hour * kHourUs;
    return {.hour = key.hour,
            .digest = ids_->digest(*hour.digest, t),
            .database = ids_->name(NameKind::Database, key.labels->database, t),
            .user = ids_->name(NameKind::User, key.labels->user, t),
            .application = ids_->name(NameKind::Application, key.labels->application, t)};
}

/// The columns that sums and histograms begin with. @param time an hour or a day
void HourWriter::bind_key(Use& adding, std::int64_t time, const Numbers& numbers) {
    adding.with(time)
        .with(numbers.digest)
        .with(numbers.database)
        .with(numbers.user)
        .with(numbers.application);
}

void HourWriter::write_totals(const Pending& pending) {
    for (const auto& [key, hour] : pending.hours()) {
        if (hour.totals.calls != 0) {
            write_totals(numbers_of(key, hour), hour);
        }
    }
    for (const auto& [key, wait] : pending.waits()) {
        write_wait(key, wait);
    }
}

void HourWriter::write_totals(const Numbers& numbers, const Pending::Hour& hour) {
    static const std::string kHours = totals_sql("hourly", "hour");
    static const std::string kDays = totals_sql("daily", "day");
    const Totals& totals = hour.totals;
    const auto add_to = [&](const std::string& sql, std::int64_t time) {
        Use adding = connection_->use(sql.c_str());
        bind_key(adding, time, numbers);
        adding.with(totals.calls)
            .with(totals.errors)
            .with(totals.rows)
            .with(totals.bytes)
            .with(totals.total_us)
            .with(totals.server_us)
            .with(totals.wait_us)
            .with(totals.sending_us)
            .with(totals.min_us)
            .with(totals.max_us)
            .with(totals.retried)
            .with(totals.cut)
            .with(totals.cache_hits)
            .with(totals.cache_misses)
            .with(totals.cache_saved_us)
            .run();
    };
    add_to(kHours, numbers.hour);
    if (is_of_summed_day(numbers.hour)) {
        add_to(kDays, numbers.hour / kHoursOfDay);
    }
    for (const ErrorCount& error : hour.errors) {
        const std::string sqlstate = error.sqlstate.text();
        Use adding = connection_->use(
            "INSERT INTO hourly_error(hour, sqlstate, digest, db, usr, app, n) VALUES (?, ?, ?, ?, "
            "?, ?, ?)"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n");
        adding.with(numbers.hour)
            .with(std::string_view{sqlstate})
            .with(numbers.digest)
            .with(numbers.database)
            .with(numbers.user)
            .with(numbers.application)
            .with(error.count)
            .run();
    }
}

void HourWriter::write_wait(const Pending::WaitKey& key, const Pending::Wait& wait) {
    const std::int64_t t = key.hour * kHourUs;
    const std::int64_t database = ids_->name(NameKind::Database, key.database, t);
    const std::int64_t user = ids_->name(NameKind::User, key.user, t);
    const std::string times = encode(wait.times);
    Use adding = connection_->use(
        "INSERT INTO hourly_wait(hour, db, usr, why, n, us, hist) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET n = n + excluded.n, us = us + excluded.us,"
        " hist = hist_merge(hist, excluded.hist)");
    adding.with(key.hour)
        .with(database)
        .with(user)
        .with(static_cast<std::int64_t>(key.reason))
        .with(wait.count)
        .with(wait.us)
        .with_blob(times)
        .run();
}

void HourWriter::write_spreads(const Pending& pending) {
    for (const auto& [key, hour] : pending.hours()) {
        if (hour.spread != nullptr) {
            write_spread(numbers_of(key, hour), hour);
        }
    }
}

void HourWriter::write_spread(const Numbers& numbers, const Pending::Hour& hour) {
    static const std::string kHours = spread_sql("hourly_hist", "hour");
    static const std::string kDays = spread_sql("daily_hist", "day");
    const Totals& totals = hour.spread_totals;
    const std::string total = encode(hour.spread->total);
    const std::string server = encode(hour.spread->server);
    const std::string wait = encode(hour.spread->wait);
    const auto add_to = [&](const std::string& sql, std::int64_t time) {
        Use adding = connection_->use(sql.c_str());
        bind_key(adding, time, numbers);
        adding.with(totals.calls)
            .with(totals.errors)
            .with(totals.rows)
            .with(totals.total_us)
            .with(totals.server_us)
            .with(totals.wait_us)
            .with(totals.min_us)
            .with(totals.max_us)
            .with_blob(total)
            .with_blob(server)
            .with_blob(wait)
            .run();
    };
    add_to(kHours, numbers.hour);
    if (is_of_summed_day(numbers.hour)) {
        add_to(kDays, numbers.hour / kHoursOfDay);
    }
    Use seen = connection_->use("UPDATE digest SET last_t = max(last_t, ?2) WHERE id = ?1");
    seen.with(numbers.digest).with((numbers.hour + 1) * kHourUs).run();
}

}  // namespace weir::ledger
