#pragma once

#include "conf/load.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf::test {

using Variables = std::map<std::string, std::string, std::less<>>;

/// The least that is needed besides what a test is about. Four lines.
inline constexpr std::string_view kBase = R"([cluster.main]
servers = ["10.0.0.1:5432"]
[database.shop]
[user.app]
password = "secret"
)";
inline constexpr unsigned kBaseLines = 5;

inline LoadResult load_whole(std::string_view toml, const Variables& variables = {}) {
    return load_text(toml, "weir.toml", Environment{variables});
}

/// `kBase`, then the text: its first line is line 6.
inline LoadResult load_with_base(std::string_view toml, const Variables& variables = {}) {
    return load_whole(std::string{kBase} + std::string{toml}, variables);
}

inline std::vector<std::string> texts(const LoadResult& result) {
    std::vector<std::string> all;
    for (const Problem& problem : result.problems) {
        all.push_back(problem.text());
    }
    return all;
}

/// @return the only problem's text, or all of them in one line
inline std::string only_text(const LoadResult& result) {
    std::string joined;
    for (const std::string& text : texts(result)) {
        joined += (joined.empty() ? "" : " || ") + text;
    }
    return joined;
}

inline std::string notes_text(const LoadResult& result) {
    std::string joined;
    for (const std::string& note : result.notes) {
        joined += (joined.empty() ? "" : " || ") + note;
    }
    return joined;
}

}  // namespace weir::conf::test
