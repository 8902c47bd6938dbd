#pragma once

#include "maintenance/job.hpp"
#include "maintenance/partition_set.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::maintenance {

/// What somebody wants a plain table to become.
struct ConvertWish {
    std::string table;  ///< as PostgreSQL reads it
    std::string key;    ///< a column
    conf::KeyStep interval;
    conf::KeyStep ahead;              ///< how far partitions are made
    std::string name;                 ///< of partitions; "" = as the interval suggests
    bool widens_primary_key = false;  ///< PRIMARY KEY (id) becomes (id, key)
};

/// The CHECK that says that the table ends before the bound; its COMMENT is the bound.
inline constexpr const char* kBoundCheck = "weir_convert_bound";
/// The CHECK that says that the key is never NULL.
inline constexpr const char* kNotNullCheck = "weir_convert_not_null";

/// A plain table that is to be converted, or is being.
struct ConvertFacts {
    Relation table;
    std::string key;
    KeyKind kind = KeyKind::Other;
    std::string owner;
    bool is_key_not_null = false;
    std::string primary_key;                   ///< its constraint, where it has to be widened
    std::vector<std::string> primary_columns;  ///< of that
    std::string bound_check;                   ///< the bound that is checked; "" = none is
    bool has_bound_check = false;              ///< its CHECK is there
    bool is_bound_valid = false;               ///< and no row is behind it
    bool has_not_null_check = false;
    std::vector<std::uint32_t> locked;  ///< the table, and those that its foreign keys refer to

    /// What the table is called when it is the first partition.
    [[nodiscard]] Relation legacy() const;
    /// The index that becomes the first partition's primary key.
    [[nodiscard]] std::string key_index() const;
    /// @return the columns of a primary key that has been widened, quoted
    [[nodiscard]] std::string key_columns() const;
};

/// Reads what the steps need, without changing anything.
/// @return a problem where the column is none, or cannot be a key
[[nodiscard]] Answer<ConvertFacts> read_convert_facts(Connection& db,
                                                      const Relation& table,
                                                      const ConvertWish& wish);

/// @return all that keeps the table from being converted online, each with what would help; none =
/// it can be
[[nodiscard]] Answer<std::vector<Problem>> find_refusals(Connection& db,
                                                         const ConvertFacts& facts,
                                                         const ConvertWish& wish);

}  // namespace weir::maintenance
