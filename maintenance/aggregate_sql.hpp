#pragma once

#include "maintenance/aggregate_definition.hpp"

#include <string>
#include <vector>

namespace weir::maintenance {

/// A stretch of buckets: from `low`, up to but without `high`.
struct BucketRange {
    Label low = 0;
    Label high = 0;

    bool operator==(const BucketRange&) const = default;
};

/// The statements of an aggregate, pure text. What is fresh is put into a temporary table first
/// (fill), then compared with the target: one statement with CTEs would not see its own deletes.
///
/// Rows are told apart, and compared, by the text of their values, so that NULLs are equal, and
/// types without an equality (json, xml) work: a unique index and ON CONFLICT could do neither on
/// all versions.
class AggregateSql {
public:
    /// @param target the table that is filled, in SQL: the target, or what is to become it
    AggregateSql(const AggregateDefinition& definition, std::string target);

    [[nodiscard]] const std::string& target() const { return target_; }

    /// @return the aggregate itself, with that condition; `condition` "" = of all rows
    [[nodiscard]] std::string query(const std::string& condition) const;
    /// Makes the temporary table of this session anew.
    [[nodiscard]] std::vector<std::string> make_staging() const;
    /// @param up_to the watermark that will be: no row from there on counts
    [[nodiscard]] std::string fill(const BucketRange& range, Label up_to) const;
    /// @return rows that are no longer, or are others, or are new: in this order
    [[nodiscard]] std::vector<std::string> merge(const BucketRange& range) const;
    /// @return label and count of rows that differ between what was filled and the target
    [[nodiscard]] std::string compare(const BucketRange& range) const;

    [[nodiscard]] std::string create_target() const;
    [[nodiscard]] std::string create_index(const std::string& name, int server_version) const;
    /// @param name "" = the server finds one
    /// @param keys quoted
    [[nodiscard]] std::string create_index(const std::string& name,
                                           const std::vector<std::string>& keys,
                                           int server_version) const;
    [[nodiscard]] std::string create_view(const std::string& view) const;
    /// @return the function that notes which buckets a statement changed
    [[nodiscard]] std::string create_marker(const std::string& function) const;

    /// @return the target's rows that belong to these buckets
    [[nodiscard]] std::string target_rows(const std::string& alias, const BucketRange& range) const;

private:
    [[nodiscard]] std::string window_query(const std::string& condition) const;
    [[nodiscard]] std::string session_query(const BucketRange& range, Label up_to) const;
    [[nodiscard]] std::string matches() const;
    [[nodiscard]] std::string list(const std::string& alias = {}) const;
    [[nodiscard]] std::string state(const char* column) const;

    const AggregateDefinition& definition_;
    std::string target_;
};

inline constexpr const char* kStaging = "pg_temp.weir_fresh";

}  // namespace weir::maintenance
