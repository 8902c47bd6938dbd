#include "sql/lexer.hpp"

#include <algorithm>
#include <array>

namespace weir::sql {

namespace {

enum class Class : std::uint8_t { Other, Space, WordStart, Digit };

constexpr std::array<Class, 256> make_classes() {
    std::array<Class, 256> classes{};
    for (std::size_t c = 0; c < classes.size(); ++c) {
        const char small = lower(static_cast<char>(c));
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            classes[c] = Class::Space;
        } else if ((small >= 'a' && small <= 'z') || c == '_' || c >= 0x80) {
            classes[c] = Class::WordStart;
        } else if (c >= '0' && c <= '9') {
            classes[c] = Class::Digit;
        }
    }
    return classes;
}

constexpr auto kClasses = make_classes();

constexpr Class class_of(char c) {
    return kClasses[static_cast<unsigned char>(c)];
}

constexpr bool is_in_word(char c) {
    const Class kind = class_of(c);
    return kind == Class::WordStart || kind == Class::Digit || c == '$';
}

Token escaped(Token token) {
    token.has_escapes = true;
    return token;
}

}  // namespace

bool Token::is_word(std::string_view lower_case) const {
    return kind == TokenKind::Word && text.size() == lower_case.size() &&
           std::equal(text.begin(), text.end(), lower_case.begin(), [](char mine, char theirs) {
               return lower(mine) == theirs;
           });
}

bool can_cut(std::string_view standard_conforming_strings, std::string_view client_encoding) {
    static constexpr std::array<std::string_view, 7> kBackslashInside = {
        "BIG5", "GB18030", "GBK", "JOHAB", "SHIFT_JIS_2004", "SJIS", "UHC"};
    return standard_conforming_strings != "off" &&
           std::find(kBackslashInside.begin(), kBackslashInside.end(), client_encoding) ==
               kBackslashInside.end();
}

std::string name_of(const Token& token) {
    std::string name;
    name.reserve(token.text.size());
    for (std::size_t i = 0; i < token.text.size(); ++i) {
        const char c = token.text[i];
        name += token.kind == TokenKind::Word ? lower(c) : c;
        if (c == '"' && token.kind == TokenKind::Quoted) {
            ++i;  // two of them stand for one
        }
    }
    return name;
}

bool is_plain_number(std::string_view text) {
    const bool has_base = text.size() > 2 && text.front() == '0' &&
                          std::string_view{"xob"}.find(lower(text[1])) != std::string_view::npos;
    if (has_base) {
        return std::all_of(text.begin() + 2, text.end(), [](char c) {
            return class_of(c) == Class::Digit || c == '_' || (lower(c) >= 'a' && lower(c) <= 'f');
        });
    }
    bool has_exponent = false;
    for (const char c : text) {
        const bool is_exponent = lower(c) == 'e';
        if (is_exponent ? has_exponent
                        : class_of(c) != Class::Digit &&
                              std::string_view{"._+-"}.find(c) == std::string_view::npos) {
            return false;
        }
        has_exponent = has_exponent || is_exponent;
    }
    return true;
}

bool is_literal(const Token& token) {
    return token.kind == TokenKind::String || token.kind == TokenKind::Parameter ||
           (token.kind == TokenKind::Number && is_plain_number(token.text));
}

void Lexer::skip_block_comment() {
    int depth = 0;
    while (at_ < sql_.size()) {
        if (at(at_) == '/' && at(at_ + 1) == '*') {
            ++depth;
            at_ += 2;
        } else if (at(at_) == '*' && at(at_ + 1) == '/') {
            at_ += 2;
            if (--depth == 0) {
                return;
            }
        } else {
            ++at_;
        }
    }
}

void Lexer::skip_blank() {
    while (at_ < sql_.size()) {
        const char c = sql_[at_];
        if (class_of(c) == Class::Space) {
            ++at_;
        } else if (c == '-' && at(at_ + 1) == '-') {
            while (at_ < sql_.size() && sql_[at_] != '\n' && sql_[at_] != '\r') {
                ++at_;
            }
        } else if (c == '/' && at(at_ + 1) == '*') {
            skip_block_comment();
        } else {
            return;
        }
    }
}

Token Lexer::next() {
    skip_blank();
    start_ = std::min(at_, sql_.size());
    if (at_ >= sql_.size()) {
        return {};
    }
    const char c = sql_[at_];
    switch (class_of(c)) {
        case Class::WordStart: return word();
        case Class::Digit: return number();
        case Class::Space:
        case Class::Other: break;
    }
    switch (c) {
        case '\'': return quoted('\'', TokenKind::String, /*has_escapes=*/false);
        case '"': return quoted('"', TokenKind::Quoted, /*has_escapes=*/false);
        case '$': return dollar();
        case '.':
            if (class_of(at(at_ + 1)) == Class::Digit) {
                return number();
            }
            break;
        default: break;
    }
    return {TokenKind::Symbol, sql_.substr(at_++, 1)};
}

Token Lexer::word() {
    const std::size_t start = at_;
    while (at_ < sql_.size() && is_in_word(sql_[at_])) {
        ++at_;
    }
    const std::string_view text = sql_.substr(start, at_ - start);
    const bool is_one = text.size() == 1;
    if (is_one && at(at_) == '\'') {
        switch (lower(text.front())) {
            case 'e': return escaped(quoted('\'', TokenKind::String, /*has_escapes=*/true));
            case 'b':
            case 'x':
            case 'n': return quoted('\'', TokenKind::String, /*has_escapes=*/false);
            default: break;
        }
    }
    if (is_one && lower(text.front()) == 'u' && at(at_) == '&') {
        if (at(at_ + 1) == '\'' || at(at_ + 1) == '"') {
            ++at_;
            const bool is_name = sql_[at_] == '"';
            return escaped(is_name ? quoted('"', TokenKind::Quoted, /*has_escapes=*/false)
                                   : quoted('\'', TokenKind::String, /*has_escapes=*/false));
        }
    }
    return {TokenKind::Word, text};
}

Token Lexer::number() {
    const std::size_t start = at_;
    while (at_ < sql_.size()) {
        const char c = sql_[at_];
        const bool is_exponent_sign = (c == '+' || c == '-') &&
                                      lower(sql_[at_ - (at_ > start ? 1 : 0)]) == 'e' &&
                                      at_ > start && class_of(at(at_ + 1)) == Class::Digit;
        if (!is_in_word(c) && c != '.' && !is_exponent_sign) {
            break;
        }
        ++at_;
    }
    return {TokenKind::Number, sql_.substr(start, at_ - start)};
}

/// From the opening quote at at_ to behind the closing one.
Token Lexer::quoted(char quote, TokenKind kind, bool has_escapes) {
    const std::size_t start = ++at_;
    while (at_ < sql_.size()) {
        const char c = sql_[at_];
        if (c == '\\' && has_escapes) {
            at_ += 2;
            continue;
        }
        if (c == quote) {
            if (at(at_ + 1) != quote) {
                const std::string_view text = sql_.substr(start, at_ - start);
                ++at_;
                return {kind, text};
            }
            ++at_;
        }
        ++at_;
    }
    at_ = sql_.size();
    return {kind, sql_.substr(std::min(start, sql_.size()))};
}

/// A parameter, a dollar-quoted string, or just the sign.
Token Lexer::dollar() {
    const std::size_t start = at_;
    if (class_of(at(at_ + 1)) == Class::Digit) {
        ++at_;
        while (at_ < sql_.size() && class_of(sql_[at_]) == Class::Digit) {
            ++at_;
        }
        return {TokenKind::Parameter, sql_.substr(start, at_ - start)};
    }
    std::size_t end = start + 1;
    while (end < sql_.size() && sql_[end] != '$' && is_in_word(sql_[end])) {
        ++end;
    }
    if (at(end) != '$') {
        ++at_;
        return {TokenKind::Symbol, sql_.substr(start, 1)};
    }
    const std::string_view tag = sql_.substr(start, end + 1 - start);
    const std::size_t body = end + 1;
    const std::size_t close = sql_.find(tag, body);
    at_ = close == std::string_view::npos ? sql_.size() : close + tag.size();
    return {TokenKind::String,
            sql_.substr(body, close == std::string_view::npos ? close : close - body)};
}

}  // namespace weir::sql
