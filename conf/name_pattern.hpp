#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::conf {

/// A name, or a regular expression for names (POSIX extended, not anchored). Cheap to copy.
/// Thread: any.
class NamePattern {
public:
    NamePattern() = default;

    [[nodiscard]] static NamePattern exactly(std::string name);
    /// @param problem what is wrong with the expression when the result is empty
    [[nodiscard]] static std::optional<NamePattern> regex(const std::string& expression,
                                                          std::string& problem);

    /// @return false for names longer than PostgreSQL's can be
    [[nodiscard]] bool matches(std::string_view name) const;
    /// @return what the first parentheses of the expression stand for in `name` ("" without any);
    /// nothing when it does not match
    [[nodiscard]] std::optional<std::string> capture(std::string_view name) const;

    [[nodiscard]] bool is_regex() const { return regex_ != nullptr; }

    /// @return the name, or the expression
    [[nodiscard]] const std::string& text() const { return text_; }

    bool operator==(const NamePattern& other) const {
        return text_ == other.text_ && is_regex() == other.is_regex();
    }

private:
    struct Compiled;

    std::string text_;
    std::shared_ptr<const Compiled> regex_;  // nullptr: the very name
};

}  // namespace weir::conf
