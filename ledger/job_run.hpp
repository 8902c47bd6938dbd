#pragma once

#include <cstdint>
#include <string>

namespace weir::ledger {

/// A run of a job of maintenance that has ended. Times are µs since 1970.
struct JobRun {
    std::string job;  ///< "partition public.events"
    std::int64_t began_us = 0;
    std::int64_t ended_us = 0;
    std::string outcome;  ///< done, later, skipped, failed
    std::int64_t rows = 0;
    std::string text;  ///< one line for people
};

}  // namespace weir::ledger
