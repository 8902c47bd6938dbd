#include "sql/function_source.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "sql/session_facts.hpp"

namespace weir::sql {

namespace {

/// Of strings within strings: what is built more deeply is taken for unknown.
constexpr int kDepthMax = 2;
constexpr std::size_t kStringsMax = 4096;

bool is_any_of(const Token& token, std::initializer_list<std::string_view> words) {
    return std::any_of(
        words.begin(), words.end(), [&](std::string_view word) { return token.is_word(word); });
}

/// Cuts a source into its statements and reads each of them as a request.
class SourceReader {
public:
    SourceReader(std::string_view source, int depth)
        : source_{source}, depth_{depth}, lexer_{source} {}

    FunctionSource read() {
        for (std::size_t start = 0;; start = lexer_.position()) {
            const Token token = lexer_.next();
            if (token.kind == TokenKind::End) {
                break;
            }
            take(token, start);
            before_ = token;
        }
        end_piece(source_.size());
        if (found_.is_dynamic) {
            read_strings();
        }
        tidy(found_.names);
        tidy(found_.custom_settings);
        return std::move(found_);
    }

private:
    template <class T>
    static void tidy(std::vector<T>& list) {
        std::sort(list.begin(), list.end());
        list.erase(std::unique(list.begin(), list.end()), list.end());
    }

    /// @param start of the token, with the blanks before it
    void take(const Token& token, std::size_t start) {
        if (token.is_symbol('(')) {
            ++parentheses_;
        } else if (token.is_symbol(')')) {
            --parentheses_;
        } else if (token.is_symbol(';')) {
            parentheses_ = 0;
            end_piece(start);
        } else if (token.is_symbol('>') && before_.is_symbol('>')) {
            end_piece(start);  // of a label, or of a shift: then the rest is read for itself
        } else if (token.kind == TokenKind::String) {
            if (strings_.size() >= kStringsMax) {
                found_.is_dynamic = true;
            } else {
                strings_.push_back(token);
            }
        } else if (token.kind == TokenKind::Word || token.kind == TokenKind::Quoted) {
            take_word(token, start);
        }
    }

    void take_word(const Token& token, std::size_t start) {
        found_.names.push_back(hash_of_name(name_of(token)));
        if (token.has_escapes) {
            found_.is_dynamic = true;
        }
        if (before_.is_word("execute") && is_any_of(token, {"on", "function", "procedure"})) {
            --executes_;  // a privilege, or a trigger's
        }
        if (token.is_word("execute")) {
            ++executes_;
        } else if (token.is_word("hold") && before_.is_word("with")) {
            found_.known |= SessionEffect::Cursors;
        }
        found_.writes = found_.writes || is_write_word(token);
        const bool begins =
            is_any_of(token, {"begin", "atomic", "then", "else", "loop"}) && parentheses_ <= 0;
        if (begins) {
            end_piece(start);
        }
    }

    /// What stands before `end` is a statement; the next one begins behind the token read last.
    void end_piece(std::size_t end) {
        if (end > begin_) {
            const SessionFacts facts = session_facts(source_.substr(begin_, end - begin_));
            // A cursor of the function's own is closed by CLOSE as well.
            found_.known |= facts.effects.known.without(SessionEffect::Cursors);
            found_.is_dynamic = found_.is_dynamic || facts.effects.is_opaque || executes_ > 0 ||
                                facts.effects.may_leave_unlisted;
            found_.has_unnamed_setting =
                found_.has_unnamed_setting || facts.effects.has_unnamed_setting;
            found_.custom_settings.insert(found_.custom_settings.end(),
                                          facts.custom_settings.begin(),
                                          facts.custom_settings.end());
        }
        executes_ = 0;
        begin_ = lexer_.position();
    }

    /// What it runs may be built of them.
    void read_strings() {
        if (depth_ >= kDepthMax) {
            return;
        }
        for (const Token& string : strings_) {
            FunctionSource inner = SourceReader{text_of(string), depth_ + 1}.read();
            found_.known |= inner.known;
            found_.writes = found_.writes || inner.writes;
            found_.has_unnamed_setting = found_.has_unnamed_setting || inner.has_unnamed_setting;
            found_.names.insert(found_.names.end(), inner.names.begin(), inner.names.end());
            found_.custom_settings.insert(found_.custom_settings.end(),
                                          inner.custom_settings.begin(),
                                          inner.custom_settings.end());
        }
    }

    std::string_view source_;
    int depth_;
    Lexer lexer_;
    FunctionSource found_;
    Token before_;
    std::vector<Token> strings_;
    std::size_t begin_ = 0;  // of the statement
    int parentheses_ = 0;
    int executes_ = 0;  // in the statement: SQL in strings
};

}  // namespace

FunctionSource read_function_source(std::string_view source) {
    return SourceReader{source, 0}.read();
}

std::string text_of(const Token& string) {
    const bool is_dollar = !string.text.empty() && *(string.text.data() - 1) == '$';
    std::string text;
    text.reserve(string.text.size());
    for (std::size_t i = 0; i < string.text.size(); ++i) {
        const char c = string.text[i];
        text += c;
        const bool is_doubled = c == '\'' && string.text.substr(i + 1).starts_with('\'');
        if (is_doubled && !is_dollar) {
            ++i;
        }
    }
    return text;
}

bool is_write_word(const Token& token) {
    return is_any_of(token, {"insert", "update", "delete", "merge", "copy", "truncate", "refresh"});
}

}  // namespace weir::sql
