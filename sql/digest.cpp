#include "sql/digest.hpp"

#include "base/random.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <span>
#include <utility>

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

namespace weir::sql {

namespace {

std::string& scratch() {
    thread_local std::string text;
    return text;
}

std::uint64_t process_key() {
    static const std::uint64_t kKey = [] {
        std::array<std::byte, sizeof(std::uint64_t)> bytes{};
        fill_random(bytes);
        std::uint64_t value = 0;
        for (const std::byte byte : bytes) {
            value = value << 8U | std::to_integer<std::uint64_t>(byte);
        }
        return value;
    }();
    return kKey;
}

/// @return the beginning of it, not ending within a character of UTF-8
std::string cut(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) {
        return std::string{text};
    }
    constexpr unsigned kTopTwoBits = 0xc0;
    constexpr unsigned kContinuation = 0x80;
    std::size_t size = bytes_max;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & kTopTwoBits) == kContinuation) {
        --size;
    }
    return std::string{text.substr(0, size)};
}

}  // namespace

DigestBuilder::DigestBuilder() : text_{scratch()} {
    text_.clear();
}

void DigestBuilder::append(std::string_view text) {
    if (!text_.empty()) {
        text_ += ' ';
    }
    text_ += text;
}

void DigestBuilder::append_word(std::string_view word) {
    append(word);
    std::transform(text_.end() - static_cast<std::ptrdiff_t>(word.size()),
                   text_.end(),
                   text_.end() - static_cast<std::ptrdiff_t>(word.size()),
                   lower);
}

/// @return whether the last ones are a literal and a comma
bool DigestBuilder::is_in_list() const {
    const std::size_t size = text_.size();
    return size >= 3 && text_[size - 1] == ',' && text_[size - 3] == '?' && text_[size - 2] == ' ';
}

void DigestBuilder::add_literal() {
    // One after another without a comma are a string in pieces, or no SQL.
    if (!std::exchange(is_after_literal_, true)) {
        if (is_in_list()) {
            text_.resize(text_.size() - 2);
        } else {
            append("?");
        }
    }
}

void DigestBuilder::add(const Token& token) {
    if (is_literal(token)) {
        add_literal();
        return;
    }
    is_after_literal_ = false;
    switch (token.kind) {
        case TokenKind::End:
        case TokenKind::String:
        case TokenKind::Parameter: return;
        case TokenKind::Number:  // one that is more than that
        case TokenKind::Word: append_word(token.text); return;
        case TokenKind::Quoted:
            append(token.has_escapes ? "u&\"" : "\"");
            text_.append(token.text).append(1, '"');
            return;
        case TokenKind::Symbol: append(token.text); return;
    }
}

std::uint64_t DigestBuilder::digest() const {
    return XXH3_64bits_withSeed(text_.data(), text_.size(), process_key());
}

std::uint64_t DigestBuilder::stable_digest() const {
    return XXH3_64bits(text_.data(), text_.size());
}

Shape shape_of(std::string_view sql) {
    DigestBuilder builder;
    Shape shape;
    Lexer lexer{sql};
    for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
        if (shape.kind.empty() && token.kind == TokenKind::Word) {
            shape.kind = cut(name_of(token), Shape::kKindBytesMax);
        }
        builder.add(token);
    }
    shape.digest = builder.stable_digest();
    shape.text = cut(builder.text(), Shape::kTextBytesMax);
    return shape;
}

std::uint64_t stable_digest(std::string_view sql) {
    DigestBuilder builder;
    Lexer lexer{sql};
    for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
        builder.add(token);
    }
    return builder.stable_digest();
}

std::string digest_text(std::uint64_t digest) {
    constexpr std::size_t kDigits = 16;
    std::array<char, kDigits> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + kDigits, digest, kDigits).ptr;
    const auto written = static_cast<std::size_t>(end - digits.data());
    return std::string(kDigits - written, '0').append(digits.data(), written);
}

}  // namespace weir::sql
