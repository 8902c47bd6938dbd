#pragma once

#include "admin/table.hpp"
#include "ledger/questions.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Answers of the ledger as columns and rows: what SHOW, /api and the command line have in common.
/// Times are text in UTC with microseconds; durations are milliseconds,
/// but for cache_saved_us, which is as in SHOW CACHE; what is not known is NULL.
/// Thread: the Reader's.
namespace weir::admin {

struct LedgerPage {
    std::span<const Column> columns;
    std::vector<Row> rows;
    std::string next;     ///< cursor of the page after it; "" = this is the last
    std::string problem;  ///< why there is no answer; "" = there is
};

[[nodiscard]] std::span<const Column> statement_columns();
[[nodiscard]] std::span<const Column> kept_columns();
[[nodiscard]] std::span<const Column> error_columns();
[[nodiscard]] std::span<const Column> session_columns();
[[nodiscard]] std::span<const Column> event_columns();
[[nodiscard]] std::span<const Column> audit_columns();

[[nodiscard]] LedgerPage statements_page(ledger::Reader& reader,
                                         const ledger::TopQuestion& question);
[[nodiscard]] LedgerPage kept_page(ledger::Reader& reader, const ledger::KeptQuestion& question);
[[nodiscard]] LedgerPage sessions_page(ledger::Reader& reader,
                                       const ledger::SessionQuestion& question);
[[nodiscard]] LedgerPage events_page(ledger::Reader& reader, const ledger::EventQuestion& question);
[[nodiscard]] LedgerPage audit_page(ledger::Reader& reader, const ledger::AuditQuestion& question);

/// How errors are put together.
enum class ErrorsBy : std::uint8_t { State, Class, Pattern };

/// The most frequent first; without a next page.
[[nodiscard]] LedgerPage errors_page(ledger::Reader& reader,
                                     const ledger::CountQuestion& question,
                                     ErrorsBy by);

/// @return "total", "calls", … as a question's order; nothing for other words
[[nodiscard]] std::optional<ledger::StatementOrder> order_named(std::string_view name);
/// @return 16 hexadecimal digits as a digest's hash; nothing for anything else
[[nodiscard]] std::optional<std::uint64_t> digest_in(std::string_view text);
/// @return the 16 digits
[[nodiscard]] std::string digest_text(std::uint64_t digest);
/// @return "2026-01-31 12:00:00.000000 UTC", NULL for 0
[[nodiscard]] Cell moment_cell(std::int64_t unix_us);
/// @return the last `hours` hours, up to now and what comes
[[nodiscard]] ledger::Window last_hours(std::int64_t hours);

}  // namespace weir::admin
