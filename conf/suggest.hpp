#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace weir::conf {

/// @return how many letters must be inserted, removed, changed or swapped with a neighbour to turn
/// one into the other
[[nodiscard]] std::size_t edit_distance(std::string_view left, std::string_view right);

/// @return the candidate somebody probably meant, or "" when none is near
[[nodiscard]] std::string_view nearest(std::string_view typed,
                                       const std::vector<std::string_view>& candidates);

}  // namespace weir::conf
