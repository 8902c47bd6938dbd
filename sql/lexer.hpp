#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::sql {

enum class TokenKind : std::uint8_t {
    Word,       ///< a key word or a name without quotes
    Quoted,     ///< "a name"; text is what stands between the quotes, doubled ones still doubled
    String,     ///< any kind of string constant; text is what stands between its quotes
    Number,     ///< digits, with what belongs to them
    Parameter,  ///< $1
    Symbol,     ///< one character of anything else
    End,
};

struct Token {
    TokenKind kind = TokenKind::End;
    std::string_view text;  ///< in the statement's own text
    /// Written with an E or a U& before it: its characters may not be what they look like.
    bool has_escapes = false;

    [[nodiscard]] bool is_symbol(char c) const {
        return kind == TokenKind::Symbol && text.front() == c;
    }

    /// @param lower_case what a word is compared to, in whatever case it was written
    [[nodiscard]] bool is_word(std::string_view lower_case) const;
};

/// Cuts SQL text into tokens as PostgreSQL does; white space and comments (nested ones too) are
/// left out.
///
/// Made to look at statements, not to judge them: what PostgreSQL would refuse comes out as some
/// token or as the End. Takes standard_conforming_strings for on: where it is off, a backslash in a
/// plain string is misread.
/// @source PostgreSQL 15 manual, "Lexical Structure"; scan.l
class Lexer {
public:
    /// @param sql must stay as it is while tokens are in use
    explicit Lexer(std::string_view sql) : sql_{sql} {}

    [[nodiscard]] Token next();

    /// @return how far it has come: behind the last token
    [[nodiscard]] std::size_t position() const { return at_; }

    /// @return where the last token began, its prefix and quotes included; what lies between two
    /// tokens is white space and comments
    [[nodiscard]] std::size_t start() const { return start_; }

private:
    void skip_blank();
    void skip_block_comment();
    [[nodiscard]] Token word();
    [[nodiscard]] Token number();
    [[nodiscard]] Token quoted(char quote, TokenKind kind, bool has_escapes);
    [[nodiscard]] Token dollar();

    [[nodiscard]] char at(std::size_t i) const { return i < sql_.size() ? sql_[i] : '\0'; }

    std::string_view sql_;
    std::size_t at_ = 0;
    std::size_t start_ = 0;
};

/// @param standard_conforming_strings as PostgreSQL reports it
/// @param client_encoding as PostgreSQL reports it
/// @return whether a session's text can be cut as Lexer does. In some encodings a character's
/// second byte may be a backslash.
[[nodiscard]] bool can_cut(std::string_view standard_conforming_strings,
                           std::string_view client_encoding);

/// @return the name a token stands for: a word folded to lower case, a quoted one as it is
[[nodiscard]] std::string name_of(const Token& token);

/// @return whether a Number is one and nothing else. PostgreSQL before 15 took "1from" for two
/// tokens, later versions refuse it.
[[nodiscard]] bool is_plain_number(std::string_view text);

/// @return whether it is a String, a Parameter or a plain Number
[[nodiscard]] bool is_literal(const Token& token);

[[nodiscard]] constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace weir::sql
