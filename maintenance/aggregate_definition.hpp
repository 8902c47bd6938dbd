#pragma once

#include "maintenance/aggregate_calendar.hpp"
#include "maintenance/identifier.hpp"
#include "maintenance/job.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weir::maintenance {

/// A column of a target and the SQL over the source that it is.
struct AggregateColumn {
    std::string name;
    std::string sql;
};

/// Where the target is, or is to be.
struct TargetName {
    std::string schema;
    std::string name;

    [[nodiscard]] std::string sql() const {
        return quote_identifier(schema) + "." + quote_identifier(name);
    }

    [[nodiscard]] std::string text() const { return schema + "." + name; }
};

/// An aggregate as it is carried out: names found, types known, templates spelt out.
struct AggregateDefinition {
    const conf::AggregateSettings& settings;
    Relation source;
    TargetName target;
    std::string time;  ///< the column, quoted
    BucketCalendar calendar;
    std::vector<AggregateColumn> groups;
    std::vector<AggregateColumn> columns;
    bool is_per_session = false;  ///< one row per session, not per bucket

    /// @return what the runner's lock and SHOW JOBS call it
    [[nodiscard]] std::string job() const { return "aggregate " + target.text(); }

    /// @return what its rows are, for comparing with what they were made by
    [[nodiscard]] std::string text() const;
    /// @return the names of the target's columns in order, quoted: bucket, groups, columns
    [[nodiscard]] std::vector<std::string> column_names() const;
    /// @return those that tell its rows apart, quoted
    [[nodiscard]] std::vector<std::string> key_names() const;
};

inline constexpr std::string_view kBucketColumn = "bucket";

/// A column, or "expression AS name". @return name "" where it is an expression without one
[[nodiscard]] AggregateColumn parse_group(std::string_view text);

/// Looks up what the settings name.
/// @return a problem that names what is wrong, where, and what would be right
[[nodiscard]] Answer<AggregateDefinition> define_aggregate(JobContext& job,
                                                           const conf::AggregateSettings& settings);

/// Asks the server for each expression alone, so that what is wrong is known by name.
[[nodiscard]] Answer<void> check_expressions(Connection& db, const AggregateDefinition& definition);

/// @return where "schema.table" or "table" would be made: the schema as the search path says
[[nodiscard]] Answer<TargetName> target_name(Connection& db, const std::string& name);

}  // namespace weir::maintenance
