#pragma once

#include "admin/commands.hpp"
#include "admin/table.hpp"
#include "base/clock.hpp"
#include "protocol/error_reply.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::admin {

/// SELECT over what the SHOW commands show: SQLite, with every SHOW X as the table x. Nothing can
/// be written, attached or loaded; time, rows and memory are bounded.

/// Column names that live as long as somebody shares them.
using NamesPtr = std::shared_ptr<const std::vector<std::string>>;

/// A SELECT that was found correct.
struct SelectPlan {
    std::string sql;
    NamesPtr names;
    std::vector<Column> columns;   ///< named by `names`
    std::vector<bool> is_certain;  ///< per column: its type is that of a table's column
    std::size_t parameters = 0;    ///< $1 to $n
    Needs needs = Needs::Nothing;
};

/// What came of one, or why nothing did.
struct SelectResult {
    std::vector<Column> columns;
    std::vector<Row> rows;
    std::optional<protocol::ErrorFields> error;
    std::optional<protocol::ErrorFields> warning;  ///< that the rows may be old
};

inline constexpr std::chrono::seconds kSelectTimeout{2};
inline constexpr std::size_t kSelectRowsMax = 100'000;
inline constexpr std::size_t kSelectBytesMax = std::size_t{16} << 20U;
inline constexpr std::size_t kSelectTextMax = std::size_t{16} << 10U;

/// Checks a SELECT, and finds out its columns and which tables it reads.
///
/// @param sql one statement; PostgreSQL's casts (x::int) are ignored
/// @errors those of SQL, 42501 for a table the role may not read, 54000 for what is too long
[[nodiscard]] std::variant<SelectPlan, protocol::ErrorFields> plan_select(std::string_view sql,
                                                                          Role role);

/// Whether the types of columns that are computed follow the values, or what was planned (and
/// told the client) holds.
enum class Typing : std::uint8_t { ByValues, AsPlanned };

/// Runs it. Takes up to kSelectTimeout: not on an event loop.
///
/// @param is_given_up looked at now and then: nobody wants the answer any more
[[nodiscard]] SelectResult run_select(const SelectPlan& plan,
                                      const std::vector<Cell>& parameters,
                                      const CommandInput& input,
                                      Typing typing,
                                      const std::atomic<bool>& is_given_up);

}  // namespace weir::admin
