#pragma once

#include <string_view>

#include "sql/statement_facts.hpp"

namespace weir::sql {

/// Says whether a request may run where nothing may be written: it provably changes nothing, and
/// does not lift what keeps its session from writing. What functions do is for PostgreSQL to
/// refuse.
///
/// Hangs on the text where StatementFacts::calls_set_config, else on the digest alone.
/// @param text the one `facts` are of; cut as PostgreSQL does (see can_cut)
[[nodiscard]] bool may_run_read_only(const StatementFacts& facts, std::string_view text);

}  // namespace weir::sql
