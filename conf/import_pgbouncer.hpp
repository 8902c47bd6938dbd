#pragma once

#include "conf/load.hpp"

#include <string>
#include <vector>

namespace weir::conf {

/// What became of a pgbouncer.ini.
struct PgBouncerImport {
    std::string toml;                ///< "" when there are problems; may hold passwords of the ini
    std::vector<Problem> problems;   ///< mistakes for which PgBouncer would not start either
    std::vector<Problem> findings;   ///< what is different, or could not be carried over, and why
    std::vector<std::string> notes;  ///< what needs no setting here, and what else to know
};

/// Writes the weir.toml that does what a pgbouncer.ini, with the files it names, does. What this
/// version of Weir has no setting for is a finding. Reads files; no message holds a secret.
[[nodiscard]] PgBouncerImport import_pgbouncer(const std::string& path);

}  // namespace weir::conf
