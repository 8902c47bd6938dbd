#pragma once

#include "maintenance/connection.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::maintenance {

/// @return "name", with its quotes doubled: right for every name
[[nodiscard]] std::string quote_identifier(std::string_view name);
/// @return 'text', or E'text' where it has a backslash
[[nodiscard]] std::string quote_literal(std::string_view text);

/// A relation that is there.
struct Relation {
    std::uint32_t oid = 0;
    std::string schema;
    std::string name;
    char kind = 'r';  ///< pg_class.relkind

    /// @return "schema"."name"
    [[nodiscard]] std::string sql() const;

    /// @return schema.name, for people
    [[nodiscard]] std::string text() const { return schema + "." + name; }
};

/// @param name as PostgreSQL reads it: events, public.events, "Odd Name"
/// @return a problem where there is no such relation
[[nodiscard]] Answer<Relation> find_relation(Connection& connection, std::string_view name);

/// What pg_partition_tree() says, without its locks: it waits for whoever has any of them locked.
/// @param root SQL of the oid of a partitioned table or of a partition
/// @return a relation for FROM: relid, parentrelid, level, isleaf; also those being detached
[[nodiscard]] std::string partition_tree_sql(std::string_view root);

/// @return at most 63 bytes of it, cut at a character's border; what is cut is replaced by 8 digits
/// of its hash, so that two names that differ stay different
/// @param suffix is kept whole
[[nodiscard]] std::string fit_name(std::string_view name, std::string_view suffix);

}  // namespace weir::maintenance
