#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::conf {

/// @param text a part of a URL
/// @return it with %20 and the like decoded; nothing where a percent sign is followed by no two
/// hexadecimal digits, or by 00
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text);

/// @return it as it can stand in any part of a URL
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace weir::conf
