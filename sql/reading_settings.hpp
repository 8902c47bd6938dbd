#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace weir::sql {

/// @param setting in lower case; "" where it is not known which
/// @return whether it decides what the text of a statement means: its names, literals, operators
[[nodiscard]] inline bool decides_reading(std::string_view setting) {
    static constexpr std::array<std::string_view, 16> kThese = {"",
                                                                "array_nulls",
                                                                "backslash_quote",
                                                                "client_encoding",
                                                                "datestyle",
                                                                "default_text_search_config",
                                                                "intervalstyle",
                                                                "lc_monetary",
                                                                "names",
                                                                "schema",
                                                                "search_path",
                                                                "session_replication_role",
                                                                "standard_conforming_strings",
                                                                "timezone",
                                                                "transform_null_equals",
                                                                "xmloption"};
    return std::find(kThese.begin(), kThese.end(), setting) != kThese.end();
}

}  // namespace weir::sql
