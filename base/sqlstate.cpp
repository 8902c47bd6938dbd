#include "base/sqlstate.hpp"

#include <algorithm>
#include <array>

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
    std::string text;
    for (std::size_t place = kLength; place-- > 0;) {
        text.push_back(kDigits[((packed_ >> (6U * place)) & 63U) % kDigits.size()]);
    }
    return text;
}

bool is_server_trouble(SqlState sqlstate) {
    constexpr std::array<std::string_view, 5> kClasses = {"08", "53", "57", "58", "XX"};
    return sqlstate != sqlstate::kQueryCanceled &&
           std::find(kClasses.begin(), kClasses.end(), sqlstate.class_text()) != kClasses.end();
}

}  // namespace weir
