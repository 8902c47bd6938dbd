#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir::admin {

/// The longest text the console reads; no command of ours comes near it.
inline constexpr std::size_t kMaxTextBytes = std::size_t{64} * 1024;
/// Statements in one text: each may send as many rows as there are clients.
inline constexpr std::size_t kMaxStatements = 32;

/// One statement out of a text, cut into words.
struct Statement {
    std::string text;  ///< as typed, without the semicolon and outer blanks
    /// Without comments. Words are in lower case; "quoted names" keep their case and lose the
    /// quotes; 'literals' keep theirs; any other character is a word of its own.
    std::vector<std::string> words;
    /// The same words with their letters as typed.
    std::vector<std::string> typed;
};

/// Cuts a text at its semicolons, as PostgreSQL does: not inside quotes, dollar quotes and
/// comments.
///
/// @return the statements that have words; none for a text of blanks, comments and semicolons
/// @errors 54000 above kMaxTextBytes or kMaxStatements, 42601 for a quote or comment without its
/// end
[[nodiscard]] Result<std::vector<Statement>> split_statements(std::string_view text);

}  // namespace weir::admin
