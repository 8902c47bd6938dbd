#pragma once

#include "ledger/connection.hpp"

#include <cstdint>
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

/// @return about how many bytes of the file the audit takes
[[nodiscard]] std::uint64_t audit_bytes(Connection& connection);

/// Deletes the oldest lines, some hundreds, in a transaction of its own; the last line always
/// stays. What the chain goes on from is kept in `meta`.
///
/// @return how many
std::int64_t cut_audit(Connection& connection);

/// What has become of the chain.
enum class AuditState : std::uint8_t {
    InOrder,
    Broken,
    Unknown,  ///< it could not be read to its end: see the connection's trouble
};

struct AuditCheck {
    AuditState state = AuditState::Unknown;
    /// Broken: the first line that is not what was written, or that is missing. InOrder: the last.
    std::int64_t line = 0;
};

[[nodiscard]] AuditCheck check_audit(Connection& connection);

}  // namespace weir::ledger
