#include "conf/interpolate.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace weir::conf {

namespace {

constexpr std::string_view kForms =
    R"(; accepted: ${NAME} or ${NAME:-default}, and $${ for a literal ${)";

bool is_variable_name(std::string_view name) {
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    return !name.empty() && is_letter(name.front()) &&
           std::all_of(name.begin(), name.end(), [&](char c) {
               return is_letter(c) || (c >= '0' && c <= '9');
           });
}

Parsed<std::string> bad(const std::string& what) {
    return Parsed<std::string>::bad(what + std::string{kForms});
}

}  // namespace

Parsed<std::string> interpolate(std::string_view text,
                                const Environment& environment,
                                std::set<std::string>& used) {
    std::string result;
    std::size_t at = 0;
    for (;;) {
        const std::size_t open = text.find("${", at);
        if (open == std::string_view::npos) {
            return Parsed<std::string>::good(result.append(text.substr(at)));
        }
        if (open > at && text[open - 1] == '$') {
            result.append(text.substr(at, open - 1 - at)).append("${");
            at = open + 2;
            continue;
        }
        result.append(text.substr(at, open - at));
        const std::size_t close = text.find('}', open);
        if (close == std::string_view::npos) {
            return bad("${ without its }");
        }
        const std::string_view inside = text.substr(open + 2, close - open - 2);
        const std::size_t dash = inside.find(":-");
        const std::string name{inside.substr(0, dash)};
        if (!is_variable_name(name)) {
            // Not shown: in a password, what stands after ${ may be part of it.
            return bad("${ is not followed by the name of an environment variable");
        }
        used.insert(name);
        if (const std::string* value = environment.find(name)) {
            result.append(*value);
        } else if (dash != std::string_view::npos) {
            result.append(inside.substr(dash + 2));
        } else {
            return Parsed<std::string>::bad(fmt::format(
                "the environment variable {0} is not set; set it or write ${{{0}:-default}}",
                name));
        }
        at = close + 1;
    }
}

}  // namespace weir::conf
