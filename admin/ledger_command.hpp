#pragma once

#include "admin/report_table.hpp"

#include <cstdint>
#include <ostream>
#include <string>

/// The command line over the file of the ledger: `weir monitor` and `weir ledger`. Weir may run or
/// not; what a running one has not written yet (sums up to a minute) is missing. Thread: any;
/// blocks up to two seconds for each question.
namespace weir::admin {

inline constexpr int kLedgerFine = 0;
inline constexpr int kLedgerFailed = 2;  ///< could not run; why was said

/// What is common to the commands.
struct LedgerCommand {
    std::string file;  ///< ledger.path, or what --ledger says
    ReportForm form = ReportForm::Text;
    std::int64_t hours = 24;  ///< that are looked back
    std::size_t limit = 20;   ///< rows of a list
    std::string cursor;       ///< of a list; "" = from the beginning
    double threshold_ms = 0;  ///< slow-queries: those that took as long
    std::ostream& out;
    std::ostream& problems;
};

/// `weir monitor slow-queries`, newest first. @return the exit status, as of all of these
[[nodiscard]] int print_slow_queries(const LedgerCommand& command);
/// `weir monitor summary`
[[nodiscard]] int print_summary(const LedgerCommand& command);
/// `weir ledger query`: a SELECT over the ledger's tables
[[nodiscard]] int print_query(const LedgerCommand& command, const std::string& sql);
/// `weir ledger backup`. @param to must not exist
[[nodiscard]] int print_backup(const LedgerCommand& command, const std::string& to);
/// `weir ledger verify`: whether the audit is as it was written. Takes as long as it takes.
[[nodiscard]] int print_verification(const LedgerCommand& command);
/// `weir ledger export`: all of the hours as CSV, in pages, so it may be long.
/// @param table statements, slow, errors, sessions, events or audit
[[nodiscard]] int print_export(const LedgerCommand& command, const std::string& table);

}  // namespace weir::admin
