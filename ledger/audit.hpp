#pragma once

#include "ledger/connection.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace weir::ledger {

/// One line of the audit: what somebody did. Each has a hash over itself and the hash before, so
/// that a line that was changed or taken out afterwards is seen.
struct AuditLine {
    std::int64_t id = 0;  ///< 1, 2, 3, …
    std::int64_t t = 0;   ///< µs since 1970
    std::string who;
    std::string from;
    std::string action;
    std::string object;
    std::string text;
};

/// Writes a line behind the last one, whatever its id says. Within a transaction.
void append_audit(Connection& connection, AuditLine line);

/// @return the id of the first line that is not what was written, or that is missing; nothing when
/// all are in order,
///         or on trouble (see the connection's)
[[nodiscard]] std::optional<std::int64_t> find_broken_audit(Connection& connection);

}  // namespace weir::ledger
