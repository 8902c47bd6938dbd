#pragma once

#include "conf/load.hpp"
#include "conf/units.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::conf {

/// Where something stands in an ini file.
struct IniPlace {
    std::string file;
    unsigned line = 0;  ///< from 1
};

/// `key = value` of one section, as it was written.
struct IniEntry {
    std::string section;
    std::string key;
    std::string value;
    IniPlace at;
};

struct IniFile {
    std::vector<IniEntry> entries;  ///< in the order of the files
    std::vector<Problem> problems;  ///< for which PgBouncer would not load it either
};

/// Reads a pgbouncer.ini as PgBouncer does: `;` and `#` begin a comment at the beginning of a line
/// only, values end with their line, `%include FILE` (seen from the working directory, at most ten
/// deep) is read in place. A name in double quotes is a key, too. No message holds a value.
[[nodiscard]] IniFile read_pgbouncer_ini(const std::string& path);

using IniPairs = std::vector<std::pair<std::string, std::string>>;

/// Takes a connection string apart: `key=value` between spaces, a value in single quotes may hold
/// spaces, and a quote when it is doubled.
/// @return as everywhere, a problem that does not repeat the text
[[nodiscard]] Parsed<IniPairs> parse_connection_string(std::string_view text);

}  // namespace weir::conf
