#pragma once

#include <string_view>

namespace weir::sql {

/// @param text what a string says, or a parameter: in binary form a text is the same bytes
/// @return whether it has a word that PostgreSQL takes for a time which goes on: now, today,
/// tomorrow, yesterday; in any case, between whatever is no letter. `2020-01-01` is none,
/// `tomorrow 10:00`, `[today,)` and `{now}` are.
[[nodiscard]] bool has_time_word(std::string_view text);

/// @param sql cut as PostgreSQL does (see can_cut)
/// @return whether some string in it has such a word, or may have: its characters are written by
/// escapes, or it is put together of pieces
[[nodiscard]] bool literals_have_time_word(std::string_view sql);

}  // namespace weir::sql
