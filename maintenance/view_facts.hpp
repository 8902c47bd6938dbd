#pragma once

#include "maintenance/identifier.hpp"

#include <string>
#include <vector>

namespace weir::maintenance {

/// A materialized view, as far as a refresh is concerned.
struct ViewFacts {
    Relation relation;
    bool is_populated = false;
    bool may_refresh = false;
    std::string owner;
    /// Columns of the unique indexes that CONCURRENTLY can go by; empty = there is none.
    std::vector<std::string> key_columns;
    /// Columns an index could be made of: what statistics say is unique, else all that can be
    /// sorted.
    std::vector<std::string> likely_key;
    bool is_key_likely_unique = false;

    /// @return why REFRESH … CONCURRENTLY is not possible; "" = it is
    [[nodiscard]] std::string why_not_concurrently() const;
    /// @return the statement that would make it possible; "" = it is, or it takes another
    [[nodiscard]] std::string unique_index_sql() const;
};

/// @param name as PostgreSQL reads it
/// @return a problem where it is no materialized view
[[nodiscard]] Answer<ViewFacts> read_view(Connection& db, const std::string& name);

}  // namespace weir::maintenance
