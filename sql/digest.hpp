#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sql/lexer.hpp"

namespace weir::sql {

/// Says which statements are alike: the same text but for literals, comments, white space and the
/// case of words.
///
/// Fed token by token, so that one pass over the text serves all who want to know something of it.
/// Literals and parameters become "?", a list of them ("?, ?, ?") becomes one, and so does a string
/// in pieces.
class DigestBuilder {
public:
    DigestBuilder();

    void add(const Token& token);

    /// @return the statement without its literals, as far as it is kept
    [[nodiscard]] const std::string& text() const { return text_; }

    /// @return 64 bits; keyed anew in every process, so nobody can make two texts that share one
    [[nodiscard]] std::uint64_t digest() const;

private:
    void append(std::string_view text);
    void append_word(std::string_view word);
    void add_literal();
    [[nodiscard]] bool is_in_list() const;

    std::string& text_;  // the thread's own: it is not given back between statements
    bool is_after_literal_ = false;
};

}  // namespace weir::sql
