#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weir::ledger {

inline constexpr std::size_t kErrorPatternMax = 512;

/// What messages of one kind of error have in common: numbers, quoted text and hexadecimal words
/// become "?", so that nothing of a row's data stays. `duplicate key value violates unique
/// constraint "users_pkey"` becomes `duplicate key value violates unique constraint ?`. Longer ones
/// are cut.
[[nodiscard]] std::string error_pattern(std::string_view message);

}  // namespace weir::ledger
