#include "conf/sql_name.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace weir::conf {

namespace {

/// What PostgreSQL cuts names to.
constexpr std::size_t kMaxNameBytes = 63;
constexpr std::string_view kAs = " as ";

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & '\x80') != 0;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Takes "Odd ""Name""" off the front, from behind its first quote. @return without the quotes
std::optional<std::string> take_quoted(std::string_view& text) {
    std::string name;
    while (true) {
        const std::size_t quote = text.find('"');
        if (quote == std::string_view::npos) {
            return std::nullopt;
        }
        name += text.substr(0, quote);
        text.remove_prefix(quote + 1);
        if (!text.starts_with('"')) {
            return name;
        }
        name += '"';
        text.remove_prefix(1);
    }
}

/// Takes a name off the front. @return as PostgreSQL keeps it
std::optional<std::string> take_name(std::string_view& text) {
    if (text.starts_with('"')) {
        text.remove_prefix(1);
        return take_quoted(text);
    }
    std::string name;
    const auto is_part = [&name](char c) {
        return is_letter(c) || (!name.empty() && (is_digit(c) || c == '$'));
    };
    while (!text.empty() && is_part(text.front())) {
        name += lower(text.front());
        text.remove_prefix(1);
    }
    return name;
}

bool is_name(const std::optional<std::string>& name) {
    return name && !name->empty() && name->size() <= kMaxNameBytes &&
           name->find('\0') == std::string::npos;
}

}  // namespace

std::string relation_name(std::string_view text) {
    std::optional<std::string> schema{"public"};
    std::optional<std::string> name = take_name(text);
    if (name && text.starts_with('.')) {
        text.remove_prefix(1);
        schema = std::move(name);
        name = take_name(text);
    }
    return is_name(schema) && is_name(name) && text.empty() ? '"' + *schema + "\".\"" + *name + '"'
                                                            : std::string{};
}

bool is_column_name(std::string_view text) {
    constexpr std::string_view kOfExpressions = "()[]{}'\";,*:=<>|/+";
    const bool has_control =
        std::any_of(text.begin(), text.end(), [](char c) { return c >= '\0' && c < ' '; });
    return !text.empty() && text.size() <= kMaxNameBytes && !has_control && !is_digit(text[0]) &&
           text.front() != ' ' && text.back() != ' ' &&
           text.find_first_of(kOfExpressions) == std::string_view::npos;
}

std::string_view name_of_expression(std::string_view text) {
    std::string small{text};
    std::transform(small.begin(), small.end(), small.begin(), lower);
    const std::size_t as = small.rfind(kAs);
    const std::string_view name = as == std::string::npos ? text : text.substr(as + kAs.size());
    const bool has_expression = as == std::string::npos || text.find_first_not_of(' ') < as;
    return has_expression && is_column_name(name) ? name : std::string_view{};
}

}  // namespace weir::conf
