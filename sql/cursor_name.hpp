#pragma once

#include <string>
#include <string_view>

namespace weir::sql {

/// @param sql one DECLARE or FETCH
/// @return the cursor's name as PostgreSQL keeps it; "" where it is none of these, or several
/// statements
[[nodiscard]] std::string cursor_name(std::string_view sql);

}  // namespace weir::sql
