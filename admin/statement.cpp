#include "admin/statement.hpp"

#include <optional>

namespace weir::admin {

namespace {

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_word_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

bool is_word_part(char c) {
    return is_word_start(c) || (c >= '0' && c <= '9') || c == '$';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Reads one text from the front; every step looks at each character a bounded number of times.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_{text} {}

    Result<std::vector<Statement>> run();

private:
    [[nodiscard]] bool starts_with(std::string_view what) const {
        return text_.substr(at_).starts_with(what);
    }

    void end_statement();
    bool skip_line_comment();
    bool skip_block_comment();
    bool take_quoted(char quote);
    bool take_dollar_quoted();
    bool take_word();
    /// Takes what begins here. @return whether it also ends
    bool step();

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t begin_ = 0;  ///< of the statement
    std::vector<std::string> words_;
    std::vector<std::string> typed_;
    std::vector<Statement> statements_;
};

Result<std::vector<Statement>> Scanner::run() {
    while (at_ < text_.size()) {
        if (text_[at_] == ';') {
            end_statement();
            begin_ = ++at_;
        } else if (!step()) {
            return fail(ErrorCode::InvalidArgument,
                        sqlstate::kSyntaxError,
                        "unterminated quoted text or comment");
        }
        if (statements_.size() > kMaxStatements) {
            break;
        }
    }
    end_statement();
    if (statements_.size() > kMaxStatements) {
        return fail(ErrorCode::MessageTooLarge,
                    sqlstate::kProgramLimitExceeded,
                    "too many statements in one text");
    }
    return std::move(statements_);
}

void Scanner::end_statement() {
    std::string_view text = text_.substr(begin_, at_ - begin_);
    while (!text.empty() && is_blank(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_blank(text.back())) {
        text.remove_suffix(1);
    }
    if (!words_.empty()) {
        statements_.push_back(Statement{std::string{text}, std::move(words_), std::move(typed_)});
        words_.clear();
        typed_.clear();
    }
}

bool Scanner::step() {
    const char c = text_[at_];
    if (is_blank(c)) {
        ++at_;
        return true;
    }
    if (starts_with("--")) {
        return skip_line_comment();
    }
    if (starts_with("/*")) {
        return skip_block_comment();
    }
    if (c == '\'' || c == '"') {
        return take_quoted(c);
    }
    if (c == '$' && at_ + 1 < text_.size() && !is_digit(text_[at_ + 1])) {
        return take_dollar_quoted();
    }
    return take_word();
}

bool Scanner::skip_line_comment() {
    const std::size_t end = text_.find('\n', at_);
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
    return true;
}

bool Scanner::skip_block_comment() {
    std::size_t depth = 0;
    do {
        if (starts_with("/*")) {
            ++depth;
            at_ += 2;
        } else if (starts_with("*/")) {
            --depth;
            at_ += 2;
        } else if (at_ < text_.size()) {
            ++at_;
        } else {
            return false;
        }
    } while (depth > 0);
    return true;
}

bool Scanner::take_quoted(char quote) {
    std::string value;
    for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
        if (text_[i] != quote) {
            value += text_[i];
        } else if (i + 1 < text_.size() && text_[i + 1] == quote) {
            value += quote;
            ++i;
        } else {
            at_ = i + 1;
            words_.push_back(quote == '\'' ? "'" + value + "'" : value);
            typed_.push_back(words_.back());
            return true;
        }
    }
    return false;
}

bool Scanner::take_dollar_quoted() {
    const std::size_t tag_end = text_.find('$', at_ + 1);
    if (tag_end == std::string_view::npos) {
        return take_word();
    }
    const std::string_view tag = text_.substr(at_, tag_end - at_ + 1);
    for (const char c : tag.substr(1, tag.size() - 2)) {
        if (!is_word_part(c)) {
            return take_word();  // a lone dollar
        }
    }
    const std::size_t end = text_.find(tag, tag_end + 1);
    if (end == std::string_view::npos) {
        return false;
    }
    words_.push_back("'" + std::string{text_.substr(tag_end + 1, end - tag_end - 1)} + "'");
    typed_.push_back(words_.back());
    at_ = end + tag.size();
    return true;
}

bool Scanner::take_word() {
    const std::size_t begin = at_;
    std::string word(1, lower(text_[at_]));
    const bool is_name = is_word_start(text_[at_]);
    const bool is_number = is_digit(text_[at_]);
    ++at_;
    while ((is_name || is_number) && at_ < text_.size() &&
           (is_name ? is_word_part(text_[at_]) : is_digit(text_[at_]))) {
        word += lower(text_[at_++]);
    }
    words_.push_back(std::move(word));
    typed_.emplace_back(text_.substr(begin, at_ - begin));
    return true;
}

}  // namespace

Result<std::vector<Statement>> split_statements(std::string_view text) {
    if (text.size() > kMaxTextBytes) {
        return fail(ErrorCode::MessageTooLarge,
                    sqlstate::kProgramLimitExceeded,
                    "statement too long for the admin console");
    }
    return Scanner{text}.run();
}

}  // namespace weir::admin
