#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weir::sql {

/// No more than this of a text is given to the parser, literals not counted. The tokens bound how
/// deep the tree can be: the library walks it by recursion.
inline constexpr std::size_t kParserTextBytesMax = std::size_t{256} * 1024;
inline constexpr std::size_t kParserTokensMax = 8192;

/// Rewrites a text so that it says no more than its digest does: strings are 'a', numbers
/// 1, parameters $1, lists of literals short, comments gone.
///
/// What is known of a statement is remembered by its digest, so nothing of it may hang on a
/// literal. It also keeps bytes that are no UTF-8, megabytes and secrets from the parser.
/// @return nothing when there is too much of it, or a NUL byte
[[nodiscard]] std::optional<std::string> parser_text(std::string_view sql);

}  // namespace weir::sql
