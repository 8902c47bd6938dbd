#pragma once

#include "conf/load.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

struct Entry;

/// One value of a TOML document, with its place and with ${…} already replaced. A tree of these is
/// all that the loader sees of toml++.
struct Node {
    enum class Kind : std::uint8_t { String, Integer, Float, Boolean, Date, Array, Table };

    Kind kind = Kind::Table;
    Position at = {};
    std::string text = {};         ///< String
    std::string written = {};      ///< String: as it stands in the file, for messages
    bool is_interpolated = false;  ///< String: `text` came from the environment, at least in part
    bool is_broken = false;        ///< its problem is already reported
    std::int64_t integer = 0;      ///< Integer
    double real = 0;               ///< Float; may be infinite or no number
    bool boolean = false;          ///< Boolean
    std::vector<Node> items;       ///< Array
    std::vector<Entry> entries;    ///< Table, in the order of the file
};

struct Entry {
    std::string key;
    Position key_at;
    Node value;
};

struct Tree {
    std::optional<Node> root;  ///< empty when the text is no TOML
    std::vector<Problem> problems;
    std::set<std::string> variables;  ///< every environment variable the text asks for
};

/// Parses TOML and replaces ${…} in its strings.
[[nodiscard]] Tree read_toml(std::string_view text,
                             const std::string& file_name,
                             const Environment& environment);

}  // namespace weir::conf
