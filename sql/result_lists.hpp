#pragma once

#include <string_view>

namespace weir::sql {

/// @param name of a function in pg_catalog that the catalog calls stable
/// @return whether what it answers hangs on nothing but its arguments, the session's settings and
/// the schema: not on the time, on who asks, on other rows or on the server
[[nodiscard]] bool is_settled(std::string_view name);

/// @param name of a function in pg_catalog that the catalog calls volatile
/// @return whether it changes no table that a result may be kept of
[[nodiscard]] bool writes_no_table(std::string_view name);

/// @param name of a function written in C that the catalog calls volatile, of an extension
/// @return whether it is known to change no table
[[nodiscard]] bool is_harmless_extension(std::string_view name);

/// @return whether it is a built-in function that runs SQL which is in its arguments
[[nodiscard]] bool runs_text(std::string_view name);

}  // namespace weir::sql
