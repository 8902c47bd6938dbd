#pragma once

#include <cstddef>
#include <string_view>

namespace weir {

/// @return what `text` begins with: at most so many bytes, not ending within a character of several
[[nodiscard]] constexpr std::string_view cut_utf8(std::string_view text, std::size_t most) {
    constexpr unsigned kTwoBits = 0xC0;
    constexpr unsigned kFollows = 0x80;
    constexpr std::size_t kFollowingMax = 3;
    if (text.size() <= most) {
        return text;
    }
    const auto is_following = [text](std::size_t at) {
        return (static_cast<unsigned char>(text[at]) & kTwoBits) == kFollows;
    };
    std::size_t end = most;
    while (end > 0 && most - end < kFollowingMax && is_following(end)) {
        --end;
    }
    return text.substr(0, is_following(end) ? most : end);  // what is no UTF-8 is cut anywhere
}

}  // namespace weir
