#include "sql/time_words.hpp"

#include <algorithm>
#include <array>

#include "sql/lexer.hpp"

namespace weir::sql {

namespace {

constexpr std::array<std::string_view, 4> kWords = {"now", "today", "tomorrow", "yesterday"};
constexpr std::size_t kLongest = 9;

constexpr char as_small(char c) {
    return static_cast<char>(static_cast<unsigned char>(c) | 0x20U);
}

constexpr bool is_letter(char c) {
    return as_small(c) >= 'a' && as_small(c) <= 'z';
}

/// Only letters of ASCII are letters here: where a word of others ends in one of these, it is found
/// too.
bool is_time_word(std::string_view word) {
    if (word.size() < 3 || word.size() > kLongest) {
        return false;
    }
    return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view one) {
        return one.size() == word.size() &&
               std::equal(word.begin(), word.end(), one.begin(), [](char mine, char theirs) {
                   return as_small(mine) == theirs;
               });
    });
}

/// Most statements have none, and need not be cut into tokens.
bool may_have_strings(std::string_view sql) {
    if (sql.find('\'') != std::string_view::npos) {
        return true;
    }
    for (std::size_t at = sql.find('$'); at != std::string_view::npos; at = sql.find('$', at + 1)) {
        const bool is_parameter = at + 1 < sql.size() && sql[at + 1] >= '0' && sql[at + 1] <= '9';
        if (!is_parameter) {
            return true;
        }
    }
    return false;
}

}  // namespace

bool has_time_word(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        if (!is_letter(text[at])) {
            ++at;
            continue;
        }
        const std::size_t begin = at;
        while (at < text.size() && is_letter(text[at])) {
            ++at;
        }
        if (is_time_word(text.substr(begin, at - begin))) {
            return true;
        }
    }
    return false;
}

bool literals_have_time_word(std::string_view sql) {
    if (!may_have_strings(sql)) {
        return false;
    }
    Lexer lexer{sql};
    TokenKind before = TokenKind::End;
    for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
        if (token.kind == TokenKind::String) {
            // What escapes U&'…' has, UESCAPE says.
            const bool has_any = as_small(sql[lexer.start()]) == 'u';
            const bool may_be_another =
                before == TokenKind::String ||
                (token.has_escapes && (has_any || token.text.find('\\') != token.text.npos));
            if (may_be_another || has_time_word(token.text)) {
                return true;
            }
        }
        before = token.kind;
    }
    return false;
}

}  // namespace weir::sql
