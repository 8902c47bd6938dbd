#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

/// Statements longer than this are not looked at for a DEALLOCATE.
inline constexpr std::size_t kDeallocateBytesMax = 512;

/// A DEALLOCATE of one name, and what stands around it in its string.
struct Deallocation {
    std::string name;
    std::string_view before;  ///< statements, each with its semicolon
    std::string_view after;   ///< from the semicolon on
};

/// @return the DEALLOCATE in a string of statements, the first if there are several; nothing where
///         strings or comments make it hard to see, or where the string begins with the end of a
///         transaction
[[nodiscard]] std::optional<Deallocation> find_deallocation(std::string_view sql);

/// @return the name in "DEALLOCATE [PREPARE] name", folded to lower case unless it is quoted;
///         nothing for anything else (ALL, several statements, comments)
/// @source PostgreSQL 15 manual, "DEALLOCATE", and "Identifiers and Key Words"
[[nodiscard]] std::optional<std::string> deallocated_name(std::string_view sql);

}  // namespace weir::proxy
