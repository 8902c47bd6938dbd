#pragma once

#include "conf/ledger_settings.hpp"
#include "ledger/store.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace weir::ledger {

/// Keeps the file in bounds, in slices of some milliseconds with a transaction each: sums up days,
/// deletes what is older than its retention, and what is oldest where the file is nearly full. What
/// was audited is never deleted.
///
/// Thread: the writer's, between two batches.
class Housekeeper {
public:
    /// Histograms of hours older than that are in the days' only.
    static constexpr std::int64_t kSpreadDays = 35;
    /// Days are kept at least so long, whatever the retention of the hours.
    static constexpr std::int64_t kDaysMin = 400;

    explicit Housekeeper(Store& store) : store_{&store} {}

    void set_retention(const conf::Retention& retention) { retention_ = retention; }

    /// Begins a round over everything. @param now_us since 1970
    void begin(std::int64_t now_us);
    /// Looks whether the file is nearly full, and begins to make room if so.
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
        Events,
        Patterns,
        Hours,
        Spreads,
        Days,
        Digests,
        Vacuum,
        Checkpoint,
        Done,
    };

    /// What is given up for room, in order.
    enum class Victim : std::uint8_t {
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

    /// @return rows deleted, or summed up; 0 = the task is done
    std::int64_t slice(Task task);
    std::int64_t sacrifice(Victim victim);
    std::int64_t sum_a_day();
    std::int64_t delete_hours(std::int64_t before);
    std::int64_t delete_oldest_hours();
    std::int64_t delete_spreads(std::int64_t before);
    std::int64_t delete_oldest_spreads();
    std::int64_t delete_days(std::int64_t before);
    std::int64_t delete_oldest_days();
    std::int64_t delete_digests();
    std::int64_t vacuum();
    std::int64_t run(const char* sql, std::int64_t parameter);
    [[nodiscard]] std::int64_t cutoff(std::chrono::milliseconds retention) const;
    [[nodiscard]] bool is_above(std::uint64_t percent);

    Store* store_;
    conf::Retention retention_;
    std::int64_t now_us_ = 0;
    Task task_ = Task::Done;
    Victim victim_ = Victim::None;
    std::int64_t swept_digest_ = -1;   ///< the last one whose spreads were looked at in this sweep
    std::int64_t spreads_before_ = 0;  ///< the hour up to which spreads were given up for room
    std::uint64_t deleted_ = 0;
};

}  // namespace weir::ledger
