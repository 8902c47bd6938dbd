#pragma once

#include <string>

namespace weir::ledger {

/// Copies a ledger that this process does not write, compacted; its writer may be at work.
///
/// @param from the file of the ledger
/// @param to must not exist; it is private to its owner
/// @return "" or what went wrong
[[nodiscard]] std::string copy_file(const std::string& from, const std::string& to);

}  // namespace weir::ledger
