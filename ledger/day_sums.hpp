#pragma once

#include "ledger/connection.hpp"

#include <cstdint>
#include <optional>

namespace weir::ledger {

/// Days are counted since 1970, in UTC.
///
/// @param last the last day that was summed up; -1 = none
/// @return the next one that has hours and is over
[[nodiscard]] std::optional<std::int64_t> next_day_to_sum(Connection& connection,
                                                          std::int64_t last,
                                                          std::int64_t now_us);

/// Sums up a day's hours, their histograms too, and notes in the file that it is done: in one
/// transaction.
///
/// @return false on trouble: nothing is done
bool sum_day(Connection& connection, std::int64_t day);

}  // namespace weir::ledger
