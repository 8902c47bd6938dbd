#include "ledger/housekeeper.hpp"

#include "base/log.hpp"
#include "ledger/audit.hpp"
#include "ledger/day_sums.hpp"

#include <algorithm>
#include <utility>

namespace weir::ledger {

namespace {

constexpr std::int64_t kDayUs = kHourUs * kHoursOfDay;
constexpr std::uint64_t kPercent = 100;
/// Room is made from the first of these on, until the second is reached.
constexpr std::uint64_t kFullPercent = 90;
constexpr std::uint64_t kRelievedPercent = 85;

/// Of the hours that are deleted together.
constexpr const char* kFirstHour =
    "SELECT min(first) FROM (SELECT min(hour) first FROM hourly UNION ALL SELECT min(hour) FROM "
    "hourly_error UNION ALL SELECT min(hour) FROM hourly_wait)";
constexpr const char* kLastHour =
    "SELECT max(last) FROM (SELECT max(hour) last FROM hourly UNION ALL SELECT max(hour) FROM "
    "hourly_error UNION ALL SELECT max(hour) FROM hourly_wait)";

/// What pools tell of minutes in which nothing failed.
constexpr Sweep kPoolEvents{
    .end_of_slice =
        "SELECT max(t) FROM (SELECT t FROM event WHERE kind = 'pool' AND t > ? AND t < "
        "? ORDER BY t LIMIT 5000)",
    .deleting = "DELETE FROM event WHERE kind = 'pool' AND severity = 0 AND t > ? AND t <= ?"};
/// Statements that are neither slow nor failed.
constexpr Sweep kSamples{
    .end_of_slice =
        "SELECT max(t) FROM (SELECT t FROM statement WHERE t > ? AND t < ? ORDER BY t LIMIT 5000)",
    .deleting = "DELETE FROM statement WHERE class = 0 AND t > ? AND t <= ?"};

template <class Step>
Step after(Step step) {
    return static_cast<Step>(static_cast<std::uint8_t>(step) + 1);
}

}  // namespace

void Housekeeper::begin(std::int64_t now_us) {
    now_us_ = now_us;
    task_ = Task::SumDays;
    swept_events_ = 0;
    swept_digest_ = -1;
}

void Housekeeper::check_size() {
    if (victim_ == Victim::None && is_above(kFullPercent)) {
        victim_ = Victim::PoolEvents;
    }
    if (const std::uint64_t most = audit_bytes_max(); most != 0 && !is_cutting_audit_) {
        is_cutting_audit_ = audit_bytes(store_->connection()) > most;
    }
}

bool Housekeeper::is_above(std::uint64_t percent) {
    const auto most = static_cast<std::uint64_t>(store_->pages_max()) * Store::kPageBytes;
    return most != 0 && store_->bytes_used() > most / kPercent * percent;
}

/// @return 0 = no limit
std::uint64_t Housekeeper::audit_bytes_max() const {
    return static_cast<std::uint64_t>(store_->pages_max()) * Store::kPageBytes / kAuditShare;
}

bool Housekeeper::work() {
    if (victim_ != Victim::None) {
        if (!is_above(kRelievedPercent)) {
            victim_ = Victim::None;
        } else if (!sacrifice(victim_)) {
            victim_ = after(victim_);
        }
    } else if (is_cutting_audit_) {
        is_cutting_audit_ = cut_audit();
    } else if (task_ != Task::Done && !slice(task_)) {
        task_ = after(task_);
    }
    if (!store_->connection().is_well()) {
        task_ = Task::Done;
        victim_ = Victim::None;
        is_cutting_audit_ = false;
    }
    return task_ != Task::Done || victim_ != Victim::None || is_cutting_audit_;
}

bool Housekeeper::slice(Task task) {
    switch (task) {
        case Task::SumDays: return sum_a_day();
        case Task::Statements:
            return run(
                "DELETE FROM statement WHERE t IN (SELECT t FROM statement WHERE t < ? ORDER BY t "
                "LIMIT 5000)",
                cutoff(retention_.statements));
        case Task::Sessions:
            return run(
                "DELETE FROM session WHERE t IN (SELECT t FROM session WHERE t < ? ORDER BY t "
                "LIMIT 5000)",
                cutoff(retention_.statements));
        case Task::PoolEvents: return sweep(kPoolEvents, swept_events_, cutoff(kPoolEventsMost));
        case Task::Events:
            return run(
                "DELETE FROM event WHERE t IN (SELECT t FROM event WHERE t < ? ORDER BY t LIMIT "
                "5000)",
                cutoff(retention_.events));
        case Task::JobRuns: return delete_job_runs();
        case Task::Patterns:
            run("DELETE FROM error_pattern WHERE last_t < ?", cutoff(retention_.statements));
            return false;
        case Task::Hours:
            // A day that is not summed up yet would lack what is deleted.
            return delete_hours(
                std::min(cutoff(retention_.hourly) / kHourUs, first_summed_later()));
        case Task::Spreads:
            return delete_spreads(now_us_ / kHourUs - kSpreadDays * kHoursOfDay, swept_digest_);
        case Task::Days:
            return retention_.hourly.count() != 0 &&
                   delete_days(
                       std::min(cutoff(retention_.hourly) / kDayUs, now_us_ / kDayUs - kDaysMin));
        case Task::Digests: return delete_digests();
        case Task::Names: return delete_names();
        case Task::Vacuum: return vacuum();
        case Task::Checkpoint:
            store_->connection().execute("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
            return false;
        case Task::Done: break;
    }
    return false;
}

bool Housekeeper::sacrifice(Victim victim) {
    switch (victim) {
        case Victim::PoolEvents: return sweep(kPoolEvents, given_up_events_, INT64_MAX);
        case Victim::Samples: return sweep(kSamples, given_up_samples_, INT64_MAX);
        case Victim::Sessions:
            return run("DELETE FROM session WHERE t IN (SELECT t FROM session ORDER BY t LIMIT ?)",
                       5000);
        case Victim::Spreads: return delete_oldest_spreads();
        case Victim::Statements:
            return run(
                "DELETE FROM statement WHERE t IN (SELECT t FROM statement ORDER BY t LIMIT ?)",
                5000);
        case Victim::Hours: return delete_oldest_hours();
        case Victim::Events:
            return run("DELETE FROM event WHERE t IN (SELECT t FROM event ORDER BY t LIMIT ?)",
                       5000);
        case Victim::Days: return delete_oldest_days();
        case Victim::Digests: return delete_digests();
        case Victim::None: break;
    }
    return false;
}

/// @return whether it deleted anything
bool Housekeeper::run(const char* sql, std::int64_t parameter) {
    Connection& connection = store_->connection();
    if (!connection.use(sql).with(parameter).run()) {
        return false;
    }
    const std::int64_t rows = connection.rows_changed();
    deleted_ += static_cast<std::uint64_t>(rows);
    return rows != 0;
}

/// @param after the last row id looked at; 0 again when all were
bool Housekeeper::sweep(const Sweep& what, std::int64_t& after, std::int64_t before) {
    Connection& connection = store_->connection();
    std::int64_t end = 0;
    {
        Use slice = connection.use(what.end_of_slice);
        slice.with(after).with(before);
        end = slice.row() && !slice.is_null(0) ? slice.integer(0) : 0;
    }
    if (end == 0 || !connection.use(what.deleting).with(after).with(end).run()) {
        after = 0;
        return false;
    }
    deleted_ += static_cast<std::uint64_t>(connection.rows_changed());
    after = end;
    return true;
}

/// @return what is older is deleted; 0 = nothing is
std::int64_t Housekeeper::cutoff(std::chrono::milliseconds retention) const {
    constexpr std::int64_t kMilli = 1000;
    return retention.count() == 0 ? 0
                                  : std::max<std::int64_t>(0, now_us_ - retention.count() * kMilli);
}

/// @return the first hour of those that are not in `daily` yet
std::int64_t Housekeeper::first_summed_later() const {
    return (store_->last_summed_day() + 1) * kHoursOfDay;
}

bool Housekeeper::sum_a_day() {
    const auto day = next_day_to_sum(store_->connection(), store_->last_summed_day(), now_us_);
    if (!day || !sum_day(store_->connection(), *day)) {
        return false;
    }
    store_->days_are_summed_up_to(*day);
    return true;
}

/// @param before at most a day of what is older goes in one slice
bool Housekeeper::delete_hours(std::int64_t before) {
    const auto first = store_->connection().integer(kFirstHour);
    if (!first || *first >= before) {
        return false;
    }
    const std::int64_t until = std::min(before, *first + kHoursOfDay);
    run("DELETE FROM hourly WHERE hour < ?", until);
    run("DELETE FROM hourly_error WHERE hour < ?", until);
    run("DELETE FROM hourly_wait WHERE hour < ?", until);
    return true;
}

/// A hundred digests a slice, from the last one looked at.
bool Housekeeper::delete_spreads(std::int64_t before, std::int64_t& swept_digest) {
    Connection& connection = store_->connection();
    before = std::min(before, first_summed_later());
    if (before <= 0) {
        return false;
    }
    bool has_seen = false;
    {
        Use digests = connection.use("SELECT id FROM digest WHERE id > ? ORDER BY id LIMIT 100");
        digests.with(swept_digest);
        while (digests.row()) {
            swept_digest = digests.integer(0);
            has_seen = true;
            Use deleting = connection.use("DELETE FROM hourly_hist WHERE digest = ? AND hour < ?");
            if (deleting.with(swept_digest).with(before).run()) {
                deleted_ += static_cast<std::uint64_t>(connection.rows_changed());
            }
        }
    }
    swept_digest = has_seen ? swept_digest : -1;
    return has_seen;
}

/// One day of them, from the oldest there is, but for the days that are not summed up. Goes on
/// where it ended when room was last made.
bool Housekeeper::delete_oldest_spreads() {
    const std::int64_t most = first_summed_later();
    if (given_up_digest_ < 0) {
        const std::int64_t first = store_->connection().integer(kFirstHour).value_or(most);
        const std::int64_t oldest = now_us_ / kHourUs - kSpreadDays * kHoursOfDay;
        spreads_before_ = std::max(spreads_before_, std::max(first, oldest) + kHoursOfDay);
    }
    if (delete_spreads(spreads_before_, given_up_digest_)) {
        return true;
    }
    const bool is_last = spreads_before_ >= most;
    spreads_before_ = std::min(spreads_before_ + kHoursOfDay, most);
    return !is_last;
}

bool Housekeeper::delete_oldest_hours() {
    const auto first = store_->connection().integer(kFirstHour);
    const auto last = store_->connection().integer(kLastHour);
    // The hour that is being filled stays.
    return first && last && *first < *last && delete_hours(std::min(*first + kHoursOfDay, *last));
}

bool Housekeeper::delete_days(std::int64_t before) {
    Connection& connection = store_->connection();
    const auto first = connection.integer("SELECT min(day) FROM daily");
    if (!first || *first >= before) {
        return false;
    }
    // By digest: the histograms lie in that order.
    Use spreads = connection.use(
        "DELETE FROM daily_hist WHERE day = ?1 AND digest IN (SELECT digest FROM daily WHERE day = "
        "?1)");
    spreads.with(*first).run();
    return run("DELETE FROM daily WHERE day = ?", *first);
}

bool Housekeeper::delete_oldest_days() {
    const auto last = store_->connection().integer("SELECT max(day) FROM daily");
    return last && delete_days(*last);
}

/// @return the oldest time that anything is of which has digests and names, or `oldest`
std::int64_t Housekeeper::oldest_use(std::int64_t oldest) {
    const auto look = [&](const char* sql, std::int64_t unit) {
        if (const auto first = store_->connection().integer(sql)) {
            oldest = std::min(oldest, *first * unit);
        }
    };
    look(kFirstHour, kHourUs);
    look("SELECT min(day) FROM daily", kDayUs);
    look("SELECT min(t) FROM statement", 1);
    look("SELECT min(t) FROM session", 1);
    return oldest;
}

/// What is too old, and what is too much of one job.
bool Housekeeper::delete_job_runs() {
    return run("DELETE FROM job_run WHERE t IN (SELECT t FROM job_run WHERE t < ? ORDER BY t LIMIT "
               "5000)",
               cutoff(retention_.events)) ||
           run("DELETE FROM job_run WHERE t IN (SELECT t FROM (SELECT t, row_number() OVER "
               "(PARTITION BY job ORDER BY t DESC) place FROM job_run) WHERE place > ? LIMIT 5000)",
               kRunsOfJob);
}

/// Those that nothing is about any more.
bool Housekeeper::delete_digests() {
    Connection& connection = store_->connection();
    const std::int64_t oldest = oldest_use(now_us_ == 0 ? INT64_MAX : now_us_ - kDayUs);
    Use spreads = connection.use(
        "DELETE FROM hourly_hist WHERE digest IN (SELECT id FROM digest WHERE last_t < ? AND id <> "
        "0 LIMIT 100)");
    spreads.with(oldest).run();
    const bool has_more =
        run("DELETE FROM digest WHERE id IN (SELECT id FROM digest WHERE last_t < ? AND id <> 0 "
            "LIMIT 100)",
            oldest);
    store_->ids().forget();
    return has_more;
}

/// Those that nothing names any more.
bool Housekeeper::delete_names() {
    const bool has_more =
        run("DELETE FROM name WHERE id IN (SELECT id FROM name WHERE last_t < ? LIMIT 1000)",
            oldest_use(now_us_ - kDayUs));
    store_->ids().forget();
    return has_more;
}

/// Somewhat more than is beyond its share, so that it is not begun with every line.
bool Housekeeper::cut_audit() {
    constexpr std::uint64_t kCutPercent = 90;
    Connection& connection = store_->connection();
    const bool is_too_long = audit_bytes(connection) > audit_bytes_max() / kPercent * kCutPercent;
    const std::int64_t lines = is_too_long ? ledger::cut_audit(connection) : 0;
    if (lines == 0) {
        if (const std::uint64_t all = std::exchange(audit_lines_cut_, 0); all != 0) {
            log::warn("ledger_audit_cut", {{"file", store_->file()}, {"lines", all}});
        }
        return false;
    }
    deleted_ += static_cast<std::uint64_t>(lines);
    audit_lines_cut_ += static_cast<std::uint64_t>(lines);
    return true;
}

/// Gives pages back while there are many free ones.
bool Housekeeper::vacuum() {
    constexpr std::int64_t kManyOf = 20;
    Connection& connection = store_->connection();
    const std::int64_t pages = connection.integer("PRAGMA page_count").value_or(0);
    const std::int64_t unused = connection.integer("PRAGMA freelist_count").value_or(0);
    if (unused == 0 || unused < pages / kManyOf) {
        return false;
    }
    connection.execute("PRAGMA incremental_vacuum(256)");
    return connection.integer("PRAGMA freelist_count").value_or(0) < unused;
}

/// Until no more than so much is used, in a bounded number of slices; those that find nothing to
/// delete do not count.
void Housekeeper::give_up(std::uint64_t bytes) {
    constexpr int kSlicesMax = 200;
    Connection& connection = store_->connection();
    // Without max_size nothing else bounds it.
    for (int i = 0; i < kSlicesMax && audit_bytes(connection) > bytes / kAuditShare; ++i) {
        const std::int64_t lines = ledger::cut_audit(connection);
        if (lines == 0) {
            break;
        }
        deleted_ += static_cast<std::uint64_t>(lines);
    }
    Victim victim = Victim::PoolEvents;
    for (int i = 0; i < kSlicesMax && victim != Victim::None && connection.is_well();) {
        if (store_->bytes_used() < bytes) {
            return;
        }
        const std::uint64_t before = deleted_;
        victim = sacrifice(victim) ? victim : after(victim);
        i += deleted_ != before ? 1 : 0;
    }
}

bool Housekeeper::relieve(Ballast& ballast) {
    Connection& connection = store_->connection();
    ballast.give_up();
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    const std::uint64_t before = store_->bytes_used();
    give_up(before / kPercent * kFullPercent);
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    connection.execute("PRAGMA incremental_vacuum");
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    const bool is_done = connection.is_well() && store_->bytes_used() < before;
    static_cast<void>(connection.take_trouble());
    if (is_done && !store_->is_in_memory()) {
        store_->fit_log_into(ballast.make(store_->ballast_bytes()));
    }
    return is_done;
}

}  // namespace weir::ledger
