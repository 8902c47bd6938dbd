#include "maintenance/aggregate_calendar.hpp"

#include "maintenance/identifier.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kQuarter = 3;
constexpr std::int64_t kYear = 12;

std::int64_t seconds_of(const conf::CalendarSpan& span) {
    return std::chrono::duration_cast<seconds>(span.time).count();
}

std::string interval(const conf::CalendarSpan& span) {
    return quote_literal(span.sql()) + "::interval";
}

conf::CalendarSpan times(const conf::CalendarSpan& span, std::int64_t count) {
    return {span.months * count, span.days * count, span.time * count};
}

/// @return `value` rounded down to a multiple of `step`, both whole numbers in SQL; exact, because
/// what is divided is far from the limits of double precision
std::string down(const std::string& value, std::int64_t step) {
    const std::string by = std::to_string(step);
    return "(floor((" + value + ")::numeric / " + by + ") * " + by + ")";
}

std::string floor_seconds(const std::string& local, std::int64_t step) {
    for (const auto& [width, name] :
         {std::pair{1, "second"}, std::pair{60, "minute"}, std::pair{3600, "hour"}}) {
        if (step == width) {
            return "date_trunc('" + std::string{name} + "', " + local + ")";
        }
    }
    return "('1970-01-01'::timestamp + " +
           down("extract(epoch FROM date_trunc('second', " + local + "))", step) +
           "::double precision * '1 second'::interval)";
}

std::string floor_days(const std::string& local, std::int64_t step) {
    constexpr std::int64_t kWeek = 7;
    if (step == 1 || step == kWeek) {
        return std::string{"date_trunc('"} + (step == 1 ? "day" : "week") + "', " + local + ")";
    }
    // A Monday, so that weeks, however many, begin on one.
    return "('2001-01-01'::date + " + down("(" + local + ")::date - '2001-01-01'::date", step) +
           "::integer)::timestamp";
}

std::string floor_months(const std::string& local, std::int64_t step) {
    for (const auto& [width, name] : {std::pair{std::int64_t{1}, "month"},
                                      std::pair{kQuarter, "quarter"},
                                      std::pair{kYear, "year"}}) {
        if (step == width) {
            return "date_trunc('" + std::string{name} + "', " + local + ")";
        }
    }
    const std::string months =
        "extract(year FROM " + local + ") * 12 + extract(month FROM " + local + ") - 1 - 24000";
    return "('2000-01-01'::timestamp + " + down(months, step) +
           "::double precision * '1 month'::interval)";
}

}  // namespace

const char* name_of(TimeType type) {
    switch (type) {
        case TimeType::Timestamptz: return "timestamptz";
        case TimeType::Timestamp: return "timestamp";
        case TimeType::Date: return "date";
    }
    return "";
}

BucketCalendar::BucketCalendar(TimeType type, const conf::CalendarSpan& span, std::string zone)
    : type_{type},
      span_{span},
      zone_{span.time > microseconds{} || zone.empty() ? "UTC" : std::move(zone)} {}

std::string BucketCalendar::why_not(TimeType type, const conf::CalendarSpan& span) {
    const int kinds = (span.months != 0 ? 1 : 0) + (span.days != 0 ? 1 : 0) +
                      (span.time != microseconds{} ? 1 : 0);
    if (kinds != 1 || span.months < 0 || span.days < 0 || span.time < microseconds{}) {
        return "a bucket is of months, of days or of hours and less, one of them: \"1 hour\"";
    }
    if (span.time % seconds{1} != microseconds{}) {
        return "a bucket is of whole seconds";
    }
    if (type == TimeType::Date && span.time > microseconds{}) {
        return "the time column is a date: a bucket is of whole days";
    }
    return {};
}

bool BucketCalendar::is_zoned() const {
    return type_ == TimeType::Timestamptz && zone_ != "UTC";
}

std::string BucketCalendar::local(const std::string& sql) const {
    switch (type_) {
        case TimeType::Timestamptz:
            return "(" + sql + " AT TIME ZONE " + quote_literal(zone_) + ")";
        case TimeType::Timestamp: return sql;
        case TimeType::Date: return "(" + sql + ")::timestamp";
    }
    return sql;
}

std::string BucketCalendar::back(const std::string& local) const {
    switch (type_) {
        case TimeType::Timestamptz:
            return "(" + local + " AT TIME ZONE " + quote_literal(zone_) + ")";
        case TimeType::Timestamp: return local;
        case TimeType::Date: return "(" + local + ")::date";
    }
    return local;
}

std::string BucketCalendar::floored(const std::string& local) const {
    if (span_.months > 0) {
        return floor_months(local, span_.months);
    }
    return span_.days > 0 ? floor_days(local, span_.days)
                          : floor_seconds(local, std::max<std::int64_t>(seconds_of(span_), 1));
}

std::string BucketCalendar::bucket_of(const std::string& sql) const {
    return back(floored(local(sql)));
}

std::string BucketCalendar::shifted(const std::string& sql, std::int64_t count) const {
    // From the bucket's beginning by its zone's clock, which may not be there (a midnight that is
    // skipped) or be there twice.
    return back("(" + floored(local(sql)) + " + " + interval(times(span_, count)) + ")");
}

std::string BucketCalendar::before(const std::string& sql,
                                   const conf::CalendarSpan& back_by) const {
    return back(floored("(" + local(sql) + " - " + interval(back_by) + ")"));
}

std::string BucketCalendar::now(const conf::CalendarSpan& delay) const {
    std::string now = "now()";
    switch (type_) {
        case TimeType::Timestamptz: return before(now, delay);
        case TimeType::Timestamp:
            return before("(now() AT TIME ZONE " + quote_literal(zone_) + ")", delay);
        case TimeType::Date:
            return back(floored("((now() AT TIME ZONE " + quote_literal(zone_) + ") - " +
                                interval(delay) + ")"));
    }
    return now;
}

std::string BucketCalendar::literal(Label label) const {
    const std::string name = name_of(type_);
    if (label == kEarliest || label == kLatest || type_ == TimeType::Timestamptz) {
        return quote_literal(text_of(label)) + "::" + name;
    }
    constexpr std::string_view kZone = "+00";
    constexpr std::string_view kMidnight = " 00:00:00+00";
    const std::string_view tail = type_ == TimeType::Date ? kMidnight : kZone;
    std::string text = text_of(label);
    text.erase(text.rfind(tail), tail.size());
    return quote_literal(text) + "::" + name;
}

std::string BucketCalendar::label_of(const std::string& sql) const {
    return "CASE WHEN isfinite(" + sql + ") THEN extract(epoch FROM " + sql + ")::bigint END";
}

std::string BucketCalendar::to_control(const std::string& sql) const {
    switch (type_) {
        case TimeType::Timestamptz: return sql;
        case TimeType::Timestamp: return "(" + sql + " AT TIME ZONE 'UTC')";
        case TimeType::Date: return "((" + sql + ")::timestamp AT TIME ZONE 'UTC')";
    }
    return sql;
}

std::string BucketCalendar::from_control(const std::string& sql) const {
    switch (type_) {
        case TimeType::Timestamptz: return sql;
        case TimeType::Timestamp: return "(" + sql + " AT TIME ZONE 'UTC')";
        case TimeType::Date: return "(" + sql + " AT TIME ZONE 'UTC')::date";
    }
    return sql;
}

std::string BucketCalendar::in_buckets(const std::string& sql, Label low, Label high) const {
    return in_buckets(sql,
                      low == kEarliest ? std::string{} : literal(low),
                      high == kLatest ? std::string{} : literal(high));
}

std::string BucketCalendar::in_buckets(const std::string& sql,
                                       const std::string& low,
                                       const std::string& high) const {
    // A zone's clock may be set back over the beginning of a day: then times before that day's
    // label belong to it as well. Since 1970 none was set back by more than three hours.
    const std::string margin = is_zoned() ? " '4 hours'::interval" : "";
    std::string all = "isfinite(" + sql + ")";
    if (!low.empty()) {
        all += " AND " + sql + " >= " + low + (margin.empty() ? "" : " -" + margin);
    }
    if (!high.empty()) {
        all += " AND " + sql + " < " + high + (margin.empty() ? "" : " +" + margin);
    }
    if (!margin.empty()) {
        all += low.empty() ? "" : " AND " + bucket_of(sql) + " >= " + low;
        all += high.empty() ? "" : " AND " + bucket_of(sql) + " < " + high;
    }
    return "(" + all + ")";
}

std::int64_t BucketCalendar::count_between(Label low, Label high) const {
    const std::int64_t width = std::max<std::int64_t>(span_.about().count(), 1);
    return high <= low ? 0 : (high - low + width - 1) / width;
}

std::string text_of(Label label) {
    if (label == kEarliest) {
        return "-infinity";
    }
    if (label == kLatest) {
        return "infinity";
    }
    std::int64_t days = label / kDay;
    std::int64_t rest = label % kDay;
    if (rest < 0) {
        rest += kDay;
        --days;
    }
    // Days since 1970 to a date of the Gregorian calendar, counted in eras of 400 years that begin
    // on the first of March.
    constexpr std::int64_t kEra = 146'097;
    constexpr std::int64_t kToEra = 719'468;
    const std::int64_t shifted = days + kToEra;
    const std::int64_t era = (shifted >= 0 ? shifted : shifted - kEra + 1) / kEra;
    const std::int64_t day = shifted - era * kEra;
    const std::int64_t year = (day - day / 1460 + day / 36'524 - day / 146'096) / 365;
    const std::int64_t of_year = day - (365 * year + year / 4 - year / 100);
    const std::int64_t month = (5 * of_year + 2) / 153;
    const std::int64_t of_month = of_year - (153 * month + 2) / 5 + 1;
    const std::int64_t civil_month = month < 10 ? month + 3 : month - 9;
    const std::int64_t civil_year = year + era * 400 + (civil_month <= 2 ? 1 : 0);
    const bool is_before_christ = civil_year <= 0;  // there was no year 0
    std::array<char, 64> text{};
    std::snprintf(text.data(),
                  text.size(),
                  "%04lld-%02lld-%02lld %02lld:%02lld:%02lld+00%s",
                  static_cast<long long>(is_before_christ ? 1 - civil_year : civil_year),
                  static_cast<long long>(civil_month),
                  static_cast<long long>(of_month),
                  static_cast<long long>(rest / kHour),
                  static_cast<long long>(rest % kHour / 60),
                  static_cast<long long>(rest % 60),
                  is_before_christ ? " BC" : "");
    return text.data();
}

std::string control_label(const std::string& sql) {
    return "CASE WHEN isfinite(" + sql + ") THEN extract(epoch FROM " + sql + ")::bigint WHEN " +
           sql + " < '2000-01-01' THEN " + std::to_string(kEarliest + 1) + " - 1 ELSE " +
           std::to_string(kLatest) + " END";
}

std::string control_literal(Label label) {
    return quote_literal(text_of(label)) + "::timestamptz";
}

}  // namespace weir::maintenance
