#include "sql/source_words.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "sql/function_source.hpp"
#include "sql/lexer.hpp"
#include "sql/result_lists.hpp"

namespace weir::sql {

namespace {

/// What makes it opaque: statements that another text is run by, and those that change the schema.
constexpr std::array<std::string_view, 8> kOpaque = {
    "execute", "create", "alter", "drop", "grant", "revoke", "reassign", "import"};

/// PostgreSQL cuts longer ones.
constexpr std::size_t kNameBytesMax = 63;

bool is_ascii(std::string_view text) {
    return std::all_of(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

class WordReader {
public:
    WordReader(std::string_view source, SourceLanguage language)
        : lexer_{source}, language_{language}, is_skipping_{is_definition(source)} {}

    SourceWords read() {
        for (Token token = lexer_.next(); token.kind != TokenKind::End; token = lexer_.next()) {
            if (is_skipping_) {
                skip(token);
            } else {
                take(token);
            }
            before_ = token;
        }
        std::sort(found_.names.begin(), found_.names.end());
        found_.names.erase(std::unique(found_.names.begin(), found_.names.end()),
                           found_.names.end());
        return std::move(found_);
    }

private:
    /// What pg_get_functiondef() has written has a head, which is no statement of the function's.
    static bool is_definition(std::string_view source) {
        return source.starts_with("CREATE OR REPLACE ");
    }

    void skip(const Token& token) {
        is_skipping_ =
            !token.is_word("return") && !(token.is_word("atomic") && before_.is_word("begin"));
    }

    void take(const Token& token) {
        const bool is_name = token.kind == TokenKind::Word || token.kind == TokenKind::Quoted;
        if (!is_name) {
            // An anonymous block: what it does its string says.
            found_.is_opaque =
                found_.is_opaque || (token.kind == TokenKind::String && before_.is_word("do"));
            return;
        }
        std::string name = name_of(token).substr(0, kNameBytesMax);
        found_.is_opaque = found_.is_opaque || token.has_escapes || !is_ascii(name) ||
                           runs_text(name) || is_opaque_word(token);
        found_.writes = found_.writes || is_write_word(token);
        found_.names.push_back(std::move(name));
    }

    [[nodiscard]] bool is_opaque_word(const Token& token) const {
        const bool is_one = std::any_of(kOpaque.begin(), kOpaque.end(), [&](std::string_view word) {
            return token.is_word(word);
        });
        // SELECT INTO makes a table in SQL, and sets a variable in PL/pgSQL.
        const bool makes_table = language_ == SourceLanguage::Sql && token.is_word("into") &&
                                 !before_.is_word("insert") && !before_.is_word("merge");
        return is_one || makes_table || (token.is_word("language") && before_.is_word("do"));
    }

    Lexer lexer_;
    SourceLanguage language_;
    bool is_skipping_;
    SourceWords found_;
    Token before_;
};

}  // namespace

SourceWords read_source_words(std::string_view source, SourceLanguage language) {
    if (source.size() > kSourceWordsBytesMax) {
        SourceWords unknown;
        unknown.is_opaque = true;
        return unknown;
    }
    return WordReader{source, language}.read();
}

}  // namespace weir::sql
