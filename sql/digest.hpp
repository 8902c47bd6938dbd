#pragma once

#include <cstddef>
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

    /// @return 64 bits that are the same in every process: to name a statement by, in the log, the
    /// ledger and rules. Whoever tries can make two texts that share one.
    [[nodiscard]] std::uint64_t stable_digest() const;

private:
    void append(std::string_view text);
    void append_word(std::string_view word);
    void add_literal();
    [[nodiscard]] bool is_in_list() const;

    std::string& text_;  // the thread's own: it is not given back between statements
    bool is_after_literal_ = false;
};

/// A statement as people are told of it.
struct Shape {
    static constexpr std::size_t kTextBytesMax = 4096;
    static constexpr std::size_t kKindBytesMax = 32;

    std::uint64_t digest = 0;  ///< DigestBuilder::stable_digest() of the whole text
    std::string text;  ///< without literals, words in lower case, a blank between tokens: at most
                       ///< kTextBytesMax bytes of it, no half characters of UTF-8
    std::string kind;  ///< its first word in lower case: "select"; "" = there is none; at most
                       ///< kKindBytesMax bytes of it

    [[nodiscard]] bool operator==(const Shape&) const = default;
};

/// @param sql one request's text; any bytes
[[nodiscard]] Shape shape_of(std::string_view sql);

/// @return Shape::digest alone
[[nodiscard]] std::uint64_t stable_digest(std::string_view sql);

/// @return 16 hexadecimal digits, as people are told a digest and rules name it
[[nodiscard]] std::string digest_text(std::uint64_t digest);

}  // namespace weir::sql
