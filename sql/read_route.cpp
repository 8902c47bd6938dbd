#include "sql/read_route.hpp"

#include <algorithm>

#include "sql/function_lists.hpp"

namespace weir::sql {

bool reads_by_grammar(const StatementFacts& facts) {
    return facts.access == Access::Read && !facts.has_several;
}

bool is_read(const StatementFacts& facts, const FunctionCatalog& catalog) {
    return reads_by_grammar(facts) && !facts.asks_about_server &&
           std::all_of(
               facts.functions.begin(), facts.functions.end(), [&](const QualifiedName& function) {
                   return !must_run_on_primary(function.name) &&
                          catalog.is_safe_read(function.schema, function.name);
               });
}

bool begins_read_only(const StatementFacts& facts) {
    return facts.access == Access::Begin &&
           facts.modes.writes == TransactionModes::Writes::ReadOnly && !facts.modes.is_serializable;
}

}  // namespace weir::sql
