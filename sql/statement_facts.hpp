#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/result_facts.hpp"

namespace weir::sql {

/// What running a request's text does, as far as its words say.
enum class Access : std::uint8_t {
    Neutral,  ///< nothing to decide: no statement, SHOW, SAVEPOINT
    Read,     ///< by its grammar it changes nothing; what its functions do is to be asked
    Write,    ///< it may change something, or hangs on the session or the primary
    Begin,    ///< it begins a transaction and does nothing else
    End,      ///< it ends one and does nothing else
    Unsure,   ///< not understood, too large, or transaction control between other statements
};

[[nodiscard]] std::string_view name_of(Access access);

/// What BEGIN says of its transaction.
struct TransactionModes {
    enum class Writes : std::uint8_t { Unsaid, ReadOnly, ReadWrite };
    /// What its statements see. Committed: each what is committed when it begins, also where READ
    /// UNCOMMITTED is said.
    enum class Isolation : std::uint8_t { Unsaid, Committed, Snapshot };

    Writes writes = Writes::Unsaid;
    Isolation isolation = Isolation::Unsaid;
    bool is_serializable = false;  ///< PostgreSQL refuses these on a standby

    [[nodiscard]] bool operator==(const TransactionModes&) const = default;
};

/// A name as it is written: without a schema where none is.
struct QualifiedName {
    std::string schema;
    std::string name;

    // NOLINTNEXTLINE(modernize-use-nullptr): of <=> clang-tidy 14 takes the 0 for a pointer
    [[nodiscard]] auto operator<=>(const QualifiedName&) const = default;
};

/// What is done to the rows of a table.
class Verbs {
public:
    enum Verb : std::uint8_t { Insert = 1, Delete = 2, Update = 4, Truncate = 8 };

    constexpr Verbs() = default;

    // NOLINTNEXTLINE(google-explicit-constructor): one of them is a set of one
    constexpr Verbs(Verb verb) : bits_{verb} {}

    [[nodiscard]] static constexpr Verbs all() {
        Verbs every;
        every.bits_ = Insert | Delete | Update | Truncate;
        return every;
    }

    [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }

    [[nodiscard]] constexpr bool has_any(Verbs other) const { return (bits_ & other.bits_) != 0; }

    [[nodiscard]] constexpr Verbs without(Verbs other) const {
        Verbs rest;
        rest.bits_ = static_cast<std::uint8_t>(bits_ & ~other.bits_);
        return rest;
    }

    constexpr Verbs& operator|=(Verbs other) {
        bits_ = static_cast<std::uint8_t>(bits_ | other.bits_);
        return *this;
    }

    [[nodiscard]] constexpr bool operator==(const Verbs&) const = default;

private:
    std::uint8_t bits_ = 0;
};

/// A table that a statement writes, wherever in it.
struct WriteTarget {
    QualifiedName name;
    Verbs verbs;

    [[nodiscard]] bool operator==(const WriteTarget&) const = default;
};

/// What PostgreSQL's own grammar makes of a request's text, one statement or several.
///
/// Views, operators, casts, policies and domains call functions as well; that does not show. A
/// replica refuses what writes in them.
struct StatementFacts {
    static constexpr std::size_t kStatementsMax = 64;
    static constexpr std::size_t kNamesMax = 128;  ///< functions; tables
    static constexpr std::size_t kDepthMax = 512;  ///< of nodes in nodes

    Access access = Access::Unsure;
    /// PostgreSQL's grammar takes it, and every node of it is known; else all that follows is
    /// unknown.
    bool is_understood = false;
    bool has_several = false;  ///< statements
    /// Nothing in it writes or lets its session write, whatever its functions do; see
    /// may_run_read_only().
    bool is_harmless = false;
    bool calls_set_config = false;
    /// Its last statement is RESET ALL or DISCARD ALL: what its session was given is gone behind
    /// it, until it is given once more. (Where another follows it is not harmless.)
    bool resets_settings = false;
    TransactionModes modes;   ///< where access is Begin
    bool is_chained = false;  ///< where access is End: the next transaction has begun
    /// It asks what each server answers in its own way, so the answer of a replica is another one:
    /// pg_stat_activity, pg_locks, pg_temp, SHOW, the last_value of a sequence.
    bool asks_about_server = false;
    /// Called, wherever in the text; sorted, each once. Special forms (COALESCE, EXTRACT,
    /// CURRENT_USER) and operators are none. Known of reads, DML, EXPLAIN, COPY, CALL, DECLARE and
    /// CREATE TEMPORARY TABLE AS.
    std::vector<QualifiedName> functions;
    /// Named in FROM, TABLE, COPY, as a target, or as what is created, altered, locked or dropped;
    /// no names of a WITH; sorted, each once.
    std::vector<QualifiedName> tables;
    /// Targets of INSERT, UPDATE, DELETE, MERGE, COPY, TRUNCATE and REFRESH, in EXPLAIN too; among
    /// the tables; sorted, each once.
    std::vector<WriteTarget> targets;
    /// It may change what any table shows: it changes the schema, or runs what is not in its text.
    bool changes_anything = true;
    bool makes_temporary = false;  ///< a temporary table, view or sequence
    ResultFacts result;
};

/// Parses a request's text. Slow (about 0.1 ms): meant to be called once for each digest.
///
/// Hangs on nothing that the digest leaves out.
/// @param sql any bytes; cut as PostgreSQL does with standard_conforming_strings on (see can_cut)
/// @thread any
[[nodiscard]] StatementFacts statement_facts(std::string_view sql);

}  // namespace weir::sql
