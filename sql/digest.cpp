#include "sql/digest.hpp"

#include "base/random.hpp"

#include <array>
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

void DigestBuilder::add(const Token& token) {
    switch (token.kind) {
        case TokenKind::End: return;
        case TokenKind::String:
        case TokenKind::Number:
        case TokenKind::Parameter:
            if (text_.ends_with("? ,")) {
                text_.resize(text_.size() - 2);
                return;
            }
            append("?");
            return;
        case TokenKind::Word: {
            append({});
            for (const char c : token.text) {
                text_ += lower(c);
            }
            return;
        }
        case TokenKind::Quoted:
            append("\"");
            text_.append(token.text).append(1, '"');
            return;
        case TokenKind::Symbol: append(token.text); return;
    }
}

std::uint64_t DigestBuilder::digest() const {
    return XXH3_64bits_withSeed(text_.data(), text_.size(), process_key());
}

}  // namespace weir::sql
