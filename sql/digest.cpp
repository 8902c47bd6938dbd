#include "sql/digest.hpp"

#include "base/random.hpp"

#include <algorithm>
#include <array>
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

}  // namespace weir::sql
