#include "ledger/error_pattern.hpp"

#include <algorithm>

namespace weir::ledger {

namespace {

constexpr std::size_t kHexWordMin = 8;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '-';
}

bool is_word(char c) {
    constexpr unsigned char kAscii = 0x80;
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= kAscii;
}

/// @return how long the quoted text at the beginning is, with its quotes; 0 = it is none
std::size_t quoted_length(std::string_view text, bool is_after_word) {
    const char quote = text.front();
    if (quote != '"' && (quote != '\'' || is_after_word)) {  // don't
        return 0;
    }
    const std::size_t end = text.find(quote, 1);
    return end == std::string_view::npos ? text.size() : end + 1;
}

/// @return how long the number, or the word of hexadecimal digits (a uuid), at the beginning is; 0
/// = it is none
std::size_t number_length(std::string_view text) {
    const auto hex_end = std::find_if_not(text.begin(), text.end(), is_hex);
    const auto hex = static_cast<std::size_t>(hex_end - text.begin());
    const bool has_digit = std::any_of(text.begin(), hex_end, is_digit);
    const bool ends_there = hex == text.size() || !is_word(text[hex]);
    if (hex >= kHexWordMin && has_digit && ends_there) {
        return hex;
    }
    if (!is_digit(text.front())) {
        return 0;
    }
    // 0x1F, 12.5, 1e6, 2026-11-22: digits and what hangs on them.
    const auto hangs_on = [](char c) { return is_word(c) || c == '.' || c == ':' || c == '-'; };
    auto end = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), hangs_on) -
                                        text.begin());
    while (end > 1 && !is_word(text[end - 1])) {
        --end;  // the sentence's own full stop
    }
    return end;
}

}  // namespace

std::string error_pattern(std::string_view message) {
    std::string pattern;
    bool is_after_word = false;
    while (!message.empty() && pattern.size() < kErrorPatternMax) {
        std::size_t length = quoted_length(message, is_after_word);
        if (length == 0 && !is_after_word) {
            length = number_length(message);
        }
        if (length != 0) {
            pattern += '?';
            message.remove_prefix(length);
            is_after_word = true;
            continue;
        }
        is_after_word = is_word(message.front());
        pattern += message.front();
        message.remove_prefix(1);
    }
    // Not within a character of several bytes.
    constexpr unsigned char kContinuationMask = 0xC0;
    constexpr unsigned char kContinuation = 0x80;
    if (!message.empty() &&
        (static_cast<unsigned char>(message.front()) & kContinuationMask) == kContinuation) {
        while (!pattern.empty() && static_cast<unsigned char>(pattern.back()) >= kContinuation) {
            pattern.pop_back();
        }
    }
    return pattern;
}

}  // namespace weir::ledger
