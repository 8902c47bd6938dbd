#pragma once

#include "maintenance/identifier.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::maintenance {

/// What a partition key is counted in.
enum class KeyKind : std::uint8_t {
    Timestamptz,
    Timestamp,  ///< wall time of maintenance.timezone
    Date,
    Integer,
    Other,  ///< can be listed and analysed, no more
};

/// One end of a range.
struct PartitionBound {
    static constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
    static constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

    /// Microseconds since 1970 (of the wall clock where the key has no zone), or the integer
    /// itself; kMin and kMax where there is no end.
    std::int64_t at = 0;
    std::string text;  ///< as PostgreSQL reads it, in UTC where it has a zone; MINVALUE, MAXVALUE

    [[nodiscard]] bool is_open() const { return at == kMin || at == kMax; }

    /// @return as it stands in FOR VALUES
    [[nodiscard]] std::string sql() const;
};

/// From which server on all tables of a schema can be published.
inline constexpr int kSchemaPublications = 150'000;

/// [lo, hi).
struct PartitionRange {
    PartitionBound lo;
    PartitionBound hi;

    /// @return "[lo, hi)", for people
    [[nodiscard]] std::string line() const;
};

/// A partition of the first level.
struct Partition {
    Relation relation;
    PartitionRange range;     ///< means something where `has_range`
    std::string bounds;       ///< as the server writes them
    bool has_range = false;   ///< its bounds could be read
    std::int64_t rows = -1;   ///< estimated; -1 = never counted
    std::string description;  ///< its COMMENT
};

/// A table that is no partition (any more, or yet) and says in its COMMENT that it is Weir's.
struct LooseTable {
    Relation relation;
    std::string lo;        ///< as PartitionBound::text
    std::string hi;        ///< the same
    std::string detached;  ///< when; "" = it was never attached
    std::string action;    ///< what is to become of it: "detach", "archive", "drop"
};

/// A foreign key, seen from the partitioned table.
struct ForeignKey {
    std::string name;
    Relation other;  ///< the table at its other end
};

/// All that the catalog says of one partitioned table.
struct PartitionSet {
    Relation table;
    char strategy = 'r';         ///< pg_partitioned_table.partstrat
    std::string key_definition;  ///< "RANGE (created_at)"
    std::string key;             ///< the column
    std::string key_type;        ///< "timestamp with time zone"
    KeyKind kind = KeyKind::Other;
    std::string unsupported;  ///< why it can only be listed and analysed; "" = it can be worked on
    std::string owner;
    bool is_owner = false;    ///< whoever is logged in has the owner's rights
    bool may_create = false;  ///< and may create tables in its schema
    bool has_identity = false;
    bool is_published = false;
    char replica_identity = 'd';
    std::string user;  ///< who is logged in

    std::optional<Partition> default_partition;
    std::vector<Partition> partitions;  ///< by their bounds; without DEFAULT and pending ones
    std::vector<Partition> pending;     ///< whose detach was interrupted
    std::vector<LooseTable> loose;
    std::vector<ForeignKey> references;   ///< of this table to others
    std::vector<ForeignKey> referencing;  ///< of others to this table

    /// @return what lies between its partitions and in none of them
    [[nodiscard]] std::vector<PartitionRange> gaps() const;
    /// @return the partition that holds it, DEFAULT not counted; null = none
    [[nodiscard]] const Partition* find(std::int64_t at) const;
    /// @return where the partitions end that follow one another from `at` on; `at` where none holds
    /// it
    [[nodiscard]] std::int64_t covered_until(std::int64_t at) const;
    /// Whoever is logged in may make and drop its partitions.
    /// @return a problem that names the GRANT that is missing
    [[nodiscard]] Answer<void> check_privileges() const;
};

/// @return a problem where the table is not partitioned
[[nodiscard]] Answer<PartitionSet> read_partition_set(Connection& db, const Relation& table);

/// @param type as format_type() has it
[[nodiscard]] KeyKind key_kind(std::string_view type);

/// @return an SQL expression: `value`, of that type, as PartitionBound::at
[[nodiscard]] std::string position_sql(KeyKind kind, const std::string& value);
/// @return an SQL expression: `value`, of that type, as PartitionBound::text
[[nodiscard]] std::string bound_text_sql(KeyKind kind, const std::string& value);
/// @return the type's name, as a cast has it
[[nodiscard]] std::string cast_of(KeyKind kind);

}  // namespace weir::maintenance
