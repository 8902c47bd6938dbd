#include "sql/cacheable.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::sql {

namespace {

/// What the grammar alone says.
Uncacheable refused_by_grammar(const StatementFacts& facts) {
    const ResultFacts& result = facts.result;
    if (!facts.is_understood || result.has_too_many) {
        return Uncacheable::NotUnderstood;
    }
    if (!result.is_query || facts.has_several || facts.access != Access::Read) {
        return Uncacheable::NotOneQuery;
    }
    if (facts.asks_about_server) {
        return Uncacheable::ServerState;
    }
    if (result.samples) {
        return Uncacheable::Sample;
    }
    if (result.has_row_place) {
        return Uncacheable::RowPlace;
    }
    if (result.asks_time) {
        return Uncacheable::Time;
    }
    return result.has_unsettled_cast ? Uncacheable::Cast : Uncacheable::No;
}

Uncacheable refused_by_functions(const StatementFacts& facts, const FunctionCatalog& functions) {
    const bool are_repeatable =
        std::all_of(facts.functions.begin(), facts.functions.end(), [&](const QualifiedName& one) {
            return functions.is_repeatable(one.schema, one.name);
        });
    return are_repeatable ? Uncacheable::No : Uncacheable::Function;
}

/// What calls functions without naming them.
Uncacheable refused_by_catalog(const ResultFacts& result, const RelationCatalog& relations) {
    if (std::any_of(result.members.begin(), result.members.end(), [&](std::uint32_t member) {
            return relations.is_computed_column(member);
        })) {
        return Uncacheable::Function;
    }
    if (std::any_of(result.operators.begin(), result.operators.end(), [&](const std::string& one) {
            return relations.has_unsettled_operator(one);
        })) {
        return Uncacheable::Operator;
    }
    const bool are_times = std::all_of(
        result.time_columns.begin(), result.time_columns.end(), [&](const std::string& one) {
            return relations.is_time_column(one);
        });
    const bool is_refused = (result.has_cast && relations.has_unsettled_cast()) || !are_times;
    return is_refused ? Uncacheable::Cast : Uncacheable::No;
}

/// A time becomes a timetz by the offset of this day, where something wants one: AT TIME ZONE, a
/// function, a column.
bool makes_timetz(const ResultFacts& result,
                  const ReadSet& read,
                  const RelationCatalog& relations) {
    const bool has_time_of_day = read.has_time_of_day || result.casts_to_time_of_day;
    return (has_time_of_day && (result.changes_zone || relations.has_timetz())) ||
           (result.changes_zone && relations.has_timetz());
}

}  // namespace

Cacheability cacheable(const StatementFacts& facts,
                       const FunctionCatalog& functions,
                       const RelationCatalog& relations) {
    Cacheability found;
    found.why = refused_by_grammar(facts);
    if (found.why == Uncacheable::No) {
        found.why = relations.obstacle();
    }
    if (found.why == Uncacheable::No) {
        found.why = refused_by_functions(facts, functions);
    }
    if (found.why == Uncacheable::No) {
        found.why = refused_by_catalog(facts.result, relations);
    }
    if (found.why != Uncacheable::No) {
        return found;
    }
    ReadSet read = relations.read_set(facts.tables);
    found.why = read.why;
    if (found.why == Uncacheable::No && makes_timetz(facts.result, read, relations)) {
        found.why = Uncacheable::Time;
    }
    if (found.why == Uncacheable::No) {
        found.tables = std::move(read.tables);
    }
    return found;
}

BeginsCommitted begins_committed(const StatementFacts& facts, const RelationCatalog& relations) {
    using Isolation = TransactionModes::Isolation;
    if (!facts.is_understood || facts.access != Access::Begin || facts.has_several ||
        facts.modes.isolation == Isolation::Snapshot) {
        return BeginsCommitted::No;
    }
    if (facts.modes.isolation == Isolation::Committed) {
        return BeginsCommitted::Yes;
    }
    return relations.has_other_isolation() ? BeginsCommitted::No : BeginsCommitted::ByDefault;
}

bool is_settled_parameter(std::uint32_t type) {
    static constexpr std::array<std::uint32_t, 4> kOfDay = {1083, 1183, 1266, 1270};
    constexpr std::uint32_t kFirstOwn = 16384;
    return type < kFirstOwn && std::find(kOfDay.begin(), kOfDay.end(), type) == kOfDay.end();
}

WriteSet effect_of(const StatementFacts& facts,
                   const FunctionCatalog& functions,
                   const RelationCatalog& relations) {
    const bool may_be_anything = !facts.is_understood || facts.changes_anything ||
                                 facts.result.has_too_many ||
                                 (facts.makes_temporary && relations.has_event_trigger());
    if (may_be_anything) {
        WriteSet everything;
        everything.is_everything = true;
        return everything;
    }
    return relations.write_set({facts.targets, facts.tables, facts.functions, facts.result.members},
                               functions);
}

std::string_view name_of(Uncacheable why) {
    switch (why) {
        case Uncacheable::No: return "no";
        case Uncacheable::NotUnderstood: return "not_understood";
        case Uncacheable::NotOneQuery: return "not_one_query";
        case Uncacheable::ServerState: return "server_state";
        case Uncacheable::Sample: return "sample";
        case Uncacheable::RowPlace: return "row_place";
        case Uncacheable::Time: return "time";
        case Uncacheable::Function: return "function";
        case Uncacheable::Operator: return "operator";
        case Uncacheable::Cast: return "cast";
        case Uncacheable::SystemCatalog: return "system_catalog";
        case Uncacheable::Temporary: return "temporary";
        case Uncacheable::RowSecurity: return "row_security";
        case Uncacheable::Foreign: return "foreign";
        case Uncacheable::Sequence: return "sequence";
        case Uncacheable::Rule: return "rule";
        case Uncacheable::Unknown: return "unknown";
        case Uncacheable::Catalog: return "catalog";
    }
    return "?";
}

}  // namespace weir::sql
