#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The admin database, HTTP and metrics: what people and tools see of the process. It knows the
/// process only through status::StatusSource and conf::Config.
namespace weir::admin {

/// The types of PgBouncer's columns.
enum class ColumnType : std::uint8_t {
    Text,
    Int4,  ///< larger values show as the largest one
    Int8,
    Numeric,  ///< whole numbers only
    Float8,
};

/// @return the name PostgreSQL gives the type, e.g. "int4"
[[nodiscard]] std::string_view name_of(ColumnType type);

struct Column {
    std::string_view name;  ///< lives as long as the program, or as a SelectPlan
    ColumnType type = ColumnType::Text;
};

/// One value; monostate is NULL.
using Cell = std::variant<std::monostate, std::string, std::int64_t, double>;
using Row = std::vector<Cell>;

/// @return the cell of a counter; what does not fit (292,000 years of microseconds) shows as the
/// largest number
[[nodiscard]] Cell cell(std::uint64_t value);

/// @return NULL for "", as PgBouncer shows what is not set
[[nodiscard]] Cell text_or_null(std::string_view text);
/// @return "2026-01-31 12:00:00 UTC", NULL for 0
[[nodiscard]] Cell time_cell(std::int64_t unix_ms);

/// The wire's format codes.
enum class Format : std::uint16_t { Text = 0, Binary = 1 };

/// Appends a RowDescription. @param formats one per column, or none: everything is text
void write_description(ByteWriter& writer,
                       std::span<const Column> columns,
                       std::span<const Format> formats);
/// Appends a DataRow. @param row as many cells as columns, numbers only where the column's type is
/// one
void write_row(ByteWriter& writer,
               std::span<const Column> columns,
               std::span<const Format> formats,
               const Row& row);

}  // namespace weir::admin
