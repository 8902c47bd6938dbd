#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir::sql {

/// What the words of a function's source say about what it may write. It errs on the side of more:
/// every name in it may be a table's or a function's.
struct SourceWords {
    /// It runs SQL that is not in its text, or changes the schema.
    bool is_opaque = false;
    bool writes = false;             ///< rows of some table
    std::vector<std::string> names;  ///< without their schemas, sorted, once each
};

/// Longer sources are opaque.
inline constexpr std::size_t kSourceWordsBytesMax = std::size_t{1} << 20U;

enum class SourceLanguage : char { Sql = 's', PlPgSql = 'p' };

/// @param source as it was written, or as pg_get_functiondef() writes it
[[nodiscard]] SourceWords read_source_words(std::string_view source, SourceLanguage language);

}  // namespace weir::sql
