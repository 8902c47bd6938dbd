#pragma once

#include "conf/model.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

/// One mistake, for a person.
struct Problem {
    std::string file;     ///< "environment" for a variable's
    unsigned line = 0;    ///< from 1; 0 = the mistake has no place in a file
    unsigned column = 0;  ///< from 1; 0 as for `line`
    std::string key;      ///< "listen.threads", "DATABASE_URL"; "" where it is no key's fault
    std::string message;  ///< what is wrong and what is accepted; never a secret

    bool operator==(const Problem&) const = default;
    /// @return "file:line:column: key: message", without the parts that are missing
    [[nodiscard]] std::string text() const;
};

struct Position {
    unsigned line = 0;
    unsigned column = 0;
};

/// Where a key got its value: a place in the file, or an environment variable.
struct Place {
    Position at;
    std::string variable;  ///< "" = the file
};

using Places = std::map<std::string, Place>;  ///< by key: "listen.threads", "tls.client"

/// @return the mistake with the place of `key`, or of the nearest section above it that was given
/// @param file what the places are in; "" = no file
[[nodiscard]] Problem problem_at(const Places& places,
                                 const std::string& file,
                                 const std::string& key,
                                 const std::string& message);

struct LoadResult {
    ConfigPtr config;               ///< null when there are problems
    std::vector<Problem> problems;  ///< all of them, in the order of the file
    std::vector<std::string>
        notes;  ///< what was accepted but has no effect, or not the expected one: warnings
    std::vector<std::string> files;  ///< every file read: what `watch` watches
    std::string file_name;           ///< "" = no file
    Places places;                   ///< of what was given
};

/// The variables a configuration may draw on. A variable that is set but empty counts as not set.
struct Environment {
    std::map<std::string, std::string, std::less<>> variables;

    [[nodiscard]] static Environment of_process();
    /// @return null when it is not set or empty
    [[nodiscard]] const std::string* find(std::string_view name) const;
};

/// Reads a configuration, lets the environment override it and checks the whole. Reads files: never
/// on an event loop.
///
/// @param path "" = no file: the environment alone describes the one database
/// @return every problem there is, not the first; a configuration only when there is none
[[nodiscard]] LoadResult load(const std::string& path, const Environment& environment);

/// The same for text already in memory. @param file_name for messages; its folder is where relative
/// paths start
[[nodiscard]] LoadResult load_text(std::string_view toml,
                                   std::string file_name,
                                   const Environment& environment);

}  // namespace weir::conf
