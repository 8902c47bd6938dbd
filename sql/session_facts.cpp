#include "sql/session_facts.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "sql/digest.hpp"
#include "sql/function_source.hpp"
#include "sql/lexer.hpp"
#include "sql/reading_settings.hpp"
#include "sql/telling_functions.hpp"

namespace weir::sql {

namespace {

/// Names longer than this are no settings (NAMEDATALEN - 1 for each of two parts).
constexpr std::size_t kSettingNameMax = 127;

template <std::size_t n>
bool is_one_of(const Token& token, const std::array<std::string_view, n>& words) {
    return std::any_of(
        words.begin(), words.end(), [&](std::string_view word) { return token.is_word(word); });
}

/// DO statements of one request whose blocks are read.
constexpr std::size_t kBlocksMax = 16;
/// Of blocks within blocks: what is hidden more deeply may do anything.
constexpr int kBlockDepthMax = 2;

bool is_custom_name(std::string_view name) {
    const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
        const char small = lower(c);
        return (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
               c == '$';
    });
    return is_plain && name.size() <= kSettingNameMax && name.find('.') != std::string_view::npos;
}

/// Reads a request's tokens once, front to back.
class Scanner {
public:
    explicit Scanner(std::string_view sql) : lexer_{sql} {}

    SessionFacts scan() {
        for (Token token = lexer_.next(); token.kind != TokenKind::End; token = lexer_.next()) {
            digest_.add(token);
            take(token);
            before_ = token;
        }
        end_statement();
        if (statements_ != 1) {
            facts_.is_local_set = false;
            facts_.reset_name.clear();
        }
        facts_.effects.is_reset = !facts_.reset_name.empty();
        facts_.effects.digest = digest_.digest();
        facts_.is_of_digest = !reads_literals_ && facts_.effects.known.empty() &&
                              !facts_.effects.is_opaque && !facts_.effects.changes_catalog;
        for (const std::string& body : blocks_) {
            read_block(body);  // now: reading it takes the digest's memory
        }
        return std::move(facts_);
    }

private:
    enum class Kind : std::uint8_t {
        None,
        Other,
        Set,
        Reset,
        Prepare,
        Declare,
        Discard,
        Do,
        Bodied
    };

    /// A call of set_config() that is being read.
    struct SetConfig {
        int depth = 0;      // of its arguments
        int arguments = 0;  // before the one that is being read
        Token first;
        Token last;
        bool is_expression = false;  // the first argument
    };

    void take(const Token& token) {
        if (token.is_symbol(';') && depth_ == 0) {
            end_statement();
            return;
        }
        if (position_++ == 0) {
            begin_statement(token);
            return;
        }
        if (token.has_escapes && token.kind == TokenKind::Quoted) {
            facts_.effects.is_opaque = true;  // any name may be meant
            facts_.effects.is_inert = false;
        }
        take_of_kind(token);
        take_anywhere(token);
    }

    /// What means something in statements of this kind.
    void take_of_kind(const Token& token) {
        switch (kind_) {
            case Kind::Set: take_set(token); break;
            case Kind::Reset: take_reset(token); break;
            case Kind::Prepare:
                if (position_ == 2 && !token.is_word("transaction")) {
                    facts_.effects.known |= SessionEffect::Statements;
                }
                break;
            case Kind::Declare:
                if (token.is_word("hold") && before_.is_word("with")) {
                    facts_.effects.known |= SessionEffect::Cursors;
                }
                break;
            case Kind::Bodied: take_bodied(token); break;
            case Kind::Do: take_do(token); break;
            case Kind::Discard: facts_.reset_name = token.is_word("all") ? "all" : ""; break;
            case Kind::None:
            case Kind::Other: break;
        }
    }

    void take_bodied(const Token& token) {
        if (position_ == 2 && token.is_word("extension")) {
            facts_.effects.is_opaque = true;  // a script
        }
        if (token.kind == TokenKind::String) {
            read_body(token.text);
        }
    }

    void take_do(const Token& token) {
        if (blocks_.size() >= kBlocksMax) {
            facts_.effects.known |= SessionEffect::Lasting;
        } else if (token.kind == TokenKind::String) {
            blocks_.push_back(text_of(token));
        }
    }

    void begin_statement(const Token& token) {
        ++statements_;
        kind_ = Kind::Other;
        static constexpr std::array<std::string_view, 9> kInert = {
            "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "show"};
        static constexpr std::array<std::string_view, 4> kReads = {
            "select", "with", "values", "table"};
        if (is_one_of(token, kInert)) {
            facts_.effects.begins_transaction = facts_.effects.begins_transaction ||
                                                token.is_word("begin") || token.is_word("start");
            return;
        }
        if (token.is_word("set")) {
            reads_literals_ = true;
            kind_ = Kind::Set;
            return;  // inert if it turns out to be local
        }
        facts_.effects.is_inert = false;
        facts_.effects.may_advance_sequences =
            facts_.effects.may_advance_sequences || !is_one_of(token, kReads);
        if (token.is_word("reset")) {
            kind_ = Kind::Reset;
            facts_.effects.known |= SessionEffect::Settings;
        } else if (token.is_word("prepare")) {
            kind_ = Kind::Prepare;
        } else if (token.is_word("declare")) {
            kind_ = Kind::Declare;
        } else if (token.is_word("close")) {
            facts_.effects.known |= SessionEffect::Cursors;
        } else if (token.is_word("deallocate")) {
            facts_.effects.known |= SessionEffect::Statements;
        } else if (token.is_word("listen") || token.is_word("unlisten")) {
            facts_.effects.known |= SessionEffect::Channels;
        } else if (token.is_word("load")) {
            facts_.effects.known |= SessionEffect::Lasting;
        } else if (token.is_word("discard")) {
            kind_ = Kind::Discard;
            facts_.effects.known |= SessionEffects::all().without(SessionEffect::Lasting);
        } else if (token.is_word("do")) {
            kind_ = Kind::Do;
            facts_.effects.is_opaque = true;
        } else if (token.is_word("execute")) {
            facts_.effects.is_opaque = true;
        } else if (token.is_word("create") || token.is_word("alter") || token.is_word("drop")) {
            kind_ = Kind::Bodied;
            facts_.effects.changes_catalog = true;
        } else {
            take_anywhere(token);
        }
    }

    void end_statement() {
        if (kind_ == Kind::Set) {
            end_set();
        }
        kind_ = Kind::None;
        position_ = 0;
        name_.clear();
        is_local_ = false;
        is_to_default_ = false;
        has_value_ = false;
        if (set_config_) {
            note_any_setting();  // it has not ended: this is no text we understand
        }
    }

    void note_any_setting() {
        facts_.effects.known |= SessionEffect::Settings;
        facts_.effects.has_unnamed_setting = true;
        set_config_.reset();
    }

    void read_block(const std::string& body) {
        thread_local int depth = 0;
        if (depth >= kBlockDepthMax) {
            facts_.effects.known |= SessionEffect::Lasting;
            return;
        }
        ++depth;
        const FunctionSource block = read_function_source(body);
        --depth;
        // What it does to the rest is looked at in any case.
        facts_.effects.known |= block.known & SessionEffect::Lasting;
        if (block.has_unnamed_setting) {
            facts_.effects.known |= SessionEffect::Settings;
            facts_.effects.has_unnamed_setting = true;
        }
        for (const std::string& name : block.custom_settings) {
            note_custom(name);
        }
    }

    void take_set(const Token& token) {
        static constexpr std::array<std::string_view, 3> kLocal = {
            "local", "transaction", "constraints"};
        if (position_ == 2 && is_one_of(token, kLocal)) {
            is_local_ = true;
            return;
        }
        if (has_value_) {
            is_to_default_ = is_to_default_ || (before_value_ && token.is_word("default"));
            before_value_ = false;
            return;
        }
        const bool is_prefix = position_ == 2 && token.is_word("session");
        if (token.is_symbol('=') || token.is_word("to")) {
            has_value_ = true;
            before_value_ = true;
        } else if (!is_prefix) {
            add_to_name(token);
        }
    }

    void end_set() {
        facts_.effects.changes_reading |= decides_reading(name_);
        if (is_local_) {
            facts_.is_local_set = true;
        } else {
            facts_.effects.is_inert = false;
            facts_.effects.known |= SessionEffect::Settings;
        }
        take_set_name(name_, is_local_);
        if (is_to_default_ && !is_local_) {
            facts_.reset_name = name_;
        }
    }

    /// @param name "" where it is not in the text
    void take_set_name(const std::string& name, bool is_local) {
        if (name == "seed") {  // it stays set when the transaction has ended, and is never listed
            facts_.effects.is_inert = false;
            facts_.effects.known |= SessionEffect::Lasting;
        }
        if (is_custom_name(name)) {
            note_custom(name);
        } else if (!is_local && (name.empty() || name.find('.') != std::string::npos)) {
            facts_.effects.has_unnamed_setting = true;
        } else if (name.empty()) {
            facts_.effects.may_leave_unlisted = true;  // it may be the seed
            facts_.effects.is_inert = false;
        }
    }

    void take_reset(const Token& token) {
        add_to_name(token);
        facts_.reset_name = name_;
    }

    /// Names of one word, of words with dots, TIME ZONE and SESSION AUTHORIZATION.
    void add_to_name(const Token& token) {
        if (token.is_symbol('.')) {
            name_ += '.';
        } else if (token.has_escapes) {
            name_ += "\\.";  // no name of a setting: it is not known which one is meant
        } else if (token.kind == TokenKind::Word || token.kind == TokenKind::Quoted) {
            const std::string word = lowered(token);
            if (name_ == "session" && word == "authorization") {
                name_ = "session_authorization";
            } else if (name_ == "time" && word == "zone") {
                name_ = "timezone";
                has_value_ = kind_ == Kind::Set;
                before_value_ = has_value_;
            } else if (name_.empty() || name_.ends_with('.') || name_ == "session" ||
                       name_ == "time") {
                name_ += word;
            }
        }
    }

    static std::string lowered(const Token& token) {
        std::string name = name_of(token);
        std::transform(name.begin(), name.end(), name.begin(), lower);
        return name;
    }

    /// What means the same wherever it stands in a statement.
    void take_anywhere(const Token& token) {
        if (std::exchange(is_setting_read_, false) && token.kind == TokenKind::String &&
            !token.has_escapes && is_custom_name(lowered(token))) {
            note_custom(lowered(token));
        }
        if (token.is_symbol('(')) {
            ++depth_;
            if (before_.kind == TokenKind::Word || before_.kind == TokenKind::Quoted) {
                take_call(before_);
                return;
            }
        } else if (token.is_symbol(')')) {
            end_of_arguments();
            --depth_;
        } else if (token.kind == TokenKind::Word || token.kind == TokenKind::Quoted) {
            take_name(token);
        }
        if (set_config_) {
            take_argument(token);
        }
    }

    void take_name(const Token& token) {
        const char first = token.text.empty() ? '\0' : lower(token.text.front());
        if (first != 't' && first != 'p' && first != 's') {
            return;
        }
        const std::string name = lowered(token);
        if (name == "standard_conforming_strings") {
            facts_.effects.is_opaque = true;  // what follows may be cut otherwise
        }
        if (name == "temp" || name == "temporary" || name.starts_with("pg_temp")) {
            facts_.effects.known |= SessionEffect::Temporary;
        }
    }

    void take_call(const Token& function) {
        static constexpr std::array<std::string_view, 20> kNoFunctions = {
            "and",    "or",     "not",      "in",    "any",   "all",   "some",
            "exists", "from",   "where",    "as",    "using", "on",    "over",
            "filter", "values", "coalesce", "count", "when",  "nullif"};
        if (is_one_of(function, kNoFunctions)) {
            return;
        }
        const std::string name = lowered(function);
        if (name.starts_with("pg_advisory_") || name.starts_with("pg_try_advisory_")) {
            if (name.find("xact") == std::string::npos) {
                facts_.effects.known |= SessionEffect::Locks;
            }
        } else if (name == "set_config") {
            if (set_config_) {
                note_any_setting();  // one within another
            }
            reads_literals_ = true;
            set_config_ = SetConfig{};
            set_config_->depth = depth_;
        } else if (name == "current_setting") {
            reads_literals_ = true;
            is_setting_read_ = true;
        } else if (is_lasting_call(name)) {
            facts_.effects.known |= SessionEffect::Lasting;
        } else if (runs_text(name)) {
            facts_.effects.is_opaque = true;
        } else if (name == "lastval" || name == "currval") {
            facts_.effects.reads_sequences = true;
            return;
        }
        facts_.effects.may_advance_sequences = true;
    }

    void take_argument(const Token& token) {
        if (depth_ != set_config_->depth || token.is_symbol('(')) {
            set_config_->last = {};
            set_config_->is_expression = set_config_->is_expression || set_config_->arguments == 0;
            return;
        }
        if (token.is_symbol(',')) {
            ++set_config_->arguments;
            set_config_->last = {};
            return;
        }
        if (set_config_->arguments == 0) {
            if (set_config_->first.kind == TokenKind::End) {
                set_config_->first = token;
            } else if (token.kind != TokenKind::Word && !token.is_symbol(':')) {
                set_config_->is_expression = true;  // and no cast
            }
        }
        set_config_->last = token;
    }

    void end_of_arguments() {
        if (!set_config_ || depth_ != set_config_->depth) {
            return;
        }
        const bool is_local = set_config_->arguments == 2 && set_config_->last.is_word("true");
        const bool is_named = set_config_->first.kind == TokenKind::String &&
                              !set_config_->first.has_escapes && !set_config_->is_expression;
        const std::string name = is_named ? lowered(set_config_->first) : std::string{};
        take_set_name(name, is_local);
        facts_.effects.changes_reading |= decides_reading(name);
        if (!is_local) {
            facts_.effects.known |= SessionEffect::Settings;
        }
        set_config_.reset();
    }

    void note_custom(const std::string& name) {
        auto& known = facts_.custom_settings;
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            known.push_back(name);
        }
    }

    /// The body of a function or DO block: only what it says of settings is read.
    void read_body(std::string_view body) {
        Lexer lexer{body};
        std::array<Token, 3> last{};  // the newest at the end
        for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
            const bool is_argument =
                token.kind == TokenKind::String && last[2].is_symbol('(') &&
                (last[1].is_word("set_config") || last[1].is_word("current_setting"));
            if (is_argument && is_custom_name(lowered(token))) {
                note_custom(lowered(token));
            }
            const bool is_named = token.kind == TokenKind::Word && last[2].is_symbol('.') &&
                                  last[1].kind == TokenKind::Word &&
                                  (last[0].is_word("set") || last[0].is_word("session"));
            if (is_named) {
                note_custom(lowered(last[1]) + '.' + lowered(token));
            }
            last = {last[1], last[2], token};
        }
    }

    Lexer lexer_;
    DigestBuilder digest_;
    SessionFacts facts_;
    Token before_;
    Kind kind_ = Kind::None;
    int statements_ = 0;
    int position_ = 0;  // of the next token in its statement
    int depth_ = 0;     // of parentheses
    std::string name_;  // of the setting that is set or reset
    bool is_local_ = false;
    bool has_value_ = false;
    bool before_value_ = false;
    bool is_to_default_ = false;
    bool is_setting_read_ = false;
    bool reads_literals_ = false;  // to know what it leaves
    std::optional<SetConfig> set_config_;
    std::vector<std::string> blocks_;  // of DO
};

}  // namespace

SessionFacts session_facts(std::string_view sql) {
    return Scanner{sql}.scan();
}

std::string without_literals(std::string_view sql, std::size_t bytes_max) {
    DigestBuilder builder;
    Lexer lexer{sql};
    for (Token token = lexer.next();
         token.kind != TokenKind::End && builder.text().size() < bytes_max;
         token = lexer.next()) {
        builder.add(token);
    }
    return builder.text().substr(0, bytes_max);
}

}  // namespace weir::sql
