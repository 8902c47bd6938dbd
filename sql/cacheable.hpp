#pragma once

#include <cstdint>
#include <vector>

#include "sql/function_catalog.hpp"
#include "sql/relation_catalog.hpp"
#include "sql/statement_facts.hpp"
#include "sql/uncacheable.hpp"

namespace weir::sql {

/// Whether a result may be kept, and until when.
struct Cacheability {
    Uncacheable why = Uncacheable::No;
    std::vector<std::uint32_t> tables;  ///< ReadSet::tables; written, the result is out of date

    [[nodiscard]] bool may_be_kept() const { return why == Uncacheable::No; }
};

/// Says whether a request answers the same as long as no row of some tables is written: to the same
/// user, with the same settings, while the schema is the same.
///
/// Hangs on the digest alone. What a literal or a parameter in text form says must be asked
/// besides: see has_time_word(). A session that has temporary tables must not be served what others
/// were: a name may mean one of them.
[[nodiscard]] Cacheability cacheable(const StatementFacts& facts,
                                     const FunctionCatalog& functions,
                                     const RelationCatalog& relations);

/// Whether a request begins a transaction, and does nothing else, whose statements each see what is
/// committed when they begin.
enum class BeginsCommitted : std::uint8_t {
    No,         ///< it does something else, or is not known to
    ByDefault,  ///< where the session's default_transaction_isolation is the server's
    Yes,
};

/// Hangs on the digest alone.
[[nodiscard]] BeginsCommitted begins_committed(const StatementFacts& facts,
                                               const RelationCatalog& relations);

/// @param type pg_type.oid as a Parse gives it; 0 where it leaves that to the server
/// @return whether a result may be kept for parameters of that type: not of time and timetz, which
/// take this day's offset, nor of types of one's own, which may be made of them
[[nodiscard]] bool is_settled_parameter(std::uint32_t type);

/// @return what a request may change, of any kind, where it is run outside a transaction or that is
/// committed
///
/// EXECUTE may be anything: what is prepared by SQL is not known here. CREATE TEMPORARY TABLE is
/// nothing to other sessions; a DROP may be of any table.
[[nodiscard]] WriteSet effect_of(const StatementFacts& facts,
                                 const FunctionCatalog& functions,
                                 const RelationCatalog& relations);

}  // namespace weir::sql
