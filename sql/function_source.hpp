#pragma once

#include "base/session_effects.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/lexer.hpp"

namespace weir::sql {

/// What the source of a function, of a procedure or of a DO block says about the state it may leave
/// in the session that runs it. It errs on the side of more.
struct FunctionSource {
    SessionEffects known;
    /// It runs SQL that is not in its text.
    bool is_dynamic = false;
    /// It sets a setting whose name is not in its text.
    bool has_unnamed_setting = false;
    /// It writes to tables, so that triggers may run.
    bool writes = false;
    std::vector<std::string> custom_settings;  ///< with a dot in their names, in lower case
    std::vector<std::uint64_t> names;          ///< hash_of_name() of all in it, sorted, once each
};

/// @param source in SQL or PL/pgSQL
[[nodiscard]] FunctionSource read_function_source(std::string_view source);

/// @return says which name it is
[[nodiscard]] inline std::uint64_t hash_of_name(std::string_view name) {
    return std::hash<std::string_view>{}(name);
}

/// @return what a string constant says: its text, with what stood for a quote in it undone
[[nodiscard]] std::string text_of(const Token& string);

/// @return whether the word begins what makes triggers run
[[nodiscard]] bool is_write_word(const Token& token);

}  // namespace weir::sql
