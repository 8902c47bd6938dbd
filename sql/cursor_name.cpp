#include "sql/cursor_name.hpp"

#include "sql/lexer.hpp"

namespace weir::sql {

std::string cursor_name(std::string_view sql) {
    Lexer lexer{sql};
    const Token first = lexer.next();
    if (first.is_word("declare")) {
        const Token name = lexer.next();
        const bool is_name = name.kind == TokenKind::Word || name.kind == TokenKind::Quoted;
        return is_name ? name_of(name) : std::string{};
    }
    if (!first.is_word("fetch")) {
        return {};
    }
    // FETCH [direction] [FROM | IN] name: the name is what stands last.
    Token last;
    for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
        if (token.is_symbol(';')) {
            return lexer.next().kind == TokenKind::End && last.kind != TokenKind::End
                       ? name_of(last)
                       : std::string{};
        }
        last = token;
    }
    const bool is_name = last.kind == TokenKind::Word || last.kind == TokenKind::Quoted;
    return is_name ? name_of(last) : std::string{};
}

}  // namespace weir::sql
