#include "sql/read_only.hpp"

#include "sql/lexer.hpp"
#include "sql/utility_reader.hpp"

namespace weir::sql {

namespace {

/// @return whether every set_config() in it names, by a plain literal, a setting that has nothing
/// to do with writing
bool sets_only_harmless(std::string_view text) {
    Lexer lexer{text};
    Token token = lexer.next();
    while (token.kind != TokenKind::End) {
        if (token.kind == TokenKind::Quoted && token.has_escapes) {
            return false;  // it may be the function's name
        }
        const bool is_name = token.kind == TokenKind::Word || token.kind == TokenKind::Quoted;
        const bool is_its_name = is_name && name_of(token) == "set_config";
        token = lexer.next();
        if (!is_its_name || !token.is_symbol('(')) {
            continue;
        }
        const Token setting = lexer.next();
        token = lexer.next();
        if (setting.kind != TokenKind::String || setting.has_escapes ||
            is_read_only_setting(setting.text) || !token.is_symbol(',')) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool may_run_read_only(const StatementFacts& facts, std::string_view text) {
    return facts.is_harmless && (!facts.calls_set_config || sets_only_harmless(text));
}

}  // namespace weir::sql
