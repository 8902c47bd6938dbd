#pragma once

#include "admin/table.hpp"

#include <cstdint>
#include <ostream>
#include <span>
#include <string>

/// Columns and rows for a terminal or another program. Thread: any (no shared state).
namespace weir::admin {

enum class ReportForm : std::uint8_t {
    Text,  ///< aligned; control characters show as blanks, so that no text can steer a terminal
    Json,  ///< as /api gives it
    Csv,   ///< RFC 4180, with a header; NULL is empty
};

/// Prints a whole report. @param next cursor of the page after it, "" = none
void print_report(std::ostream& out,
                  ReportForm form,
                  std::span<const Column> columns,
                  std::span<const Row> rows,
                  const std::string& next = {});

void print_csv_header(std::ostream& out, std::span<const Column> columns);
void print_csv_rows(std::ostream& out, std::span<const Row> rows);

}  // namespace weir::admin
