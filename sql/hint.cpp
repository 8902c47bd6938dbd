#include "sql/hint.hpp"

#include <algorithm>

#include "sql/lexer.hpp"

namespace weir::sql {

namespace {

constexpr std::string_view kMark = "weir:";
constexpr std::string_view kBlanks = " \t\r\n\f\v";

std::string_view without_blanks_before(std::string_view text) {
    return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}

void read_key(std::string_view key, Hint& hint) {
    RouteHint route = RouteHint::None;
    if (key == "route=primary") {
        route = RouteHint::Primary;
    } else if (key == "route=replica") {
        route = RouteHint::Replica;
    } else if (key == "route=auto") {
        route = RouteHint::Auto;
    }
    hint.has_unknown = hint.has_unknown || route == RouteHint::None;
    hint.route = std::max(hint.route, route);
}

/// @param text of a comment, without its signs
void read_comment(std::string_view text, Hint& hint) {
    text = without_blanks_before(text);
    if (!text.starts_with(kMark)) {
        return;
    }
    text = without_blanks_before(text.substr(kMark.size()));
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(kBlanks), text.size());
        read_key(text.substr(0, end), hint);
        text = without_blanks_before(text.substr(end));
    }
}

/// @return how long the nested comment is that `text` begins with
std::size_t block_comment_bytes(std::string_view text) {
    int depth = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const std::string_view pair = text.substr(at, 2);
        if (pair == "/*") {
            ++depth;
            ++at;
        } else if (pair == "*/") {
            ++at;
            if (--depth == 0) {
                return at + 1;
            }
        }
    }
    return text.size();
}

/// @param gap what lies between two tokens: blanks and comments
void read_gap(std::string_view gap, Hint& hint) {
    constexpr std::size_t kSign = 2;  // of what begins or ends a comment
    for (gap = without_blanks_before(gap); gap.size() > kSign; gap = without_blanks_before(gap)) {
        std::size_t bytes = 0;
        if (gap.starts_with("--")) {
            bytes = std::min(gap.find_first_of("\r\n"), gap.size());
            read_comment(gap.substr(kSign, bytes - kSign), hint);
        } else {
            bytes = block_comment_bytes(gap);
            const std::string_view comment = gap.substr(0, bytes);
            if (comment.size() >= 2 * kSign && comment.ends_with("*/")) {
                read_comment(comment.substr(kSign, comment.size() - 2 * kSign), hint);
            }
        }
        gap.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
}

}  // namespace

Hint read_hint(std::string_view sql) {
    Hint hint;
    if (sql.find(kMark) == std::string_view::npos) {
        return hint;
    }
    Lexer lexer{sql};
    std::size_t end = 0;
    TokenKind kind = TokenKind::Symbol;
    while (kind != TokenKind::End) {
        kind = lexer.next().kind;
        read_gap(sql.substr(end, lexer.start() - end), hint);
        end = lexer.position();
    }
    return hint;
}

}  // namespace weir::sql
