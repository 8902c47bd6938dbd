#include "sql/cursor_name.hpp"

#include "sql/lexer.hpp"

namespace weir::sql {

namespace {

using Kind = CursorUse::Kind;

Kind kind_of(const Token& first) {
    if (first.is_word("declare")) {
        return Kind::Declares;
    }
    if (first.is_word("fetch")) {
        return Kind::Fetches;
    }
    return first.is_word("close") ? Kind::Closes : Kind::None;
}

/// @return "" where it is no name, or one that is written in escapes
std::string name_in(const Token& token) {
    const bool is_name =
        (token.kind == TokenKind::Word || token.kind == TokenKind::Quoted) && !token.has_escapes;
    return is_name ? name_of(token) : std::string{};
}

}  // namespace

CursorUse cursor_use(std::string_view sql) {
    CursorUse use;
    Lexer lexer{sql};
    std::size_t statements = 0;
    std::size_t tokens = 0;  // of the statement
    Token name;              // DECLARE name …; FETCH [direction] [FROM | IN] name; CLOSE name
    for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
        if (token.is_symbol(';')) {
            tokens = 0;
            continue;
        }
        if (tokens++ == 0) {
            ++statements;
            const Kind kind = kind_of(token);
            use.kind = use.kind == Kind::None ? kind : use.kind;
            use.fetches = use.fetches || kind == Kind::Fetches;
        } else if (tokens == 2 || use.kind != Kind::Declares) {
            name = token;
        }
        // DECLARE name … CURSOR … WITH HOLD FOR query: "hold" may be a name behind that as well.
        use.is_held =
            use.is_held || (use.kind == Kind::Declares && tokens > 2 && token.is_word("hold"));
    }
    if (statements > 1 && use.kind != Kind::None) {
        use.kind = Kind::Several;
    } else if (use.kind != Kind::None) {
        use.name = name_in(name);
    }
    const bool is_all = name.kind == TokenKind::Word && name_of(name) == "all";
    if (use.kind == Kind::Closes && is_all) {
        use.name.clear();
    }
    return use;
}

}  // namespace weir::sql
