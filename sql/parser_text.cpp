#include "sql/parser_text.hpp"

#include "sql/lexer.hpp"

namespace weir::sql {

namespace {

/// A list keeps two of its literals: in (1, 2) OVERLAPS (3, 4) the grammar wants them.
constexpr int kListLiterals = 2;

/// A string is not empty, so that a field that holds it is there. It is a hexadecimal digit, so
/// that PostgreSQL takes it for no UESCAPE: which name such a one spells a literal would say.
std::string_view stand_in(const Token& literal) {
    switch (literal.kind) {
        case TokenKind::String: return "'a'";
        case TokenKind::Parameter: return "$1";
        default: return "1";
    }
}

class Rewriter {
public:
    explicit Rewriter(std::string_view sql) : lexer_{sql} {}

    std::optional<std::string> rewrite() {
        std::size_t end = 0;
        for (Token token = lexer_.next(); token.kind != TokenKind::End; token = lexer_.next()) {
            const bool is_apart = lexer_.start() > end;
            end = lexer_.position();
            add(token, is_apart);
            if (tokens_ > kParserTokensMax || text_.size() > kParserTextBytesMax) {
                return std::nullopt;
            }
            before_ = token;
        }
        return std::move(text_);
    }

private:
    void add(const Token& token, bool is_apart) {
        if (is_literal(token)) {
            if (!is_literal(before_)) {  // else it is a string in pieces, or no SQL
                add_literal(stand_in(token));
            }
            return;
        }
        switch (token.kind) {
            case TokenKind::Quoted:
                append(token.has_escapes ? "U&\"" : "\"");
                text_.append(token.text).append(1, '"');
                return;
            case TokenKind::Number:  // one that is more than that
            case TokenKind::Word: append(token.text); return;
            case TokenKind::Symbol: add_symbol(token, is_apart); return;
            case TokenKind::String:
            case TokenKind::Parameter:
            case TokenKind::End: return;
        }
    }

    /// Operators are made of symbols that touch each other.
    void add_symbol(const Token& token, bool is_apart) {
        before_comma_ = text_.size();
        if (is_apart || before_.kind != TokenKind::Symbol) {
            text_ += ' ';
        }
        text_ += token.text;
        ++tokens_;
        is_list_ = token.is_symbol(',') && is_literal(before_);
    }

    void add_literal(std::string_view literal) {
        literals_ = is_list_ ? literals_ + 1 : 1;
        if (is_list_ && literals_ > kListLiterals) {
            text_.resize(before_comma_);
            --tokens_;
            is_list_ = false;
            literals_ = kListLiterals;
            return;
        }
        append(literal);
    }

    void append(std::string_view word) {
        text_.append(1, ' ').append(word);
        ++tokens_;
        is_list_ = false;
    }

    Lexer lexer_;
    std::string text_;
    Token before_;
    std::size_t tokens_ = 0;
    std::size_t before_comma_ = 0;  // where text_ ended before the last symbol
    bool is_list_ = false;          // literals with commas between them, the last one just read
    int literals_ = 0;              // kept of the list
};

}  // namespace

std::optional<std::string> parser_text(std::string_view sql) {
    if (sql.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    return Rewriter{sql}.rewrite();
}

}  // namespace weir::sql
