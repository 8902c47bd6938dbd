#pragma once

#include <cstdint>

#include "sql/function_knowledge.hpp"
#include "sql/statement_facts.hpp"

namespace weir::sql {

/// Where a request may run.
enum class ReadRoute : std::uint8_t {
    Primary,
    Replica,  ///< provably a read, whose answer is the same on a replica that has replayed enough
};

struct ReadVerdict {
    ReadRoute route = ReadRoute::Primary;
    /// It calls functions that are not PostgreSQL's own: what they do no catalog proves.
    bool calls_own_functions = false;

    [[nodiscard]] bool operator==(const ReadVerdict&) const = default;
};

/// Outside a transaction that was begun before: inside one, everything runs where it began.
///
/// What a replica still refuses, and the primary would not: 25006 (something hidden writes), 0A000
/// (an unlogged or temporary table, default_transaction_isolation serializable), 55000.
[[nodiscard]] ReadVerdict read_verdict(const StatementFacts& facts,
                                       const FunctionKnowledge& knowledge);

[[nodiscard]] bool is_read(const StatementFacts& facts, const FunctionKnowledge& knowledge);

[[nodiscard]] bool calls_own_functions(const StatementFacts& facts,
                                       const FunctionKnowledge& knowledge);

/// @return whether it is a BEGIN that says READ ONLY, of a kind that a standby accepts
[[nodiscard]] bool begins_read_only(const StatementFacts& facts);

}  // namespace weir::sql
