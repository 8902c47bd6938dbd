#pragma once

struct sqlite3;

namespace weir::ledger {

/// Makes the functions of histograms known to a connection:
///
/// hist_sum(blob)          aggregate: the histogram of all of them
/// hist_merge(a, b)        the histogram of two
/// hist_quantile(blob, q)  aggregate: the quantile of all of them, µs; NULL where there is none
/// hist_at(blob, q)        the quantile of one
///
/// What is no histogram counts as an empty one.
///
/// @return SQLite's result code
[[nodiscard]] int add_functions(sqlite3* connection);

}  // namespace weir::ledger
