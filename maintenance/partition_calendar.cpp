#include "maintenance/partition_calendar.hpp"

#include <algorithm>

namespace weir::maintenance {

namespace {

using conf::CalendarSpan;
using std::chrono::microseconds;

/// Nobody means more; a partition each would fill the catalog.
constexpr std::size_t kMaxMarks = 20'000;
constexpr microseconds kDay = std::chrono::hours{24};

bool is_short(const CalendarSpan& span) {
    return span.months == 0 && span.days == 0 && span.time < kDay;
}

/// @return whether the calendar divides evenly by it, so that its boundaries are known of
/// themselves
bool is_regular(const CalendarSpan& span) {
    constexpr std::int64_t kYear = 12;
    constexpr std::int64_t kWeek = 7;
    if (span.months > 0) {
        return kYear % span.months == 0 || span.months % kYear == 0;
    }
    if (span.days > 0) {
        return span.time.count() == 0 && (span.days == 1 || span.days == kWeek);
    }
    return kDay.count() % span.time.count() == 0;
}

/// An SQL expression: where `at` (bigint) is on the wall clock that is stepped on.
std::string wall_sql(KeyKind kind, const std::string& at, const std::string& zone) {
    const std::string step = " + (" + at + ") * interval '1 microsecond'";
    return kind == KeyKind::Timestamptz
               ? "((timestamptz 'epoch'" + step + ") AT TIME ZONE " + zone + ")"
               : "(timestamp 'epoch'" + step + ")";
}

/// The way back.
std::string at_sql(KeyKind kind, const std::string& wall, const std::string& zone) {
    return kind == KeyKind::Timestamptz
               ? "(extract(epoch FROM (" + wall + ") AT TIME ZONE " + zone + ") * 1000000)::bigint"
               : "(extract(epoch FROM (" + wall + ")) * 1000000)::bigint";
}

/// How many intervals lie between the anchor and `wall`, rounded down.
std::string index_sql(const CalendarSpan& span, const std::string& wall) {
    if (span.months > 0) {
        const auto month = [](const std::string& of) {
            return "(extract(year FROM " + of + ") * 12 + extract(month FROM " + of + "))";
        };
        return "floor((" + month(wall) + " - " + month("anchor") + ") / " +
               std::to_string(span.months) + "::numeric)::bigint";
    }
    return "floor(extract(epoch FROM " + wall +
           " - anchor)::numeric / extract(epoch FROM step)"
           "::numeric)::bigint";
}

std::string grid_sql(const PartitionCalendar& calendar) {
    const KeyKind kind = calendar.kind;
    const CalendarSpan& span = calendar.interval.span;
    // $1 zone of the job, $2 zone of the steps, $3 interval, $4 ahead.min, $5 ahead.max, $6 from,
    // $7 to, $8 anchor
    const std::string unit = span.months > 0 ? "'month'" : "'day'";
    const std::string first = span.months > 0 ? "2000-01-01" : "2000-01-03";  // a Monday
    const std::string anchor = wall_sql(kind, "$8::bigint", "$2");
    return "WITH clock AS (SELECT now() AT TIME ZONE $1::text AS wall, $2::text AS steps), "
           "n AS (SELECT " +
           at_sql(kind, "wall", "$1") + " AS now, " + at_sql(kind, "wall + $4::interval", "$1") +
           " AS least, " + at_sql(kind, "wall + $5::interval", "$1") +
           " AS most FROM clock), "
           "a AS (SELECT $3::interval AS step, coalesce((SELECT w FROM (SELECT " +
           anchor + " AS w) x WHERE w = date_trunc(" + unit + ", w)), timestamp '" + first +
           "') AS anchor), "
           "i AS (SELECT " +
           index_sql(span,
                     wall_sql(kind,
                              "CASE WHEN $7::bigint IS NULL THEN least(now, $6::bigint) ELSE "
                              "$6::bigint END",
                              "$2")) +
           " AS lo, " +
           index_sql(span, wall_sql(kind, "coalesce($7::bigint, greatest(now, most))", "$2")) +
           " + 1 AS hi FROM n, a) "
           "SELECT n.now, n.least, n.most, " +
           at_sql(kind, "a.anchor + k * a.step", "$2") +
           " FROM n, a, i, LATERAL generate_series(i.lo, i.hi) k ORDER BY k LIMIT " +
           std::to_string(kMaxMarks + 1);
}

Answer<void> check_grid(const PartitionGrid& grid, const conf::KeyStep& interval) {
    if (grid.marks.size() > kMaxMarks) {
        return problem("more than " + std::to_string(kMaxMarks) + " partitions of " +
                           interval.text + " would be needed",
                       "a longer interval, or a smaller ahead.max; where the last partition ended "
                       "long ago, create one by hand that bridges the time since");
    }
    const auto wrong =
        std::adjacent_find(grid.marks.begin(), grid.marks.end(), std::greater_equal<>{});
    if (wrong != grid.marks.end()) {
        return problem("the boundaries of " + interval.text + " do not ascend",
                       "the zone's clock goes back by as much: use a longer interval, or UTC");
    }
    return {};
}

Answer<PartitionGrid> read_time_grid(Connection& db,
                                     const PartitionCalendar& calendar,
                                     const GridWish& wish) {
    const auto maybe = [](const std::optional<std::int64_t>& at) {
        return at ? Parameter{std::to_string(*at)} : Parameter{};
    };
    const CalendarSpan& span = calendar.interval.span;
    const bool is_even = is_regular(span);
    const Answer<Rows> rows = db.run(grid_sql(calendar),
                                     {calendar.zone,
                                      is_short(span) ? "UTC" : calendar.zone,
                                      span.sql(),
                                      wish.ahead_min.span.sql(),
                                      wish.ahead_max.span.sql(),
                                      maybe(wish.from),
                                      maybe(wish.to),
                                      is_even ? Parameter{} : maybe(wish.anchor)});
    if (!rows) {
        return failed(rows.error());
    }
    PartitionGrid grid;
    grid.now = rows->number(0, 0);
    grid.min_until = rows->number(0, 1);
    grid.max_until = rows->number(0, 2);
    for (std::size_t i = 0; i < rows->size(); ++i) {
        grid.marks.push_back(rows->number(i, 3));
    }
    const Answer<void> fine = check_grid(grid, calendar.interval);
    return fine ? Answer<PartitionGrid>{std::move(grid)} : failed(fine.error());
}

/// Near the ends of bigint a partition ends where the numbers do.
std::int64_t add_clamped(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) {
        return b > 0 ? PartitionBound::kMax - 1 : PartitionBound::kMin + 1;
    }
    return sum;
}

Answer<PartitionGrid> number_grid(const PartitionCalendar& calendar, const GridWish& wish) {
    const std::int64_t step = calendar.interval.number;
    PartitionGrid grid;
    grid.now = wish.now.value_or(0);
    grid.min_until = add_clamped(grid.now, wish.ahead_min.number);
    grid.max_until = add_clamped(grid.now, wish.ahead_max.number);
    const std::int64_t from =
        wish.to ? wish.from.value_or(*wish.to) : std::min(grid.now, wish.from.value_or(grid.now));
    const std::int64_t to = wish.to.value_or(std::max(grid.now, grid.max_until));
    std::int64_t mark = from / step * step;
    if (mark > from) {
        mark = add_clamped(mark, -step);
    }
    grid.marks.push_back(mark);
    while (mark <= to && grid.marks.size() <= kMaxMarks) {
        const std::int64_t next = add_clamped(mark, step);
        if (next <= mark) {
            break;
        }
        grid.marks.push_back(mark = next);
    }
    const Answer<void> fine = check_grid(grid, calendar.interval);
    return fine ? Answer<PartitionGrid>{std::move(grid)} : failed(fine.error());
}

std::string array_of(const std::vector<std::int64_t>& values) {
    std::string all = "{";
    for (const std::int64_t value : values) {
        all += all.size() > 1 ? "," : "";
        all += std::to_string(value);
    }
    all += '}';
    return all;
}

Answer<std::int64_t> number_of(const Answer<Rows>& rows) {
    return rows ? Answer<std::int64_t>{rows->number(0, 0)} : failed(rows.error());
}

/// @return what the column's own sequence has given last; nothing where it has none
Answer<std::optional<std::int64_t>> sequence_value(Connection& db, const PartitionSet& set) {
    const Answer<Rows> rows = db.run(
        "SELECT coalesce(s.last_value, s.start_value) FROM pg_catalog.pg_sequences s "
        "WHERE pg_catalog.format('%I.%I', s.schemaname, s.sequencename)::regclass = "
        "pg_catalog.pg_get_serial_sequence($1, $2)::regclass",
        {set.table.sql(), set.key});
    if (!rows) {
        return failed(rows.error());
    }
    return rows->empty() ? std::optional<std::int64_t>{} : std::optional{rows->number(0, 0)};
}

Answer<std::int64_t> greatest_value(Connection& db, const PartitionSet& set) {
    const Answer<Rows> indexed = db.run(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index x JOIN pg_catalog.pg_attribute a ON "
        "a.attrelid = x.indrelid AND a.attnum = x.indkey[0] WHERE x.indrelid = $1::oid AND "
        "x.indisvalid AND x.indpred IS NULL AND a.attname = $2)",
        {std::to_string(set.table.oid), set.key});
    if (!indexed) {
        return failed(indexed.error());
    }
    if (!indexed->flag(0, 0)) {
        return problem(set.table.text() + ": the present value of " + set.key +
                           " is not known without reading the table",
                       "an index that begins with it is needed, or a sequence that it owns");
    }
    return number_of(db.run("SELECT coalesce(max(" + quote_identifier(set.key) + "), 0) FROM " +
                            set.table.sql()));
}

}  // namespace

std::int64_t PartitionGrid::floor(std::int64_t at) const {
    const auto above = std::upper_bound(marks.begin(), marks.end(), at);
    return above == marks.begin() ? at : *std::prev(above);
}

std::int64_t PartitionGrid::ceil(std::int64_t at) const {
    const auto found = std::lower_bound(marks.begin(), marks.end(), at);
    return found == marks.end() ? at : *found;
}

Answer<void> check_interval(KeyKind kind, const conf::KeyStep& interval) {
    if (kind == KeyKind::Integer) {
        return interval.is_number()
                   ? Answer<void>{}
                   : problem("interval " + interval.text + ": the key is an integer",
                             "a whole number is needed, as in interval = \"1000000\"");
    }
    const CalendarSpan& span = interval.span;
    if (interval.is_number() || span.is_zero()) {
        return problem("interval " + interval.text + ": the key is a time",
                       "a stretch of time is needed, as in interval = \"1 month\"");
    }
    if (span.months > 0 && (span.days > 0 || span.time.count() > 0)) {
        return problem("interval " + interval.text + ": months and days do not mix",
                       "months have no fixed number of days; use one or the other");
    }
    if (kind == KeyKind::Date && span.time.count() % kDay.count() != 0) {
        return problem("interval " + interval.text + ": the key is a date",
                       "whole days are needed");
    }
    return {};
}

Answer<PartitionGrid> read_grid(Connection& db,
                                const PartitionCalendar& calendar,
                                const GridWish& wish) {
    if (const Answer<void> fine = check_interval(calendar.kind, calendar.interval); !fine) {
        return failed(fine.error());
    }
    for (const conf::KeyStep* ahead : {&wish.ahead_min, &wish.ahead_max}) {
        if (!ahead->is_zero() && ahead->is_number() != calendar.interval.is_number()) {
            return problem("ahead " + ahead->text + " and interval " + calendar.interval.text +
                               " are not of a kind",
                           "both are stretches of time, or both are numbers");
        }
    }
    return calendar.kind == KeyKind::Integer ? number_grid(calendar, wish)
                                             : read_time_grid(db, calendar, wish);
}

Answer<std::vector<KeyPoint>> write_points(Connection& db,
                                           const PartitionCalendar& calendar,
                                           const std::vector<std::int64_t>& at) {
    std::vector<KeyPoint> points;
    if (calendar.kind == KeyKind::Integer) {
        for (const std::int64_t value : at) {
            points.push_back({std::to_string(value), std::to_string(value), false});
        }
        return points;
    }
    const KeyKind kind = calendar.kind;
    const std::string wall = wall_sql(kind, "x", "$2");
    const std::string value =
        kind == KeyKind::Timestamptz
            ? wall_sql(kind, "x", "'UTC'") + "::text || '+00'"
            : wall_sql(kind, "x", "'UTC'") + (kind == KeyKind::Date ? "::date::text" : "::text");
    const Answer<Rows> rows =
        db.run("SELECT " + value + ", to_char(" + wall + ", 'YYYY-MM-DD HH24:MI:SS'), " +
                   at_sql(kind, wall, "$2::text") +
                   " <> x, $2::text FROM unnest($1::bigint[]) WITH ORDINALITY u(x, i) ORDER BY i",
               {array_of(at), calendar.zone});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        points.push_back({rows->text(i, 0), rows->text(i, 1), rows->flag(i, 2)});
    }
    return points;
}

Answer<std::int64_t> read_now(Connection& db, const PartitionSet& set, const std::string& zone) {
    if (set.kind != KeyKind::Integer) {
        return number_of(
            db.run("SELECT " + at_sql(set.kind, "now() AT TIME ZONE $1", "$1::text"), {zone}));
    }
    const Answer<std::optional<std::int64_t>> given = sequence_value(db, set);
    if (!given) {
        return failed(given.error());
    }
    return *given ? Answer<std::int64_t>{**given} : greatest_value(db, set);
}

Answer<std::int64_t> read_before(Connection& db,
                                 const PartitionCalendar& calendar,
                                 std::int64_t now,
                                 const conf::KeyStep& step) {
    if (calendar.kind == KeyKind::Integer) {
        return add_clamped(now, -step.number);
    }
    return number_of(
        db.run("SELECT " +
                   at_sql(calendar.kind,
                          wall_sql(calendar.kind, "$3::bigint", "$1") + " - $2::interval",
                          "$1::text") +
                   ", $1::text",
               {calendar.zone, step.span.sql(), std::to_string(now)}));
}

Answer<std::int64_t> read_value(Connection& db,
                                KeyKind kind,
                                const std::string& zone,
                                const std::string& value) {
    const std::string cast = "$1::" + cast_of(kind);
    if (kind == KeyKind::Integer) {
        return number_of(db.run("SELECT " + cast, {value}));
    }
    Answer<Transaction> transaction = Transaction::begin(db);
    if (!transaction) {
        return failed(transaction.error());
    }
    const Answer<Rows> set = db.run("SELECT pg_catalog.set_config('TimeZone', $1, true)", {zone});
    if (!set) {
        return failed(set.error());
    }
    const Answer<Rows> rows = db.run("SELECT " + position_sql(kind, cast), {value});
    if (rows && rows->is_null(0, 0)) {
        return problem(value + ": no partition holds an infinite time");
    }
    return number_of(rows);
}

}  // namespace weir::maintenance
