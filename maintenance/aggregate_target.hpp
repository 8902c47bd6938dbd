#pragma once

#include "maintenance/aggregate_control.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir::maintenance {

/// A column of a table, or of a query.
struct TypedColumn {
    std::string name;
    std::string type;          ///< as format_type() says it, without a modifier
    bool is_required = false;  ///< NOT NULL without a default

    bool operator==(const TypedColumn&) const = default;
};

/// Of no server: the columns of a query are others than they were.
inline constexpr const char* kOtherTypes = "WE002";

/// @return what is missing before the aggregate can be made: "GRANT SELECT ON …", in order
[[nodiscard]] Answer<std::vector<std::string>> missing_grants(
    JobContext& job, const AggregateDefinition& definition);

/// @return the target where it is there
[[nodiscard]] Answer<std::optional<Relation>> find_target(Connection& db, const TargetName& name);

/// @return the columns of a table in order
[[nodiscard]] Answer<std::vector<TypedColumn>> columns_of(Connection& db, const std::string& table);
/// @return the columns that the aggregate gives
[[nodiscard]] Answer<std::vector<TypedColumn>> columns_given(Connection& db,
                                                             const AggregateDefinition& definition);

/// Makes the target, with its index.
[[nodiscard]] Answer<void> create_target(JobContext& job, const AggregateDefinition& definition);
enum class TargetCheck : std::uint8_t { All, UniqueAlone };

/// @return a problem where a target that is there does not fit, column by column
[[nodiscard]] Answer<void> check_target(JobContext& job,
                                        const AggregateDefinition& definition,
                                        const Relation& target,
                                        TargetCheck check = TargetCheck::All);

/// Looks that a table still has the columns of the query: a value of another type would be made to
/// fit silently, a sum rounded.
/// @param given a table with the columns that the query gives
/// @return a problem with SQLSTATE kOtherTypes where it has not
[[nodiscard]] Answer<void> check_types(Connection& db,
                                       const std::string& given,
                                       const std::string& table,
                                       const AggregateDefinition& definition);

/// Installs what notes changed buckets on every table of the source that lacks it, or removes it
/// where the aggregate does not track by triggers.
[[nodiscard]] Answer<void> ensure_triggers(JobContext& job, const AggregateDefinition& definition);
/// Makes the function that the triggers call, as the definition is now.
[[nodiscard]] Answer<void> make_marker(JobContext& job, const AggregateDefinition& definition);

}  // namespace weir::maintenance
