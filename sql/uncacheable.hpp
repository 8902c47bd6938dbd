#pragma once

#include <cstdint>
#include <string_view>

namespace weir::sql {

/// Why the result of a request may not be kept.
enum class Uncacheable : std::uint8_t {
    No,             ///< it may be
    NotUnderstood,  ///< by the parser, or too large for it
    NotOneQuery,    ///< not one SELECT, VALUES or TABLE; or one that locks, writes or makes a table
    ServerState,    ///< it asks what each server or session answers in its own way
    Sample,         ///< TABLESAMPLE, or a view that has it or locks
    RowPlace,       ///< ctid, xmin and the like: they change where no row does
    Time,           ///< it hangs on when it is asked
    Function,       ///< it calls one that may answer differently, or is not known
    Operator,       ///< it may use an operator of that kind
    Cast,           ///< it may use a cast of that kind, or one whose outcome cannot be told
    SystemCatalog,  ///< it reads PostgreSQL's own tables
    Temporary,      ///< it reads a session's own table
    RowSecurity,    ///< what is seen hangs on who asks
    Foreign,        ///< what lies on another server changes unseen
    Sequence,       ///< sequences change without a transaction
    Rule,           ///< a table that a SELECT rule makes something else of
    Unknown,        ///< the catalog has no such relation
    Catalog,        ///< the catalog is not known, is too large, or has something hidden that writes
};

/// @return the word for it in logs and as a metric's label
[[nodiscard]] std::string_view name_of(Uncacheable why);

}  // namespace weir::sql
