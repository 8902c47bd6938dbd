#pragma once

#include "conf/ledger_settings.hpp"
#include "ledger/store.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace weir::ledger {

/// Which rows are looked at in slices, and which of them go. Those that stay are looked at once.
struct Sweep {
    const char* end_of_slice = nullptr;  ///< ?1 behind which row id, ?2 before which
    const char* deleting = nullptr;      ///< ?1 behind which row id, ?2 up to which
};

/// Keeps the file in bounds, in slices of some milliseconds with a transaction each: sums up days,
/// deletes what is older than its retention, and what is oldest where the file is nearly full. The
/// audit has a share of the file; only what is beyond that is cut off.
///
/// Thread: the writer's, between two batches.
class Housekeeper {
public:
    /// Histograms of hours older than that are in the days' only.
    static constexpr std::int64_t kSpreadDays = 35;
    /// Days are kept at least so long, whatever the retention of the hours.
    static constexpr std::int64_t kDaysMin = 400;
    /// What pools tell of each minute in which nothing failed is kept no longer, and given up
    /// first.
    static constexpr std::chrono::hours kPoolEventsMost{7 * 24};
    /// Of each job the last ones are kept.
    static constexpr std::int64_t kRunsOfJob = 1000;
    /// The audit may be one byte of so many that the file may have.
    static constexpr std::uint64_t kAuditShare = 4;

    explicit Housekeeper(Store& store) : store_{&store} {}

    void set_retention(const conf::Retention& retention) { retention_ = retention; }

    /// Begins a round over everything. @param now_us since 1970
    void begin(std::int64_t now_us);
    /// Looks whether the file is nearly full, or the audit has more than its share, and begins to
    /// make room if so.
    void check_size();

    /// Does one slice. @return whether there is more to do; false also on trouble: see the store's
    /// connection
    bool work();

    /// After the disk, or the file, was full: makes room with the ballast's help. Takes up to some
    /// seconds.
    ///
    /// @return whether there is room now
    bool relieve(Ballast& ballast);

    /// Rows deleted by retention and for room, since the start.
    [[nodiscard]] std::uint64_t rows_deleted() const { return deleted_; }

private:
    /// What a round does, in order.
    enum class Task : std::uint8_t {
        SumDays,
        Statements,
        Sessions,
        PoolEvents,
        Events,
        JobRuns,
        Patterns,
        Hours,
        Spreads,
        Days,
        Digests,
        Names,
        Vacuum,
        Checkpoint,
        Done,
    };

    /// What is given up for room, in order.
    enum class Victim : std::uint8_t {
        PoolEvents,
        Samples,
        Sessions,
        Spreads,
        Statements,
        Hours,
        Events,
        Days,
        Digests,
        None
    };

    /// @return whether there is more of it to do
    bool slice(Task task);
    bool sacrifice(Victim victim);
    bool sum_a_day();
    bool delete_hours(std::int64_t before);
    bool delete_oldest_hours();
    bool delete_spreads(std::int64_t before, std::int64_t& swept_digest);
    bool delete_oldest_spreads();
    bool delete_days(std::int64_t before);
    bool delete_oldest_days();
    bool delete_job_runs();
    bool delete_digests();
    bool delete_names();
    bool cut_audit();
    bool vacuum();
    bool sweep(const Sweep& what, std::int64_t& after, std::int64_t before);
    bool run(const char* sql, std::int64_t parameter);
    void give_up(std::uint64_t bytes);
    [[nodiscard]] std::int64_t cutoff(std::chrono::milliseconds retention) const;
    [[nodiscard]] std::int64_t first_summed_later() const;
    [[nodiscard]] std::int64_t oldest_use(std::int64_t oldest);
    [[nodiscard]] bool is_above(std::uint64_t percent);
    [[nodiscard]] std::uint64_t audit_bytes_max() const;

    Store* store_;
    conf::Retention retention_;
    std::int64_t now_us_ = 0;
    Task task_ = Task::Done;
    Victim victim_ = Victim::None;
    std::int64_t swept_events_ = 0;      ///< the last row of `event` looked at in this round
    std::int64_t swept_digest_ = -1;     ///< the last one whose spreads were, in this round
    std::int64_t given_up_samples_ = 0;  ///< the same for room
    std::int64_t given_up_events_ = 0;
    std::int64_t given_up_digest_ = -1;
    std::int64_t spreads_before_ = 0;  ///< the hour up to which spreads were given up for room
    std::uint64_t audit_lines_cut_ = 0;
    bool is_cutting_audit_ = false;
    std::uint64_t deleted_ = 0;
};

}  // namespace weir::ledger
