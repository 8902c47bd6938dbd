#pragma once

#include "sql/function_catalog.hpp"
#include "sql/statement_facts.hpp"

namespace weir::sql {

/// @return whether a request is provably a read, whose answer is the same on a replica that has
/// replayed enough: outside a transaction that was begun before, and one statement, because what
/// has been told of the first of several could not be taken back
///
/// What a replica still refuses, and the primary would not: 25006 (something hidden writes), 0A000
/// (an unlogged or temporary table, default_transaction_isolation serializable), 55000.
[[nodiscard]] bool is_read(const StatementFacts& facts, const FunctionCatalog& catalog);

/// @return whether it is one statement that reads by its grammar, whatever its functions do
[[nodiscard]] bool reads_by_grammar(const StatementFacts& facts);

/// @return whether it is a BEGIN that says READ ONLY, of a kind that a standby accepts
[[nodiscard]] bool begins_read_only(const StatementFacts& facts);

}  // namespace weir::sql
