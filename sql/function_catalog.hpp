#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::sql {

/// What PostgreSQL is told of a function: what its answer hangs on, the worst last.
enum class Volatility : std::uint8_t {
    Immutable,  ///< on its arguments alone
    Stable,     ///< on what a statement sees too; it changes nothing
    Volatile,   ///< on anything, and it may change anything
};

/// @param word as pg_proc.provolatile says it; what is none is volatile
[[nodiscard]] Volatility volatility_of(std::string_view word);

/// One row of kFunctionsQuery.
struct FunctionRow {
    std::string_view schema;
    std::string_view name;
    Volatility volatility = Volatility::Volatile;
};

/// Asks a database for all its functions: schema, name, the worst volatility of its overloads (i, s
/// or v, which happens to be their order).
///
/// An aggregate is as volatile as the functions it is made of: PostgreSQL calls every aggregate
/// immutable. Means the same whatever the search_path. Sorted, so that the same catalog gives the
/// same version. Temporary functions are left out: no unqualified name means one.
inline constexpr std::string_view kFunctionsQuery =
    "SELECT n.nspname, p.proname, pg_catalog.max(GREATEST(p.provolatile::pg_catalog.text,"
    " (SELECT pg_catalog.max(part.provolatile::pg_catalog.text)"
    " FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc part"
    " ON part.oid OPERATOR(pg_catalog.=) ANY (ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn,"
    " a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]"
    "::pg_catalog.oid[])"
    " WHERE a.aggfnoid OPERATOR(pg_catalog.=) p.oid)))"
    " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n"
    " ON n.oid OPERATOR(pg_catalog.=) p.pronamespace"
    " WHERE n.nspname OPERATOR(pg_catalog.!~) '^pg_temp_'"
    " GROUP BY n.nspname, p.proname ORDER BY n.nspname, p.proname";

/// What one database's catalog says of its functions. Immutable; empty before it was asked, and
/// then no function is safe.
/// @thread any
class FunctionCatalog {
public:
    /// More rows than this are not kept, and no function is safe.
    static constexpr std::size_t kRowsMax = 100'000;

    FunctionCatalog() = default;

    /// @param rows in any order; of one name in one schema one volatile row decides
    explicit FunctionCatalog(std::span<const FunctionRow> rows);

    /// @param schema as the call is written; "" where it names none: then every function of the
    /// name counts, wherever it is, because the search_path is not known
    /// @return true: known, and not volatile, or one of the built-in volatile ones that do no harm
    [[nodiscard]] bool is_safe_read(std::string_view schema, std::string_view name) const;

    /// @param schema as for is_safe_read()
    /// @return true: known, and its result may be kept as long as no row is written: immutable, or
    /// one of the built-in stable ones that hang on nothing else (is_settled())
    [[nodiscard]] bool is_repeatable(std::string_view schema, std::string_view name) const;

    /// @return whether there is such a function
    [[nodiscard]] bool is_known(std::string_view schema, std::string_view name) const;

    /// @return the volatility of PostgreSQL's own function of that name, if a call may mean one
    [[nodiscard]] std::optional<Volatility> built_in(std::string_view schema,
                                                     std::string_view name) const;

    /// @return a number that the same rows share in this process; 0 of empty knowledge
    [[nodiscard]] std::uint64_t version() const { return version_; }

    [[nodiscard]] std::size_t size() const { return functions_.size(); }

private:
    struct Place {
        std::string schema;
        Volatility volatility = Volatility::Volatile;
    };

    [[nodiscard]] const std::vector<Place>* find(std::string_view name) const;

    /// @param accepts what is asked of a Place
    /// @return whether a call may mean some function, and any that it may mean is accepted
    template <class F>
    [[nodiscard]] bool all_of(std::string_view schema, std::string_view name, F&& accepts) const;

    std::map<std::string, std::vector<Place>, std::less<>> functions_;  // by name
    std::uint64_t version_ = 0;
};

}  // namespace weir::sql
