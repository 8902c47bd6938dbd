#include "ledger/ledger.hpp"

#include "base/random.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace weir::ledger {

namespace {

using std::chrono::milliseconds;

std::uint64_t seed() {
    constexpr unsigned kHalf = 32;
    return (std::uint64_t{random_u32()} << kHalf) | random_u32();
}

std::vector<std::unique_ptr<Recorder>> make_recorders(std::size_t count,
                                                      const std::atomic<double>& rate) {
    std::vector<std::unique_ptr<Recorder>> recorders;
    recorders.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        recorders.push_back(std::make_unique<Recorder>(rate, seed()));
    }
    return recorders;
}

}  // namespace

Ledger::Ledger(Options options)
    : options_{std::move(options)},
      sample_rate_{options_.settings.sample_rate},
      recorders_{make_recorders(options_.workers, sample_rate_)},
      settings_{options_.settings},
      writer_{options_.settings, options_.pace, recorders_} {
    if (settings_.path.empty()) {
        status_.state = LedgerState::Off;
        return;
    }
    thread_ = std::thread{[this] { run(); }};
    pthread_setname_np(thread_.native_handle(), "weir-ledger");
}

Ledger::~Ledger() {
    stop();
}

void Ledger::stop() {
    {
        const std::lock_guard lock{mutex_};
        requests_.is_stopping = true;
    }
    writer_.stop_long_work();
    to_writer_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

std::int64_t Ledger::unix_us() const {
    if (options_.unix_us) {
        return options_.unix_us();
    }
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

void Ledger::note(events::Event event) {
    const std::int64_t t = unix_us();
    const std::lock_guard lock{mutex_};
    if (status_.state == LedgerState::Off) {
        return;
    }
    if (events_.size() >= kEventsMax) {
        ++dropped_events_;
        return;
    }
    events_.push_back({.t = t, .event = std::move(event)});
}

void Ledger::note(events::Deed deed) {
    const std::int64_t t = unix_us();
    const std::lock_guard lock{mutex_};
    if (status_.state == LedgerState::Off) {
        return;
    }
    if (deeds_.size() >= kEventsMax) {
        ++dropped_deeds_;
        return;
    }
    deeds_.push_back({.t = t, .deed = std::move(deed)});
}

void Ledger::note(JobRun run) {
    const std::lock_guard lock{mutex_};
    if (status_.state == LedgerState::Off) {
        return;
    }
    if (job_runs_.size() >= kEventsMax) {
        ++dropped_events_;
        return;
    }
    job_runs_.push_back(std::move(run));
}

bool Ledger::sync(milliseconds patience) {
    std::unique_lock lock{mutex_};
    if (!thread_.joinable() || requests_.is_stopping) {
        return false;
    }
    const std::uint64_t number = ++requests_.sync_wanted;
    to_writer_.notify_one();
    const auto is_answered = [&] {
        return requests_.sync_done >= number || requests_.sync_failed >= number ||
               requests_.has_ended;
    };
    return from_writer_.wait_for(lock, patience, is_answered) && requests_.sync_done >= number;
}

bool Ledger::refresh(milliseconds patience) {
    {
        const std::lock_guard lock{mutex_};
        if (requests_.sync_done != 0 && Clock::now() - requests_.synced_at < kRefreshEvery) {
            return true;
        }
    }
    return sync(patience);
}

void Ledger::apply(const conf::LedgerSettings& settings) {
    sample_rate_.store(settings.sample_rate, std::memory_order_relaxed);
    {
        const std::lock_guard lock{mutex_};
        settings_ = settings;
        requests_.are_settings_new = true;
    }
    to_writer_.notify_one();
}

std::string Ledger::uri() const {
    const std::lock_guard lock{mutex_};
    return status_.uri;
}

LedgerStatus Ledger::status() const {
    LedgerStatus status;
    for (const std::unique_ptr<Recorder>& recorder : recorders_) {
        const Recorder::Losses losses = recorder->losses();
        status.dropped_samples += losses.samples;
        status.dropped_details += losses.details;
        status.dropped_sessions += losses.sessions;
        status.digests_folded += losses.folded;
    }
    const std::lock_guard lock{mutex_};
    status.state = status_.state;
    status.problem = status_.problem;
    status.last_problem = status_.last_problem;
    status.file = status_.file;
    status.rows_written = status_.rows_written;
    status.dropped_samples += status_.rows_refused;
    status.dropped_events = dropped_events_;
    status.dropped_deeds = dropped_deeds_;
    status.calls_coarsened = status_.calls_coarsened;
    status.rows_deleted = status_.rows_deleted;
    status.bytes_used = status_.bytes_used;
    status.calls_refused = status_.calls_refused;
    if (status_.committed_at) {
        status.since_commit =
            std::chrono::duration_cast<milliseconds>(Clock::now() - *status_.committed_at);
    }
    return status;
}

void Ledger::run() {
    bool has_more = true;
    for (bool is_last = false; !is_last;) {
        std::uint64_t sync_number = 0;
        Orders orders;
        {
            std::unique_lock lock{mutex_};
            const auto is_wanted = [this] {
                return requests_.is_stopping || requests_.are_settings_new ||
                       requests_.sync_wanted > std::max(requests_.sync_done, requests_.sync_failed);
            };
            if (!has_more) {
                to_writer_.wait_for(lock, options_.pace.tick, is_wanted);
            }
            sync_number = requests_.sync_wanted;
            orders = take_orders();
        }
        orders.now_us = unix_us();
        is_last = orders.is_last;
        const TimePoint began = Clock::now();
        const Outcome outcome = writer_.turn(std::move(orders));
        has_more = outcome.has_more;
        publish(outcome, sync_number, began);
    }
    writer_.close();
    const std::lock_guard lock{mutex_};
    requests_.has_ended = true;
    from_writer_.notify_all();
}

/// Under mutex_.
Orders Ledger::take_orders() {
    Orders orders;
    if (writer_.has_room()) {
        orders.events = std::exchange(events_, {});
        orders.deeds = std::exchange(deeds_, {});
        orders.job_runs = std::exchange(job_runs_, {});
    }
    if (requests_.are_settings_new) {
        orders.settings = settings_;
        requests_.are_settings_new = false;
    }
    orders.is_sync = requests_.sync_wanted > std::max(requests_.sync_done, requests_.sync_failed);
    orders.is_last = requests_.is_stopping;
    return orders;
}

void Ledger::publish(const Outcome& outcome, std::uint64_t sync_number, TimePoint began) {
    const std::lock_guard lock{mutex_};
    status_ = writer_.status();
    if (outcome.is_synced) {
        requests_.sync_done = sync_number;
        requests_.synced_at = began;
    } else {
        requests_.sync_failed = sync_number;
    }
    from_writer_.notify_all();
}

}  // namespace weir::ledger
