#pragma once

#include "admin/action.hpp"

#include <optional>

namespace weir::admin {

/// Npgsql asks for all types, composite types and enumerations when it connects.
///
/// @return the types the admin database uses, as the answer to the first; no rows to the others;
/// nothing for any other statement
[[nodiscard]] std::optional<Action> answer_type_loading(const Statement& statement);

}  // namespace weir::admin
