#include "sql/read_route.hpp"

#include <algorithm>

#include "sql/function_lists.hpp"

namespace weir::sql {

bool is_read(const StatementFacts& facts, const FunctionKnowledge& knowledge) {
    if (facts.access != Access::Read || facts.asks_about_server) {
        return false;
    }
    return std::all_of(
        facts.functions.begin(), facts.functions.end(), [&](const QualifiedName& function) {
            return !must_run_on_primary(function.name) &&
                   knowledge.is_safe_read(function.schema, function.name);
        });
}

bool calls_own_functions(const StatementFacts& facts, const FunctionKnowledge& knowledge) {
    return std::any_of(
        facts.functions.begin(), facts.functions.end(), [&](const QualifiedName& function) {
            return !knowledge.is_built_in(function.schema, function.name);
        });
}

ReadVerdict read_verdict(const StatementFacts& facts, const FunctionKnowledge& knowledge) {
    return {.route = is_read(facts, knowledge) ? ReadRoute::Replica : ReadRoute::Primary,
            .calls_own_functions = calls_own_functions(facts, knowledge)};
}

bool begins_read_only(const StatementFacts& facts) {
    return facts.access == Access::Begin &&
           facts.modes.writes == TransactionModes::Writes::ReadOnly && !facts.modes.is_serializable;
}

}  // namespace weir::sql
