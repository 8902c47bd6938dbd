#pragma once

#include "conf/schema.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::conf {

/// Where a value stands in a weir.toml.
struct TomlKey {
    /// In a section that there is once, and so is where the schema has it.
    TomlKey(std::string_view its_section, std::string_view its_key)
        : TomlKey{std::string{its_section}, its_section, its_key} {}

    TomlKey(std::string its_path, std::string_view its_section, std::string_view its_key)
        : path{std::move(its_path)}, section{its_section}, key{its_key} {}

    std::string path;          ///< "database.shop", "user.app.pool": NAME as join_key() quotes it
    std::string_view section;  ///< its name in the schema: "database", "pool"
    std::string_view key;
};

/// A weir.toml while it is being written: values go through the schema, so that what comes out is
/// accepted when it is read again.
class TomlWriter {
public:
    /// @param text as an environment variable would say it
    /// @return "", or why this version does not take it
    [[nodiscard]] std::string put(const TomlKey& at, std::string_view text);
    /// A literal that put() has no text for.
    void put_literal(const std::string& path, std::string_view key, const std::string& toml);
    /// Makes the section, if need be empty.
    void open(const std::string& path);
    /// A line in front of that section's first key.
    void comment(const std::string& path, const std::string& line);
    [[nodiscard]] bool has(const std::string& path, std::string_view key) const;
    /// @return the TOML literal; "" when there is none
    [[nodiscard]] std::string value(const std::string& path, std::string_view key) const;
    [[nodiscard]] std::string text() const;

private:
    struct Part {
        std::vector<std::string> comments;
        std::map<std::string, std::string, std::less<>> values;
    };

    Part& part(const std::string& path);

    std::vector<std::string> order_;
    std::map<std::string, Part> parts_;
};

}  // namespace weir::conf
