#pragma once

#include "ledger/connection.hpp"
#include "ledger/ids.hpp"
#include "ledger/pending.hpp"

#include <cstdint>

namespace weir::ledger {

inline constexpr std::int64_t kHoursOfDay = 24;

/// Adds sums to the file within the transaction that is open: to the hours, and to the days where
/// those have been summed up already.
///
/// Thread: the writer's.
class HourWriter {
public:
    HourWriter(Connection& connection, Ids& ids) : connection_{&connection}, ids_{&ids} {}

    /// @param last_day the last day (since 1970, UTC) that is in `daily`; -1 = none
    void days_are_summed_up_to(std::int64_t last_day) { last_day_ = last_day; }

    /// Sums, errors and waits.
    void write_totals(const Pending& pending);
    /// How times are spread.
    void write_spreads(const Pending& pending);

private:
    struct Numbers {
        std::int64_t hour = 0;
        std::int64_t digest = 0;
        std::int64_t database = 0;
        std::int64_t user = 0;
        std::int64_t application = 0;
    };

    [[nodiscard]] Numbers numbers_of(const Pending::Key& key, const Pending::Hour& hour);

    [[nodiscard]] bool is_of_summed_day(std::int64_t hour) const {
        return hour / kHoursOfDay <= last_day_;
    }

    static void bind_key(Use& adding, std::int64_t time, const Numbers& numbers);
    void write_totals(const Numbers& numbers, const Pending::Hour& hour);
    void write_spread(const Numbers& numbers, const Pending::Hour& hour);
    void write_wait(const Pending::WaitKey& key, const Pending::Wait& wait);

    Connection* connection_;
    Ids* ids_;
    std::int64_t last_day_ = -1;
};

}  // namespace weir::ledger
