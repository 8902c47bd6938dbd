#pragma once

#include "conf/auth_lines.hpp"
#include "conf/hba.hpp"
#include "conf/load.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

struct HbaFile {
    std::vector<HbaRule> rules;  ///< the first that fits counts
    std::vector<Problem> problems;
    std::vector<std::string> notes;
};

/// Reads a file in pg_hba.conf's syntax, and those it includes. Not supported, and refused: host
/// names, +role, samerole, and methods that need another program.
/// @param path as messages name it
[[nodiscard]] HbaFile parse_hba_file(std::string_view text,
                                     const std::string& path,
                                     FileAccess& access);

struct IdentFile {
    std::vector<IdentRule> rules;
    std::vector<Problem> problems;
};

/// Reads a file in pg_ident.conf's syntax, and those it includes.
[[nodiscard]] IdentFile parse_ident_file(std::string_view text,
                                         const std::string& path,
                                         FileAccess& access);

/// Reads an address column: "all", "samehost", "samenet", a network with its prefix length, or an
/// address with the mask of the next column.
/// @param mask nullptr = there is no such column
[[nodiscard]] Parsed<HbaAddress> parse_hba_address(const Word& word, const Word* mask);

}  // namespace weir::conf
