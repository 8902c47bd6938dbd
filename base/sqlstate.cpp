#include "base/sqlstate.hpp"

#include <algorithm>

namespace weir {

namespace {

constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::size_t kLength = 5;

}  // namespace

std::optional<SqlState> SqlState::parse(std::string_view text) {
    const auto is_digit = [](char c) { return kDigits.find(c) != std::string_view::npos; };
    if (text.size() != kLength || !std::all_of(text.begin(), text.end(), is_digit)) {
        return std::nullopt;
    }
    SqlState state;
    state.packed_ = pack(text);
    return state;
}

std::string SqlState::text() const {
    std::string text(kLength, '0');
    std::uint32_t rest = packed_;
    for (auto place = text.rbegin(); place != text.rend(); ++place) {
        *place = kDigits[(rest & 63U) % kDigits.size()];
        rest >>= 6U;
    }
    return text;
}

}  // namespace weir
