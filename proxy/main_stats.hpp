#pragma once

#include "base/clock.hpp"
#include "base/status.hpp"

#include <cstdint>

namespace weir::proxy {

/// Logs now and then what was done since the last time, in PgBouncer's words and units.
///
/// @thread the one that samples
class StatsLine {
public:
    /// To be called with every sample. @param every zero = never
    void on_sample(const status::Snapshot& snapshot, TimePoint now, Duration every);

private:
    struct Sums {
        std::uint64_t transactions = 0;
        std::uint64_t statements = 0;
        std::uint64_t received = 0;
        std::uint64_t sent = 0;
        std::uint64_t transaction_us = 0;
        std::uint64_t statement_us = 0;
        std::uint64_t wait_us = 0;
    };

    [[nodiscard]] static Sums sum_up(const status::Snapshot& snapshot);

    Sums last_;
    TimePoint last_at_{};
};

}  // namespace weir::proxy
