#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

/// Statements longer than this are not looked at for a DEALLOCATE.
inline constexpr std::size_t kDeallocateBytesMax = 512;

/// @return the name in "DEALLOCATE [PREPARE] name", folded to lower case unless it is quoted;
///         nothing for anything else (ALL, several statements, comments)
/// @source PostgreSQL 15 manual, "DEALLOCATE", and "Identifiers and Key Words"
[[nodiscard]] std::optional<std::string> deallocated_name(std::string_view sql);

}  // namespace weir::proxy
