#pragma once

#include "conf/schema.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

/// A weir.toml while it is being written: values go through the schema, so that what comes out is
/// accepted when it is read again.
class TomlWriter {
public:
    /// @param path "listen", "database.shop", "user.app.pool": NAME as join_key() quotes it
    /// @param section the name of the path's section in the schema: "listen", "database", "pool"
    /// @param text as an environment variable would say it
    /// @return "", or why this version does not take it
    [[nodiscard]] std::string put(const std::string& path,
                                  std::string_view section,
                                  std::string_view key,
                                  std::string_view text);
    /// A literal that put() has no text for.
    void put_literal(const std::string& path, std::string_view key, const std::string& toml);
    /// Makes the section, if need be empty.
    void open(const std::string& path);
    /// A line in front of that section's first key.
    void comment(const std::string& path, const std::string& line);
    [[nodiscard]] bool has(const std::string& path, std::string_view key) const;
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
