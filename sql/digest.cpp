#include "sql/digest.hpp"

#include "base/random.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

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

void DigestBuilder::add(const Token& token) {
    switch (token.kind) {
        case TokenKind::End: return;
        case TokenKind::Number:
            if (!is_plain_number(token.text)) {
                append_word(token.text);
                return;
            }
            [[fallthrough]];
        case TokenKind::String:
        case TokenKind::Parameter:
            if (is_in_list()) {
                text_.resize(text_.size() - 2);
                return;
            }
            append("?");
            return;
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

}  // namespace weir::sql
