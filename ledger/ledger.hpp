#pragma once

#include "base/clock.hpp"
#include "base/events.hpp"
#include "conf/ledger_settings.hpp"
#include "ledger/batch.hpp"
#include "ledger/ledger_status.hpp"
#include "ledger/recorder.hpp"
#include "ledger/writer.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace weir::ledger {

/// What the process remembers: statements, their sums, sessions, events, deeds. Workers write into
/// recorders; one thread of its own brings that into a file of SQLite. Whatever becomes of the
/// file, nobody waits for it: what can not be written is kept while it fits, then dropped and
/// counted, and tried again.
///
/// Made by the control loop before the workers start, destroyed after they have ended; the
/// destructor writes what there is.
///
/// @thread any, but for the recorders, which are one worker's each
class Ledger final : public events::Sink {
public:
    static constexpr std::size_t kEventsMax = 4096;  ///< waiting to be written; as many deeds
    static constexpr std::chrono::seconds kRefreshEvery{1};

    struct Options {
        conf::LedgerSettings settings;
        std::size_t workers = 1;
        WriterPace pace;                        ///< what tests make shorter
        std::function<std::int64_t()> unix_us;  ///< the wall clock; unset = the system's
    };

    explicit Ledger(Options options);
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;
    Ledger(Ledger&&) = delete;
    Ledger& operator=(Ledger&&) = delete;
    ~Ledger() override;

    /// @param worker 0-based; its recorder lives as long as the ledger
    [[nodiscard]] Recorder& recorder(std::size_t worker) { return *recorders_.at(worker); }

    void note(events::Event event) override;
    void note(events::Deed deed) override;
    /// Where too many wait it counts as an event that was dropped.
    void note(JobRun run);

    /// Waits until everything that was handed over, sampled and noted before this call can be read.
    ///
    /// @return false when that did not happen in time: it cannot be written now, or takes longer
    [[nodiscard]] bool sync(std::chrono::milliseconds patience);

    /// The same for a question that does with what is a second old: at most one write a second,
    /// whoever asks.
    bool refresh(std::chrono::milliseconds patience);

    /// Sample rate, retention and size of a new configuration; its path counts at the next start.
    void apply(const conf::LedgerSettings& settings);

    /// What a Reader opens, in this process: the file, or what is in memory. "" = nothing is open.
    [[nodiscard]] std::string uri() const;

    [[nodiscard]] LedgerStatus status() const;

    /// Writes what there is and ends the thread, within seconds. After the workers have ended.
    void stop();

private:
    /// What others ask of the writer. Under mutex_.
    struct Requests {
        std::uint64_t sync_wanted = 0;  ///< numbers of requests
        std::uint64_t sync_done = 0;
        std::uint64_t sync_failed = 0;  ///< the last one that could not be done
        TimePoint synced_at{};          ///< when the last one that was done began
        bool are_settings_new = false;
        bool is_stopping = false;
        bool has_ended = false;
    };

    void run();
    [[nodiscard]] std::int64_t unix_us() const;
    [[nodiscard]] Orders take_orders();
    void publish(const Outcome& outcome, std::uint64_t sync_number, TimePoint began);

    Options options_;
    std::atomic<double> sample_rate_;
    std::vector<std::unique_ptr<Recorder>> recorders_;

    mutable std::mutex mutex_;
    std::condition_variable to_writer_;
    std::condition_variable from_writer_;
    Requests requests_;
    std::vector<NotedEvent> events_;
    std::vector<NotedDeed> deeds_;
    std::vector<JobRun> job_runs_;
    std::uint64_t dropped_events_ = 0;
    std::uint64_t dropped_deeds_ = 0;
    conf::LedgerSettings settings_;
    WriterStatus status_;  ///< what the writer says of itself

    Writer writer_;  ///< of the thread
    std::thread thread_;
};

}  // namespace weir::ledger
