#pragma once

#include <string_view>

namespace weir::sql {

/// @param name of a function, in any schema: extensions live anywhere
/// @return whether a standby would run it and answer something else than the primary, or do
/// something else. Those that a standby refuses need no list; some are here all the same.
[[nodiscard]] bool must_run_on_primary(std::string_view name);

/// @param name of a function in pg_catalog that the catalog calls volatile
/// @return whether it may be run on a replica: it changes nothing, and its answer says nothing
/// about the server that gives it
[[nodiscard]] bool is_harmless_volatile(std::string_view name);

/// @return whether each server answers a SELECT from this relation in its own way
[[nodiscard]] bool is_about_server(std::string_view schema, std::string_view name);

/// @return whether it is a session's own: pg_temp, pg_temp_3, pg_toast_temp_3
[[nodiscard]] bool is_temporary_schema(std::string_view schema);

}  // namespace weir::sql
