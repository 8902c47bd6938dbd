#pragma once

#include "conf/maintenance_settings.hpp"

#include <cstdint>
#include <limits>
#include <string>

namespace weir::maintenance {

/// What the time column of a source is.
enum class TimeType : std::uint8_t { Timestamptz, Timestamp, Date };

/// @return the type's name in SQL
[[nodiscard]] const char* name_of(TimeType type);

/// The beginning of a bucket, in seconds since 1970: of UTC where the time column is a timestamptz,
/// else of the clock that the column was written by.
using Label = std::int64_t;

inline constexpr Label kEarliest = std::numeric_limits<Label>::min();  ///< PostgreSQL's -infinity
inline constexpr Label kLatest = std::numeric_limits<Label>::max();    ///< PostgreSQL's infinity

/// Which bucket a time is in, as SQL: the one expression that the refresh, the trigger, the view
/// and verify all share. Months are of the calendar, weeks begin on Monday, both and days in the
/// time zone; what is below a day is counted from 1970 in UTC. All of it works from PostgreSQL 12
/// on.
class BucketCalendar {
public:
    /// @param span months, days or time: one of them, in whole seconds (see why_not())
    /// @param zone of months and days of a timestamptz
    BucketCalendar(TimeType type, const conf::CalendarSpan& span, std::string zone);

    /// @return "" or why there can be no buckets of that span
    [[nodiscard]] static std::string why_not(TimeType type, const conf::CalendarSpan& span);

    [[nodiscard]] TimeType type() const { return type_; }

    [[nodiscard]] const conf::CalendarSpan& span() const { return span_; }

    /// @return the bucket of the time `sql`, of the column's type
    [[nodiscard]] std::string bucket_of(const std::string& sql) const;
    /// @return the bucket `count` buckets behind (or before) that of the time `sql`
    [[nodiscard]] std::string shifted(const std::string& sql, std::int64_t count) const;
    /// @return the bucket of the time `back` before `sql`
    [[nodiscard]] std::string before(const std::string& sql, const conf::CalendarSpan& back) const;
    /// @return the bucket of `delay` ago
    [[nodiscard]] std::string now(const conf::CalendarSpan& delay) const;

    /// @return the label as a literal of the column's type
    [[nodiscard]] std::string literal(Label label) const;
    /// @return a value of the column's type as a Label in SQL (bigint); NULL where it is infinite
    [[nodiscard]] std::string label_of(const std::string& sql) const;
    /// @return a value of the column's type as the timestamptz that control tables hold
    [[nodiscard]] std::string to_control(const std::string& sql) const;
    /// @return the reverse
    [[nodiscard]] std::string from_control(const std::string& sql) const;

    /// @return the condition that the time `sql` lies in a bucket from `low` (inclusive) to `high`:
    /// bounds of the column itself, which prune and use indexes, and where days differ in length
    /// the bucket as well
    [[nodiscard]] std::string in_buckets(const std::string& sql, Label low, Label high) const;
    /// The same with bounds in SQL, each "" = none.
    [[nodiscard]] std::string in_buckets(const std::string& sql,
                                         const std::string& low,
                                         const std::string& high) const;

    /// @return about how many buckets there are from `low` to `high`
    [[nodiscard]] std::int64_t count_between(Label low, Label high) const;

private:
    [[nodiscard]] bool is_zoned() const;
    [[nodiscard]] std::string local(const std::string& sql) const;
    [[nodiscard]] std::string back(const std::string& local) const;
    [[nodiscard]] std::string floored(const std::string& local) const;

    TimeType type_;
    conf::CalendarSpan span_;
    std::string zone_;  // 'UTC' below a day
};

/// @return "2026-11-23 00:00:00+00", "-infinity", "infinity"
[[nodiscard]] std::string text_of(Label label);
/// @return a timestamptz of a control table as a Label, in SQL (bigint)
[[nodiscard]] std::string control_label(const std::string& sql);
/// @return a Label as a literal for a control table
[[nodiscard]] std::string control_literal(Label label);

}  // namespace weir::maintenance
