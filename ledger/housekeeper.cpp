#include "ledger/housekeeper.hpp"

#include "ledger/day_sums.hpp"

#include <algorithm>

namespace weir::ledger {

namespace {

constexpr std::int64_t kDayUs = kHourUs * kHoursOfDay;
constexpr std::uint64_t kPercent = 100;
/// Room is made from the first of these on, until the second is reached.
constexpr std::uint64_t kFullPercent = 90;
constexpr std::uint64_t kRelievedPercent = 85;

template <class Step>
Step after(Step step) {
    return static_cast<Step>(static_cast<std::uint8_t>(step) + 1);
}

}  // namespace

void Housekeeper::begin(std::int64_t now_us) {
    now_us_ = now_us;
    task_ = Task::SumDays;
    swept_digest_ = -1;
}

void Housekeeper::check_size() {
    if (victim_ == Victim::None && is_above(kFullPercent)) {
        victim_ = Victim::Samples;
        spreads_before_ = 0;
    }
}

bool Housekeeper::is_above(std::uint64_t percent) {
    const auto most = static_cast<std::uint64_t>(store_->pages_max()) * Store::kPageBytes;
    return most != 0 && store_->bytes_used() > most / kPercent * percent;
}

bool Housekeeper::work() {
    if (victim_ != Victim::None) {
        if (!is_above(kRelievedPercent)) {
            victim_ = Victim::None;
        } else if (sacrifice(victim_) == 0) {
            victim_ = after(victim_);
        }
    } else if (task_ != Task::Done && slice(task_) == 0) {
        task_ = after(task_);
    }
    if (!store_->connection().is_well()) {
        task_ = Task::Done;
        victim_ = Victim::None;
    }
    return task_ != Task::Done || victim_ != Victim::None;
}

std::int64_t Housekeeper::slice(Task task) {
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
        case Task::Events:
            return run(
                "DELETE FROM event WHERE t IN (SELECT t FROM event WHERE t < ? ORDER BY t LIMIT "
                "5000)",
                cutoff(retention_.events));
        case Task::Patterns:
            run("DELETE FROM error_pattern WHERE last_t < ?", cutoff(retention_.statements));
            return 0;
        case Task::Hours: return delete_hours(cutoff(retention_.hourly) / kHourUs);
        case Task::Spreads: return delete_spreads(now_us_ / kHourUs - kSpreadDays * kHoursOfDay);
        case Task::Days:
            return retention_.hourly.count() == 0
                       ? 0
                       : delete_days(std::min(cutoff(retention_.hourly) / kDayUs,
                                              now_us_ / kDayUs - kDaysMin));
        case Task::Digests: return delete_digests();
        case Task::Vacuum: return vacuum();
        case Task::Checkpoint:
            store_->connection().execute("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
            return 0;
        case Task::Done: break;
    }
    return 0;
}

std::int64_t Housekeeper::sacrifice(Victim victim) {
    switch (victim) {
        case Victim::Samples:
            return run(
                "DELETE FROM statement WHERE t IN (SELECT t FROM statement WHERE class = ? ORDER "
                "BY t LIMIT 5000)",
                0);
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
    return 0;
}

std::int64_t Housekeeper::run(const char* sql, std::int64_t parameter) {
    Connection& connection = store_->connection();
    if (!connection.use(sql).with(parameter).run()) {
        return 0;
    }
    const std::int64_t rows = connection.rows_changed();
    deleted_ += static_cast<std::uint64_t>(rows);
    return rows;
}

/// @return what is older is deleted; 0 = nothing is
std::int64_t Housekeeper::cutoff(std::chrono::milliseconds retention) const {
    constexpr std::int64_t kMilli = 1000;
    return retention.count() == 0 ? 0
                                  : std::max<std::int64_t>(0, now_us_ - retention.count() * kMilli);
}

std::int64_t Housekeeper::sum_a_day() {
    const auto day = next_day_to_sum(store_->connection(), store_->last_summed_day(), now_us_);
    if (!day || !sum_day(store_->connection(), *day)) {
        return 0;
    }
    store_->days_are_summed_up_to(*day);
    return 1;
}

/// @param before at most a day of what is older goes in one slice
std::int64_t Housekeeper::delete_hours(std::int64_t before) {
    Connection& connection = store_->connection();
    const auto first = connection.integer("SELECT min(hour) FROM hourly");
    if (!first || *first >= before) {
        run("DELETE FROM hourly_error WHERE hour < ?", before);
        run("DELETE FROM hourly_wait WHERE hour < ?", before);
        return 0;
    }
    return run("DELETE FROM hourly WHERE hour < ?", std::min(before, *first + kHoursOfDay));
}

/// A hundred digests a slice, from the last one looked at.
std::int64_t Housekeeper::delete_spreads(std::int64_t before) {
    Connection& connection = store_->connection();
    before = std::min(before, (store_->last_summed_day() + 1) * kHoursOfDay);
    if (before <= 0) {
        return 0;
    }
    std::int64_t seen = 0;
    {
        Use digests = connection.use("SELECT id FROM digest WHERE id > ? ORDER BY id LIMIT 100");
        digests.with(swept_digest_);
        while (digests.row()) {
            swept_digest_ = digests.integer(0);
            ++seen;
            Use deleting = connection.use("DELETE FROM hourly_hist WHERE digest = ? AND hour < ?");
            deleting.with(swept_digest_).with(before).run();
        }
    }
    swept_digest_ = seen == 0 ? -1 : swept_digest_;
    return seen;
}

/// One day of them, from the oldest there is, but for the days that are not summed up.
std::int64_t Housekeeper::delete_oldest_spreads() {
    const std::int64_t most = (store_->last_summed_day() + 1) * kHoursOfDay;
    if (spreads_before_ == 0) {
        const auto first = store_->connection().integer("SELECT min(hour) FROM hourly");
        spreads_before_ = first.value_or(most) + kHoursOfDay;
        swept_digest_ = -1;
    }
    if (delete_spreads(spreads_before_) != 0) {
        return 1;
    }
    const bool is_last = spreads_before_ >= most;
    spreads_before_ += kHoursOfDay;
    return is_last ? 0 : 1;
}

std::int64_t Housekeeper::delete_oldest_hours() {
    const auto first = store_->connection().integer("SELECT min(hour) FROM hourly");
    const auto last = store_->connection().integer("SELECT max(hour) FROM hourly");
    // The hour that is being filled stays.
    return first && last && *first < *last ? delete_hours(std::min(*first + kHoursOfDay, *last))
                                           : 0;
}

std::int64_t Housekeeper::delete_days(std::int64_t before) {
    Connection& connection = store_->connection();
    const auto first = connection.integer("SELECT min(day) FROM daily");
    if (!first || *first >= before) {
        return 0;
    }
    // By digest: the histograms lie in that order.
    Use spreads = connection.use(
        "DELETE FROM daily_hist WHERE day = ?1 AND digest IN (SELECT digest FROM daily WHERE day = "
        "?1)");
    spreads.with(*first).run();
    return run("DELETE FROM daily WHERE day = ?", *first);
}

std::int64_t Housekeeper::delete_oldest_days() {
    const auto last = store_->connection().integer("SELECT max(day) FROM daily");
    return last ? delete_days(*last) : 0;
}

/// Those that nothing is about any more.
std::int64_t Housekeeper::delete_digests() {
    Connection& connection = store_->connection();
    std::int64_t oldest = now_us_ == 0 ? INT64_MAX : now_us_ - kDayUs;
    const auto look = [&](const char* sql, std::int64_t unit) {
        if (const auto first = connection.integer(sql)) {
            oldest = std::min(oldest, *first * unit);
        }
    };
    look("SELECT min(hour) FROM hourly", kHourUs);
    look("SELECT min(day) FROM daily", kDayUs);
    look("SELECT min(t) FROM statement", 1);
    Use spreads = connection.use(
        "DELETE FROM hourly_hist WHERE digest IN (SELECT id FROM digest WHERE last_t < ? AND id <> "
        "0 LIMIT 100)");
    spreads.with(oldest).run();
    const std::int64_t rows =
        run("DELETE FROM digest WHERE id IN (SELECT id FROM digest WHERE last_t < ? AND id <> 0 "
            "LIMIT 100)",
            oldest);
    store_->ids().forget();
    return rows;
}

/// Gives pages back while there are many free ones.
std::int64_t Housekeeper::vacuum() {
    constexpr std::int64_t kManyOf = 20;
    Connection& connection = store_->connection();
    const std::int64_t pages = connection.integer("PRAGMA page_count").value_or(0);
    const std::int64_t unused = connection.integer("PRAGMA freelist_count").value_or(0);
    if (unused == 0 || unused < pages / kManyOf) {
        return 0;
    }
    connection.execute("PRAGMA incremental_vacuum(256)");
    return connection.integer("PRAGMA freelist_count").value_or(0) < unused ? 1 : 0;
}

bool Housekeeper::relieve(Ballast& ballast) {
    constexpr int kSlicesMax = 200;
    Connection& connection = store_->connection();
    ballast.give_up();
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    const std::uint64_t before = store_->bytes_used();
    Victim victim = Victim::Samples;
    for (int i = 0; i < kSlicesMax && victim != Victim::None && connection.is_well(); ++i) {
        if (store_->bytes_used() < before / kPercent * kFullPercent) {
            break;
        }
        victim = sacrifice(victim) == 0 ? after(victim) : victim;
    }
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
