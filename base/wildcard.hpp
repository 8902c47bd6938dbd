#pragma once

#include <string_view>

namespace weir {

/// @param pattern all of the text; * stands for any characters, also none
/// @thread any
[[nodiscard]] bool matches_wildcard(std::string_view text, std::string_view pattern);

}  // namespace weir
