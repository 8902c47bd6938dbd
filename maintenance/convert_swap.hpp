#pragma once

#include "maintenance/convert_facts.hpp"

#include <string>
#include <vector>

namespace weir::maintenance {

/// The bound at which the plain table ends and its new partitions begin.
struct CutOver {
    std::string text;  ///< as PostgreSQL reads it
};

/// @return what has to be locked ahead of the rest, in the order in which queries lock it: the
/// views that read the table, then the table
[[nodiscard]] Answer<std::vector<std::string>> swap_locks(Connection& db,
                                                          const ConvertFacts& facts);

/// The statements that make the table the first partition of a new one of its name, with all that
/// it has; they belong into the transaction that holds the locks. Sets search_path to '' there, so
/// that what is read names everything in full and means the new table when it is run.
[[nodiscard]] Answer<std::vector<std::string>> swap_statements(Connection& db,
                                                               const ConvertFacts& facts,
                                                               const CutOver& bound);

}  // namespace weir::maintenance
