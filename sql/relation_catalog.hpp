#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/function_catalog.hpp"
#include "sql/relation_rows.hpp"
#include "sql/statement_facts.hpp"
#include "sql/uncacheable.hpp"

namespace weir::sql {

struct RelationGraph;

/// What a read hangs on.
struct ReadSet {
    Uncacheable why = Uncacheable::No;
    /// pg_class.oid of every table and materialized view whose rows it may see, sorted; empty where
    /// it is uncacheable.
    std::vector<std::uint32_t> tables;
    bool has_time_of_day = false;  ///< one of them has a column of the type time
};

/// What a write may change.
struct WriteSet {
    bool is_everything = false;         ///< any table of the database
    std::vector<std::uint32_t> tables;  ///< sorted

    [[nodiscard]] bool empty() const { return !is_everything && tables.empty(); }

    [[nodiscard]] bool operator==(const WriteSet&) const = default;
};

/// Names in a statement, by what they are there.
struct NamedInStatement {
    std::span<const WriteTarget> targets;
    std::span<const QualifiedName> tables;     ///< read or written: a view calls what it is made of
    std::span<const QualifiedName> functions;  ///< called
    std::span<const std::uint32_t> members;    ///< ResultFacts::members
};

/// What one database's catalog says of its relations: who is read where a name is read, and who
/// may be written where a name is written or a function called. Immutable; before the catalog was
/// asked nothing may be cached and every write may change everything.
///
/// Temporary relations are unknown to it: a session that has some must be known otherwise. What a
/// name without a schema means hangs on the search_path, which is not known here: every relation
/// and every function of that name counts, in whatever schema.
/// @thread any
class RelationCatalog {
public:
    RelationCatalog() = default;

    explicit RelationCatalog(const RelationRows& rows);

    /// Views are followed to their tables, tables to their children and partitions. A materialized
    /// view is a table: what it was made of it shows after a REFRESH, which writes it.
    [[nodiscard]] ReadSet read_set(std::span<const QualifiedName> tables) const;

    /// Follows views, rules, triggers, cascades, defaults, checks and the sources of functions. Who
    /// inherits from a table is among what it changes; from whom it inherits need not be: who reads
    /// those has it in the read set.
    [[nodiscard]] WriteSet write_set(std::span<const WriteTarget> targets) const;

    /// What may be written by functions that a statement calls. What is said of a function is not
    /// enough: a stable one may call one that is volatile, so those in SQL and PL/pgSQL go by their
    /// sources. Of those in C that are not volatile, and of others that are immutable, it is
    /// believed that they write nothing.
    [[nodiscard]] WriteSet write_set_of_functions(std::span<const QualifiedName> called,
                                                  const FunctionCatalog& functions) const;

    /// Both of them, and what views, policies and computed columns call.
    [[nodiscard]] WriteSet write_set(const NamedInStatement& named,
                                     const FunctionCatalog& functions) const;

    /// @return why nothing at all may be kept of this database; No where much may be
    [[nodiscard]] Uncacheable obstacle() const { return obstacle_; }

    /// @return whether some operator of that name may answer differently another time
    [[nodiscard]] bool has_unsettled_operator(std::string_view name) const;

    /// @return whether a cast that is written down may come out differently another time
    [[nodiscard]] bool has_unsettled_cast() const { return has_unsettled_cast_; }

    /// @return whether a column of that name is a date or a timestamp, in whatever table
    [[nodiscard]] bool is_time_column(std::string_view name) const;

    /// @return whether a function of that name that may answer differently may be called as a
    /// column of a row
    /// @param member hash_of_member() of the name
    [[nodiscard]] bool is_computed_column(std::uint32_t member) const;

    /// @return whether there is anything that makes the type timetz of the type time unseen; it
    /// takes the day's offset
    [[nodiscard]] bool has_timetz() const { return has_timetz_; }

    [[nodiscard]] bool has_event_trigger() const { return has_event_trigger_; }

    /// @return whether BEGIN alone may begin something else than a READ COMMITTED transaction, for
    /// somebody
    [[nodiscard]] bool has_other_isolation() const { return has_other_isolation_; }

    /// @return a number that the same rows share in this process; 0 of empty knowledge
    [[nodiscard]] std::uint64_t version() const { return version_; }

private:
    [[nodiscard]] Uncacheable find_obstacle(const RelationRows& rows) const;

    std::shared_ptr<const RelationGraph> graph_;
    std::vector<std::string> operators_;  // sorted, as those below
    std::vector<std::string> time_columns_;
    std::vector<std::pair<std::uint32_t, std::string>> computed_;  // by hash, the name
    std::uint64_t version_ = 0;
    Uncacheable obstacle_ = Uncacheable::Catalog;
    bool has_unsettled_cast_ = false;
    bool has_timetz_ = false;
    bool has_event_trigger_ = false;
    bool has_other_isolation_ = true;  // of empty knowledge
};

}  // namespace weir::sql
