#include "conf/name_pattern.hpp"

#include <regex.h>

#include <array>
#include <cstddef>
#include <utility>

namespace weir::conf {

namespace {

/// PostgreSQL's names and an X.509 common name (RFC 5280, ub-common-name) are no longer.
constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kErrorBytesMax = 256;

}  // namespace

struct NamePattern::Compiled {
    explicit Compiled(const std::string& expression)
        : error{::regcomp(&regex, expression.c_str(), REG_EXTENDED)} {}

    Compiled(const Compiled&) = delete;
    Compiled& operator=(const Compiled&) = delete;
    Compiled(Compiled&&) = delete;
    Compiled& operator=(Compiled&&) = delete;

    ~Compiled() {
        if (error == 0) {
            ::regfree(&regex);
        }
    }

    regex_t regex{};
    int error;
};

NamePattern NamePattern::exactly(std::string name) {
    NamePattern pattern;
    pattern.text_ = std::move(name);
    return pattern;
}

std::optional<NamePattern> NamePattern::regex(const std::string& expression, std::string& problem) {
    auto compiled = std::make_shared<const Compiled>(expression);
    if (compiled->error != 0) {
        std::array<char, kErrorBytesMax> text{};
        ::regerror(compiled->error, &compiled->regex, text.data(), text.size());
        problem = text.data();
        return std::nullopt;
    }
    NamePattern pattern;
    pattern.text_ = expression;
    pattern.regex_ = std::move(compiled);
    return pattern;
}

bool NamePattern::matches(std::string_view name) const {
    return regex_ == nullptr ? name == text_ : capture(name).has_value();
}

std::optional<std::string> NamePattern::capture(std::string_view name) const {
    if (regex_ == nullptr) {
        return name == text_ ? std::optional{std::string{}} : std::nullopt;
    }
    if (name.size() > kNameBytesMax || name.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const std::string text{name};
    std::array<regmatch_t, 2> found{};
    if (::regexec(&regex_->regex, text.c_str(), found.size(), found.data(), 0) != 0) {
        return std::nullopt;
    }
    if (found[1].rm_so < 0) {
        return std::string{};
    }
    const auto begin = static_cast<std::size_t>(found[1].rm_so);
    const auto end = static_cast<std::size_t>(found[1].rm_eo);
    return text.substr(begin, end - begin);
}

}  // namespace weir::conf
