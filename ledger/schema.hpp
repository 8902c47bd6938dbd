#pragma once

#include "ledger/connection.hpp"

#include <cstdint>
#include <span>

namespace weir::ledger {

/// 'WEIR': marks a file as a ledger.
inline constexpr std::int64_t kApplicationId = 0x5745'4952;

/// One step from a version of the schema to the next: SQL that takes no time, run in one
/// transaction.
using SchemaStep = const char*;

/// All steps; the version of this program is how many there are.
[[nodiscard]] std::span<const SchemaStep> schema_steps();

enum class SchemaState : std::uint8_t {
    Ready,    ///< it has the version of this program now
    Newer,    ///< a newer program has written it: nothing was changed
    Foreign,  ///< a database of something else: nothing was changed
    Trouble,  ///< see Connection::trouble()
};

/// Brings a file to the version of this program: a new one from nothing, an older one step by step.
/// Before an older file is changed, a copy `path`-vN.bak is left beside it where it is below 256
/// MB.
///
/// @param path "" = no copy
[[nodiscard]] SchemaState bring_up(Connection& connection,
                                   const std::string& path,
                                   std::span<const SchemaStep> steps = schema_steps());

}  // namespace weir::ledger
