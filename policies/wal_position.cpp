#include "policies/wal_position.hpp"

#include <array>
#include <cctype>
#include <charconv>
#include <system_error>

namespace weir::policies {

namespace {

constexpr std::size_t kHalfDigitsMax = 8;
constexpr unsigned kHalfBits = 32;
constexpr int kHexadecimal = 16;

std::optional<std::uint32_t> parse_half(std::string_view digits) {
    std::uint32_t value = 0;
    const char* const end = digits.data() + digits.size();
    if (digits.size() > kHalfDigitsMax) {
        return std::nullopt;
    }
    const auto [stopped, error] = std::from_chars(digits.data(), end, value, kHexadecimal);
    return error == std::errc{} && stopped == end ? std::optional{value} : std::nullopt;
}

std::string half_text(std::uint32_t half) {
    std::array<char, kHalfDigitsMax> digits{};
    char* const begin = digits.data();
    char* const end = std::to_chars(begin, begin + digits.size(), half, kHexadecimal).ptr;
    std::string text{begin, end};
    for (char& digit : text) {
        digit = static_cast<char>(std::toupper(static_cast<unsigned char>(digit)));
    }
    return text;
}

}  // namespace

std::optional<std::uint64_t> parse_wal_position(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto upper = parse_half(text.substr(0, slash));
    const auto lower = parse_half(text.substr(slash + 1));
    if (!upper || !lower) {
        return std::nullopt;
    }
    return std::uint64_t{*upper} << kHalfBits | *lower;
}

std::string wal_position_text(std::uint64_t position) {
    return half_text(static_cast<std::uint32_t>(position >> kHalfBits)) + '/' +
           half_text(static_cast<std::uint32_t>(position));
}

}  // namespace weir::policies
