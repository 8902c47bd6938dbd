#pragma once

#include "conf/units.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// How the database behind is kept in shape: [maintenance], [[partition]], [[aggregate]],
/// [[materialized_view]], [[task]]. Plain values. Thread: any (read only).
namespace weir::conf {

/// A stretch of the calendar, as PostgreSQL's interval: months and days have no fixed length.
struct CalendarSpan {
    std::int64_t months = 0;
    std::int64_t days = 0;
    std::chrono::microseconds time{};

    /// @return as PostgreSQL reads it: "1 mons 2 days 3600000000 microseconds"
    [[nodiscard]] std::string sql() const;
    /// @return its usual length, a month of 30 days, for comparing and for estimates alone
    [[nodiscard]] std::chrono::seconds about() const;

    [[nodiscard]] bool is_zero() const { return *this == CalendarSpan{}; }

    bool operator==(const CalendarSpan&) const = default;
};

/// Reads "1 month", "12 months", "90 minutes", "1 day 12 hours", "36h", "0", and the words hourly,
/// daily, weekly, monthly, quarterly and yearly.
[[nodiscard]] Parsed<CalendarSpan> parse_calendar_span(std::string_view text);
/// @return as parse_calendar_span() reads it: "12 months", "1 day 12 hours", "0s"
[[nodiscard]] std::string format_calendar_span(const CalendarSpan& span);

/// How wide, how far, how long: of the calendar for keys that are times, a number for integers.
struct KeyStep {
    CalendarSpan span;
    std::int64_t number = 0;  ///< > 0 for integer keys; `span` is zero then
    std::string text;         ///< as written

    [[nodiscard]] bool is_number() const { return number != 0; }

    [[nodiscard]] bool is_zero() const { return number == 0 && span.is_zero(); }

    bool operator==(const KeyStep&) const = default;
};

/// parse_calendar_span(), or a whole number above zero.
[[nodiscard]] Parsed<KeyStep> parse_key_step(std::string_view text);

/// The two as they are written, in one table.
struct AheadSettings {
    KeyStep min;
    KeyStep max;

    bool operator==(const AheadSettings&) const = default;
};

enum class DefaultPartition : std::uint8_t {
    None,   ///< there is to be none
    Keep,   ///< where there is one it is left
    Guard,  ///< the same, and what it does not hold is proved before each ATTACH
};

enum class RetentionAction : std::uint8_t {
    Detach,   ///< is a table of its own then, and stays
    Archive,  ///< moved to `archive_schema`
    Drop,     ///< detached, and dropped when the quarantine is over
};

struct RetentionSettings {
    KeyStep keep;  ///< zero = for ever
    RetentionAction action = RetentionAction::Detach;
    CalendarSpan quarantine;     ///< between detaching and dropping
    std::string archive_schema;  ///< "" = none
    unsigned max_drops_per_run = 0;
    bool enforce = false;  ///< else it is only said what would go

    bool operator==(const RetentionSettings&) const = default;
};

struct PartitionSettings {
    std::string table;  ///< "schema.table" or "table", as PostgreSQL reads it
    std::string key;    ///< a column
    KeyStep interval;
    KeyStep ahead_min;
    KeyStep ahead_max;
    DefaultPartition default_partition = DefaultPartition::None;
    std::string name;  ///< with {table}, {YYYY}, {MM}, …
    RetentionSettings retention;
    bool heal = true;  ///< a partition that an INSERT misses is made at once

    bool operator==(const PartitionSettings&) const = default;
};

enum class AggregateTemplate : std::uint8_t { None, Hourly, Url, Session, Error };
enum class LateTracking : std::uint8_t {
    Counters,  ///< the statistics of partitions, and the whole late window where these say nothing
    Triggers,  ///< a trigger on the source notes which buckets changed
};

struct AggregateSettings {
    std::string source;
    std::string target;  ///< made where it is not there
    std::string time;    ///< a column of the source
    CalendarSpan bucket;
    std::vector<std::string> group_by;           ///< columns, or "expression AS name"
    std::map<std::string, std::string> columns;  ///< name to aggregate expression
    CalendarSpan late;                           ///< how far back rows may come late
    CalendarSpan delay;                          ///< the newest buckets are left alone that long
    std::chrono::milliseconds every{};
    std::string view;  ///< "" = none
    LateTracking track = LateTracking::Counters;
    AggregateTemplate kind = AggregateTemplate::None;
    std::map<std::string, std::string> template_columns;  ///< what a template calls its columns

    bool operator==(const AggregateSettings&) const = default;
};

enum class Concurrently : std::uint8_t { Auto, Always, Never };

struct MaterializedViewSettings {
    std::string name;
    std::chrono::milliseconds every{};  ///< zero = `schedule` says when
    std::string schedule;               ///< a cron line; "" = `every`, else with the daily run
    Concurrently concurrently = Concurrently::Auto;

    bool operator==(const MaterializedViewSettings&) const = default;
};

struct TaskSettings {
    std::string name;
    std::string schedule;  ///< a cron line; "" = `every`
    std::chrono::milliseconds every{};
    std::string sql;
    std::chrono::milliseconds timeout{};  ///< zero = maintenance.max_run

    bool operator==(const TaskSettings&) const = default;
};

/// When the standing jobs run: cron lines; "" = never by themselves.
struct MaintenanceSchedule {
    std::string daily;      ///< partitions, views, ANALYZE
    std::string vacuum;     ///< VACUUM, REINDEX, freezing
    std::string retention;  ///< old partitions

    bool operator==(const MaintenanceSchedule&) const = default;
};

/// What of a table calls for care.
struct CareSettings {
    double dead_rows = 0;          ///< VACUUM from this share of dead rows on
    double modified_rows = 0;      ///< ANALYZE from this share of rows changed since the last
    std::uint64_t min_rows = 0;    ///< tables with fewer changed or dead rows are left alone
    std::uint64_t freeze_age = 0;  ///< VACUUM (FREEZE) from this age of relfrozenxid on
    double index_bloat = 0;        ///< REINDEX CONCURRENTLY from this share on; 0 = never

    bool operator==(const CareSettings&) const = default;
};

/// What holds jobs back while the database is busy; zero = not looked at.
struct GovernorSettings {
    double max_p95_ratio = 0;  ///< of the statements of clients, against the hours before
    std::chrono::milliseconds max_replica_lag{};
    double max_pool_usage = 0;

    bool operator==(const GovernorSettings&) const = default;
};

struct MaintenanceSettings {
    bool enabled = false;
    std::string database;  ///< the NAME of a [database.NAME]
    std::string user;      ///< "" = as that database says
    std::string timezone;
    MaintenanceSchedule schedule;
    std::vector<std::string> windows;  ///< "02:00-05:00"; none = at any time
    std::chrono::milliseconds jitter{};
    std::chrono::milliseconds max_run{};
    unsigned batch = 0;
    std::chrono::milliseconds lock_timeout{};
    std::chrono::milliseconds max_blocker_age{};
    CareSettings care;
    GovernorSettings governor;

    bool operator==(const MaintenanceSettings&) const = default;
};

inline constexpr std::size_t kMaxMaintenanceEntries = 1000;  ///< of each kind

}  // namespace weir::conf
