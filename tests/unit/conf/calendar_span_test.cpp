#include "conf/maintenance_settings.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace weir::conf;
using namespace std::chrono_literals;

namespace {

CalendarSpan span(std::string_view text) {
    const auto parsed = parse_calendar_span(text);
    CAPTURE(text);
    CAPTURE(parsed.problem);
    REQUIRE(parsed.value);
    return *parsed.value;
}

}  // namespace

TEST_CASE("calendar: numbers and units, singular, plural and short") {
    CHECK(span("1 month") == CalendarSpan{1, 0, 0us});
    CHECK(span("12 months") == CalendarSpan{12, 0, 0us});
    CHECK(span("3 mons") == CalendarSpan{3, 0, 0us});
    CHECK(span("2 quarters") == CalendarSpan{6, 0, 0us});
    CHECK(span("7 years") == CalendarSpan{84, 0, 0us});
    CHECK(span("2 weeks") == CalendarSpan{0, 14, 0us});
    CHECK(span("2555 days") == CalendarSpan{0, 2555, 0us});
    CHECK(span("90 minutes") == CalendarSpan{0, 0, 90min});
    CHECK(span("90 min") == CalendarSpan{0, 0, 90min});
    CHECK(span("15 mins") == CalendarSpan{0, 0, 15min});
    CHECK(span("30 secs") == CalendarSpan{0, 0, 30s});
    CHECK(span("1 Day 12 HOURS") == CalendarSpan{0, 1, 12h});
    CHECK(span("1 month 1 day 1 second") == CalendarSpan{1, 1, 1s});
    CHECK(span("  1month\t2days ") == CalendarSpan{1, 2, 0us});
    CHECK(span("1 hour 1 hour") == CalendarSpan{0, 0, 2h});
    CHECK(span("0 days").is_zero());
    CHECK_FALSE(span("1 second").is_zero());
}

TEST_CASE("calendar: words stand for spans") {
    CHECK(span("hourly") == span("1 hour"));
    CHECK(span("Daily") == span("1 day"));
    CHECK(span("weekly") == span("7 days"));
    CHECK(span("monthly") == span("1 month"));
    CHECK(span("quarterly") == span("3 months"));
    CHECK(span("yearly") == span("12 months"));
}

TEST_CASE("calendar: units of durations are read too, but for the m that could be either") {
    CHECK(span("36h") == CalendarSpan{0, 0, 36h});
    CHECK(span("30d") == CalendarSpan{0, 30, 0us});
    CHECK(span("45s") == CalendarSpan{0, 0, 45s});
    CHECK(span("0s").is_zero());
    CHECK(span("0").is_zero());
    CHECK_FALSE(parse_calendar_span("5m").value);
    CHECK_FALSE(parse_calendar_span("5ms").value);
}

TEST_CASE("calendar: a month has no length, only a usual one") {
    CHECK(span("1 month").about() == 30 * 24h);
    CHECK(span("1 year").about() == 360 * 24h);
    CHECK(span("1 day 90 seconds").about() == 24h + 90s);
    CHECK(span("1 month 2 days 1 hour").sql() == "1 mons 2 days 3600000000 microseconds");
}

TEST_CASE("calendar: what is no span is told what would be one") {
    for (const char* text : {"",
                             " ",
                             "month",
                             "1",
                             "12",
                             "1 fortnight",
                             "-1 day",
                             "+1 day",
                             "1.5 days",
                             "1 day and 2 hours",
                             "1 day,",
                             "1 day 2",
                             "1 s days",
                             "P1M",
                             "01:00:00",
                             "daily daily",
                             "2 daily",
                             "10200 years",
                             "9999999999999 seconds",
                             "99999999999999999999 days"}) {
        CAPTURE(text);
        const auto parsed = parse_calendar_span(text);
        CHECK_FALSE(parsed.value);
        CHECK(parsed.problem.starts_with(
            "is no span of the calendar; accepted: numbers and units, as in \"1 month\", "));
    }
    CHECK(parse_calendar_span("10000 years").value);
    CHECK_FALSE(parse_calendar_span("10000 years 10000 years").value);
}

TEST_CASE("key steps: of the calendar, or a number") {
    const auto step = [](std::string_view text) { return *parse_key_step(text).value; };
    CHECK(step("1 month") == KeyStep{{1, 0, 0us}, 0, "1 month"});
    CHECK(step("daily") == KeyStep{{0, 1, 0us}, 0, "daily"});
    CHECK(step("1000000") == KeyStep{{}, 1'000'000, "1000000"});
    CHECK(step("1000000").is_number());
    CHECK_FALSE(step("1 month").is_number());
    CHECK_FALSE(step("1 month").is_zero());
    CHECK(KeyStep{}.is_zero());
    for (const char* text : {"", "0", "-5", "0 days", "1e6", "10 apples", "99999999999999999999"}) {
        CAPTURE(text);
        const auto parsed = parse_key_step(text);
        CHECK_FALSE(parsed.value);
        CHECK(parsed.problem.ends_with("and whole numbers above 0 for keys that are integers"));
    }
}

TEST_CASE("calendar: spans are written as they are read") {
    CHECK(format_calendar_span(span("1 day")) == "1 day");
    CHECK(format_calendar_span(span("12 months")) == "12 months");
    CHECK(format_calendar_span(span("90 minutes")) == "1 hour 30 minutes");
    CHECK(format_calendar_span(CalendarSpan{}) == "0s");
    for (const char* text : {"1 year 2 days 3 seconds", "36h", "1 week 59 minutes", "0s"}) {
        CHECK(span(format_calendar_span(span(text))) == span(text));
    }
}
