#include "ledger/writer.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <utility>

namespace weir::ledger {

namespace {

using std::chrono::milliseconds;

/// A ruined file is set aside once in so long; one that is ruined again at once has a ruined disk.
constexpr std::chrono::hours kSetAsideEvery{1};
constexpr milliseconds kSizeEvery{1000};

NotedEvent event_of(std::int64_t now_us,
                    events::Severity severity,
                    std::string object,
                    std::string what) {
    return {.t = now_us,
            .event = {.kind = "ledger",
                      .object = std::move(object),
                      .severity = severity,
                      .what = std::move(what),
                      .data = ""}};
}

}  // namespace

Writer::Writer(const conf::LedgerSettings& settings,
               WriterPace pace,
               std::vector<std::unique_ptr<Recorder>>& recorders)
    : settings_{settings}, pace_{pace}, recorders_{&recorders}, ballast_{settings.path} {
    housekeeper_.set_retention(settings.retention);
    const TimePoint now = Clock::now();
    totals_at_ = now + pace_.totals_every;
    spreads_at_ = now + pace_.spreads_every;
}

Outcome Writer::turn(Orders orders) {
    Outcome outcome;
    // At the end it is tried once more, whenever it was tried last.
    if (!store_.is_open() && (orders.is_last || Clock::now() >= retry_at_)) {
        open(orders.now_us);
    }
    take_orders(orders);
    take_tables(orders.is_last);
    take_rows();
    if (store_.is_open()) {
        if (orders.is_sync || orders.is_last) {
            outcome.is_synced = write_all(orders);
        } else {
            write_due(orders);
        }
    }
    const bool has_housework = !orders.is_last && keep_house(orders.now_us);
    outcome.has_more = has_housework || (status_.state == LedgerState::Ok && are_rows_waiting());
    refresh_status();
    return outcome;
}

void Writer::take_orders(Orders& orders) {
    std::move(orders.events.begin(), orders.events.end(), std::back_inserter(batch_.events));
    std::move(orders.job_runs.begin(), orders.job_runs.end(), std::back_inserter(batch_.job_runs));
    for (NotedDeed& noted : orders.deeds) {
        deed_fold_.add(std::move(noted), batch_.deeds);
    }
    if (orders.is_last) {
        deed_fold_.take_all(batch_.deeds);
    } else {
        deed_fold_.take_due(orders.now_us, batch_.deeds);
    }
    if (orders.settings) {
        settings_.retention = orders.settings->retention;
        settings_.max_size = orders.settings->max_size;
        housekeeper_.set_retention(settings_.retention);
        store_.set_max_size(settings_.max_size);
        round_at_ = {};
    }
}

void Writer::take_tables(bool is_last) {
    for (const std::unique_ptr<Recorder>& recorder : *recorders_) {
        if (const std::unique_ptr<SumsTable> table = recorder->take()) {
            pending_.add(*table);
        }
        if (!is_last) {
            continue;
        }
        if (const std::unique_ptr<SumsTable> table = recorder->take_rest()) {
            pending_.add(*table);
        }
    }
}

/// As many rows as are written at once; while nothing can be written, as many as are kept.
void Writer::take_rows() {
    const std::size_t most = status_.state == LedgerState::Ok ? kBatchRows : kHeldRowsMax;
    for (std::size_t i = 0; i < recorders_->size(); ++i) {
        Recorder& recorder = *(*recorders_)[(first_recorder_ + i) % recorders_->size()];
        while (batch_.size() < most) {
            std::optional<Sample> sample = recorder.take_sample();
            if (!sample) {
                break;
            }
            batch_.samples.push_back(std::move(*sample));
        }
    }
    for (const std::unique_ptr<Recorder>& recorder : *recorders_) {
        take_sessions(*recorder, most);
    }
    first_recorder_ = (first_recorder_ + 1) % std::max<std::size_t>(1, recorders_->size());
}

/// Clients that come and go in a storm must leave room for statements, in the batch and in the
/// file.
void Writer::take_sessions(Recorder& recorder, std::size_t rows_max) {
    const std::size_t most = rows_max / kSessionsShare;
    while (batch_.size() < rows_max && batch_.sessions.size() < most) {
        std::optional<Session> session = recorder.take_session();
        if (!session) {
            break;
        }
        batch_.sessions.push_back(std::move(*session));
    }
}

/// @return whether there may be more of what it has
bool Writer::is_batch_full() const {
    return batch_.size() >= kBatchRows || batch_.sessions.size() >= kBatchRows / kSessionsShare;
}

bool Writer::are_rows_waiting() const {
    return std::any_of(
        recorders_->begin(), recorders_->end(), [](const std::unique_ptr<Recorder>& recorder) {
            return recorder->samples_waiting() >= kBatchRows;
        });
}

void Writer::open(std::int64_t now_us) {
    const std::optional<Trouble> trouble = store_.open(
        {.path = settings_.path, .max_size = settings_.max_size, .locked_for = pace_.locked_for});
    if (!trouble) {
        prepare_ballast();
        round_at_ = {};
        recover(now_us);
        return;
    }
    if (trouble->kind == Trouble::Kind::Corrupt) {
        set_aside_ruined(now_us);
        return;
    }
    degrade(trouble->text,
            trouble->kind == Trouble::Kind::Locked ? pace_.rows_every : pace_.retry_every);
}

void Writer::prepare_ballast() {
    if (store_.is_in_memory()) {
        return;
    }
    const std::uint64_t bytes = ballast_.make(store_.ballast_bytes());
    store_.fit_log_into(bytes);
    if (bytes == 0) {
        log::warn("ledger_no_ballast",
                  {{"file", store_.file()}, {"bytes", store_.ballast_bytes()}});
    }
}

/// All that is there now: rows in batches, and with the last of them the hours.
///
/// @return false when something stays unwritten
bool Writer::write_all(const Orders& orders) {
    // What is sampled meanwhile is not waited for.
    std::size_t batches = 1;
    for (const std::unique_ptr<Recorder>& recorder : *recorders_) {
        batches += recorder->samples_waiting() / kBatchRows +
                   Recorder::kSessionsMax / (kBatchRows / kSessionsShare) + 1;
    }
    for (std::size_t i = 0; i < batches && is_batch_full(); ++i) {
        if (!write(Extent::Rows, orders.now_us)) {
            return false;
        }
        take_rows();
    }
    return write(Extent::Spreads, orders.now_us);
}

void Writer::write_due(const Orders& orders) {
    const TimePoint now = Clock::now();
    if (status_.state == LedgerState::Degraded && now < retry_at_) {
        return;
    }
    const Extent extent = extent_due(orders.now_us);
    const bool are_rows_due =
        batch_.size() >= kBatchRows || (batch_.size() > 0 && now - rows_at_ >= pace_.rows_every);
    const bool are_hours_due = extent != Extent::Rows && !pending_.empty();
    if (are_rows_due || are_hours_due || status_.state == LedgerState::Degraded) {
        write(extent, orders.now_us);
    }
}

Extent Writer::extent_due(std::int64_t now_us) const {
    const TimePoint now = Clock::now();
    // An hour that has ended is complete at once, and its memory free.
    if (now >= spreads_at_ || pending_.has_many_spreads() || now_us / kHourUs != spreads_hour_) {
        return Extent::Spreads;
    }
    return now >= totals_at_ ? Extent::Totals : Extent::Rows;
}

bool Writer::write(Extent extent, std::int64_t now_us) {
    const std::size_t rows = batch_.size();
    std::optional<Trouble> trouble = store_.write(batch_, pending_, extent);
    if (trouble && trouble->kind == Trouble::Kind::Full && make_room(*trouble)) {
        trouble = store_.write(batch_, pending_, extent);
    }
    if (trouble && trouble->kind == Trouble::Kind::Refused && extent > Extent::Rows) {
        trouble = write_what_goes(extent);
    }
    if (trouble) {
        meet(*trouble, now_us);
        return false;
    }
    batch_.clear();
    const TimePoint now = Clock::now();
    status_.rows_written += rows;
    status_.committed_at = now;
    rows_at_ = now;
    if (extent >= Extent::Totals) {
        totals_at_ = now + pace_.totals_every;
    }
    if (extent >= Extent::Spreads) {
        spreads_at_ = now + pace_.spreads_every;
        spreads_hour_ = now_us / kHourUs;
    }
    recover(now_us);
    return true;
}

/// Something was refused: if it is the sums, they go without the rows' paying for it.
///
/// @return nothing when the rows are in the file, and as much of the sums as was taken; the rest of
/// them is lost
std::optional<Trouble> Writer::write_what_goes(Extent extent) {
    std::optional<Trouble> trouble;
    for (const Extent less : {Extent::Totals, Extent::Rows}) {
        if (less >= extent) {
            continue;
        }
        trouble = store_.write(batch_, pending_, less);
        if (!trouble) {
            lose_sums(less, extent);
        }
        if (!trouble || trouble->kind != Trouble::Kind::Refused) {
            return trouble;
        }
    }
    return trouble;
}

/// What is beyond `written` of `wanted` cannot be written.
void Writer::lose_sums(Extent written, Extent wanted) {
    std::uint64_t calls = 0;
    for (const auto& [key, hour] : pending_.hours()) {
        calls += written == Extent::Rows ? hour.totals.calls : hour.spread_totals.calls;
    }
    if (written == Extent::Rows) {
        pending_.clear_totals();
    }
    if (wanted == Extent::Spreads) {
        pending_.clear_spreads();
    }
    status_.calls_refused += calls;
    if (const std::int64_t held_back = refused_lines_.admit(); held_back >= 0) {
        log::error("ledger_sums_refused", {{"calls", calls}, {"held_back", held_back}});
    }
}

/// @return whether there is more to do at once
bool Writer::keep_house(std::int64_t now_us) {
    if (!store_.is_open() || status_.state != LedgerState::Ok) {
        return false;
    }
    const TimePoint now = Clock::now();
    if (now >= round_at_) {
        round_at_ = now + pace_.rounds_every;
        housekeeper_.begin(now_us);
    }
    if (now >= size_at_) {
        size_at_ = now + kSizeEvery;
        housekeeper_.check_size();
        status_.bytes_used = store_.bytes_used();
    }
    const bool has_more = housekeeper_.work();
    if (const std::optional<Trouble> trouble = store_.connection().take_trouble()) {
        round_at_ = now + pace_.retry_every;
        meet(*trouble, now_us);
        return false;
    }
    return has_more;
}

/// @return whether there is some now
bool Writer::make_room(const Trouble& trouble) {
    if (!housekeeper_.relieve(ballast_)) {
        return false;
    }
    if (const std::int64_t held_back = relieved_lines_.admit(); held_back >= 0) {
        log::warn("ledger_relieved",
                  {{"file", store_.file()}, {"why", trouble.text}, {"held_back", held_back}});
    }
    return true;
}

/// What is done about trouble with the file.
void Writer::meet(const Trouble& trouble, std::int64_t now_us) {
    switch (trouble.kind) {
        case Trouble::Kind::Locked:
            degrade(store_.file() + " is locked by another program",
                    std::min(pace_.retry_every, pace_.rows_every));
            break;
        case Trouble::Kind::Full: degrade("no room: " + trouble.text, pace_.retry_every); break;
        case Trouble::Kind::Corrupt:
            store_.close();
            set_aside_ruined(now_us);
            break;
        case Trouble::Kind::Refused:
            // The same rows would be refused for ever.
            if (const std::int64_t held_back = refused_lines_.admit(); held_back >= 0) {
                log::error(
                    "ledger_rows_refused",
                    {{"rows", batch_.size()}, {"why", trouble.text}, {"held_back", held_back}});
            }
            status_.rows_refused += batch_.size();
            batch_.clear();
            break;
        case Trouble::Kind::Limit:
        case Trouble::Kind::Other:
            store_.close();
            degrade(trouble.text, pace_.retry_every);
            break;
    }
}

void Writer::set_aside_ruined(std::int64_t now_us) {
    const TimePoint now = Clock::now();
    if (set_aside_at_ && now - *set_aside_at_ < kSetAsideEvery) {
        degrade(settings_.path + " is ruined again", pace_.retry_every);
        return;
    }
    const std::optional<std::string> name = set_aside(store_.file(), now_us);
    if (!name) {
        degrade(store_.file() + " is ruined and cannot be renamed", pace_.retry_every);
        return;
    }
    set_aside_at_ = now;
    degrade(store_.file() + " was ruined and is now " + *name, {});
    open(now_us);
}

void Writer::degrade(const std::string& problem, milliseconds retry_in) {
    retry_at_ = Clock::now() + retry_in;
    if (status_.state != LedgerState::Degraded || status_.problem != problem) {
        log::error("ledger_degraded", {{"file", settings_.path}, {"why", problem}});
    }
    status_.state = LedgerState::Degraded;
    status_.problem = problem;
    status_.last_problem = problem;
}

void Writer::recover(std::int64_t now_us) {
    if (status_.state == LedgerState::Degraded) {
        log::info("ledger_recovered", {{"file", store_.file()}, {"was", status_.problem}});
        batch_.events.push_back(event_of(now_us,
                                         events::Severity::Warning,
                                         settings_.path,
                                         "written again; was: " + status_.problem));
    } else if (status_.state == LedgerState::Starting) {
        log::info("ledger_opened", {{"file", settings_.path}});
    }
    status_.state = LedgerState::Ok;
    status_.problem.clear();
}

void Writer::refresh_status() {
    status_.file = store_.file();
    status_.uri = store_.is_open() ? store_.uri() : "";
    status_.rows_deleted = housekeeper_.rows_deleted();
    status_.calls_coarsened = pending_.calls_coarsened();
}

}  // namespace weir::ledger
