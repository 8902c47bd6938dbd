#pragma once

#include "conf/maintenance_settings.hpp"
#include "maintenance/partition_set.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir::maintenance {

/// What the server reckons with: its calendar and its zones are the ones that count.
struct PartitionCalendar {
    KeyKind kind = KeyKind::Timestamptz;
    std::string zone;  ///< maintenance.timezone
    conf::KeyStep interval;
};

/// A stretch of the key, and where the interval divides it.
struct PartitionGrid {
    std::int64_t now = 0;
    std::int64_t min_until = 0;  ///< now + ahead.min
    std::int64_t max_until = 0;  ///< now + ahead.max
    /// Ascending; the first is at or below where the grid was to begin, the last beyond its end.
    std::vector<std::int64_t> marks;

    /// @return the last mark at or below `at`
    [[nodiscard]] std::int64_t floor(std::int64_t at) const;
    /// @return the first mark at or above `at`
    [[nodiscard]] std::int64_t ceil(std::int64_t at) const;
};

/// What a grid is asked for.
struct GridWish {
    /// Where it begins: before now, or wherever it is where `to` is there, too.
    std::optional<std::int64_t> from;
    std::optional<std::int64_t> to;  ///< where it ends; none = now + ahead.max
    /// A bound that is there already: intervals that no calendar divides are counted from it.
    std::optional<std::int64_t> anchor;
    std::optional<std::int64_t> now;  ///< the present value of integer keys
    conf::KeyStep ahead_min;
    conf::KeyStep ahead_max;
};

/// A point of the key, as it is written.
struct KeyPoint {
    std::string text;  ///< PartitionBound::text
    std::string wall;  ///< "2026-12-01 00:00:00" in maintenance.timezone; the number
    /// The clock shows this twice, and this is the first time.
    bool is_repeated = false;
};

/// @return a problem where this interval cannot divide that key
[[nodiscard]] Answer<void> check_interval(KeyKind kind, const conf::KeyStep& interval);

/// Where partitions begin and end: intervals of a day and more on the wall clock of the zone,
/// months from day 1, weeks from Monday; shorter ones in UTC, so that no hour is missing and none
/// is twice.
[[nodiscard]] Answer<PartitionGrid> read_grid(Connection& db,
                                              const PartitionCalendar& calendar,
                                              const GridWish& wish);

/// @return in the order of `at`
[[nodiscard]] Answer<std::vector<KeyPoint>> write_points(Connection& db,
                                                         const PartitionCalendar& calendar,
                                                         const std::vector<std::int64_t>& at);

/// @return where rows are being added now: the clock, or for integer keys the value of the sequence
/// behind the column, else the greatest value where an index has it
[[nodiscard]] Answer<std::int64_t> read_now(Connection& db,
                                            const PartitionSet& set,
                                            const std::string& zone);

/// @return where `span` before `now` is, on the wall clock of the zone
[[nodiscard]] Answer<std::int64_t> read_before(Connection& db,
                                               const PartitionCalendar& calendar,
                                               std::int64_t now,
                                               const conf::KeyStep& step);

/// @return a value of the key as PartitionBound::at
[[nodiscard]] Answer<std::int64_t> read_value(Connection& db,
                                              KeyKind kind,
                                              const std::string& zone,
                                              const std::string& value);

}  // namespace weir::maintenance
