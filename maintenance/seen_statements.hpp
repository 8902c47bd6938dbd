#pragma once

#include "maintenance/job.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::maintenance {

/// A statement that clients run, as the ledger remembers it.
struct SeenStatement {
    std::string text;  ///< without its literals: "?" for these and for parameters
    std::uint64_t calls = 0;
    std::uint64_t total_us = 0;
};

/// What clients have run in the last week; where the ledger cannot say it, why is noted.
/// @param file ledger.path
/// @param database as clients call it; "" = all
/// @return those first that took most
[[nodiscard]] std::vector<SeenStatement> read_seen_statements(const std::string& file,
                                                              const std::string& database,
                                                              Reporter& reporter);

}  // namespace weir::maintenance
