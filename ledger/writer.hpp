#pragma once

#include "base/clock.hpp"
#include "base/log.hpp"
#include "conf/ledger_settings.hpp"
#include "ledger/batch.hpp"
#include "ledger/deed_fold.hpp"
#include "ledger/housekeeper.hpp"
#include "ledger/ledger_status.hpp"
#include "ledger/pending.hpp"
#include "ledger/recorder.hpp"
#include "ledger/store.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::ledger {

/// How often what is done.
struct WriterPace {
    std::chrono::milliseconds tick{100};         ///< recorders are looked at
    std::chrono::milliseconds rows_every{1000};  ///< unless there are Writer::kBatchRows sooner
    std::chrono::milliseconds totals_every{60'000};
    std::chrono::milliseconds spreads_every{300'000};
    std::chrono::milliseconds retry_every{30'000};      ///< what went wrong
    std::chrono::milliseconds rounds_every{3'600'000};  ///< of retention
    std::chrono::milliseconds locked_for{2000};         ///< another's lock is waited for
};

/// What the writer is to do in one turn beside its own.
struct Orders {
    std::vector<NotedEvent> events;
    std::vector<NotedDeed> deeds;
    std::vector<JobRun> job_runs;
    std::optional<conf::LedgerSettings> settings;
    bool is_sync = false;  ///< all there is goes to the file
    bool is_last = false;  ///< and that is the end; the workers have ended
    std::int64_t now_us = 0;
};

/// What came of a turn.
struct Outcome {
    bool is_synced = false;  ///< all there was is in the file
    bool has_more = false;   ///< the next turn need not wait
};

/// What the writer says of itself.
struct WriterStatus {
    LedgerState state = LedgerState::Starting;
    std::string problem;
    std::string last_problem;
    std::string file;
    std::string uri;
    std::uint64_t rows_written = 0;
    std::uint64_t rows_refused = 0;  ///< that SQLite did not take
    std::uint64_t rows_deleted = 0;
    std::uint64_t calls_coarsened = 0;
    std::uint64_t calls_refused = 0;  ///< whose sums SQLite did not take
    std::uint64_t bytes_used = 0;
    std::optional<TimePoint> committed_at;
};

/// Brings what the recorders have into the file, turn by turn, and goes on whatever becomes of the
/// file.
///
/// Thread: the ledger's own, all of it but stop_long_work().
class Writer {
public:
    static constexpr std::size_t kBatchRows = 1000;
    /// How many rows are kept while they cannot be written; then the recorders' queues fill.
    static constexpr std::size_t kHeldRowsMax = 8192;
    /// Ended sessions may be one row of so many.
    static constexpr std::size_t kSessionsShare = 10;

    Writer(const conf::LedgerSettings& settings,
           WriterPace pace,
           std::vector<std::unique_ptr<Recorder>>& recorders);

    /// @param orders its events and deeds are taken
    [[nodiscard]] Outcome turn(Orders orders);

    /// @return whether events and deeds may come with the next orders
    [[nodiscard]] bool has_room() const { return batch_.size() < kHeldRowsMax; }

    /// Closes the file.
    void close() { store_.close(); }

    [[nodiscard]] const WriterStatus& status() const { return status_; }

    /// Thread: any.
    void stop_long_work() { store_.stop_long_work(); }

private:
    void take_orders(Orders& orders);
    void take_tables(bool is_last);
    void take_rows();
    void take_sessions(Recorder& recorder, std::size_t rows_max);
    [[nodiscard]] bool is_batch_full() const;
    [[nodiscard]] bool are_rows_waiting() const;
    void open(std::int64_t now_us);
    void prepare_ballast();
    bool write_all(const Orders& orders);
    void write_due(const Orders& orders);
    [[nodiscard]] Extent extent_due(std::int64_t now_us) const;
    bool write(Extent extent, std::int64_t now_us);
    bool keep_house(std::int64_t now_us);
    [[nodiscard]] std::optional<Trouble> write_what_goes(Extent extent);
    void lose_sums(Extent written, Extent wanted);
    bool make_room(const Trouble& trouble);
    void meet(const Trouble& trouble, std::int64_t now_us);
    void set_aside_ruined(std::int64_t now_us);
    void degrade(const std::string& problem, std::chrono::milliseconds retry_in);
    void recover(std::int64_t now_us);
    void refresh_status();

    conf::LedgerSettings settings_;
    WriterPace pace_;
    std::vector<std::unique_ptr<Recorder>>* recorders_;
    Store store_;
    Housekeeper housekeeper_{store_};
    Ballast ballast_;
    DeedFold deed_fold_;
    Pending pending_;
    Batch batch_;
    WriterStatus status_;
    log::RateLimit relieved_lines_;
    log::RateLimit refused_lines_;
    std::size_t first_recorder_ = 0;  ///< whose rows are taken first: each in turn
    TimePoint retry_at_{};
    TimePoint rows_at_{};
    TimePoint totals_at_{};
    TimePoint spreads_at_{};
    TimePoint round_at_{};
    TimePoint size_at_{};
    std::int64_t spreads_hour_ = 0;  ///< the wall clock's hour when spreads were written last
    std::optional<TimePoint> set_aside_at_;  ///< when a ruined file was last
};

}  // namespace weir::ledger
