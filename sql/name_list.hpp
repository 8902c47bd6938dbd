#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace weir::sql {

template <std::size_t n>
[[nodiscard]] constexpr bool is_in(const std::array<std::string_view, n>& names,
                                   std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

template <std::size_t n>
[[nodiscard]] constexpr bool begins_as_one_of(const std::array<std::string_view, n>& beginnings,
                                              std::string_view name) {
    return std::any_of(beginnings.begin(), beginnings.end(), [&](std::string_view beginning) {
        return name.starts_with(beginning);
    });
}

}  // namespace weir::sql
