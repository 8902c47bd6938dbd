#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::sql {

/// One row of kFunctionsQuery.
struct FunctionRow {
    std::string_view schema;
    std::string_view name;
    bool is_volatile = false;
};

/// Asks a database for all its functions: schema, name, whether any overload is volatile.
///
/// An aggregate is as volatile as the functions it is made of: PostgreSQL calls every aggregate
/// immutable. Means the same whatever the search_path. Sorted, so that the same catalog gives the
/// same version. Temporary functions are left out: no unqualified name means one.
inline constexpr std::string_view kFunctionsQuery =
    "SELECT n.nspname, p.proname, pg_catalog.bool_or(p.provolatile OPERATOR(pg_catalog.=) 'v'"
    " OR EXISTS (SELECT FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc part"
    " ON part.oid OPERATOR(pg_catalog.=) ANY (ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn,"
    " a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]"
    "::pg_catalog.oid[])"
    " WHERE a.aggfnoid OPERATOR(pg_catalog.=) p.oid"
    " AND part.provolatile OPERATOR(pg_catalog.=) 'v'))"
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

    /// @return a number that the same rows share in this process; 0 of empty knowledge
    [[nodiscard]] std::uint64_t version() const { return version_; }

    [[nodiscard]] std::size_t size() const { return functions_.size(); }

private:
    struct Place {
        std::string schema;
        bool is_volatile = false;
    };

    [[nodiscard]] const std::vector<Place>* find(std::string_view name) const;

    std::map<std::string, std::vector<Place>, std::less<>> functions_;  // by name
    std::uint64_t version_ = 0;
};

}  // namespace weir::sql
