#include "maintenance/cron_calendar.hpp"

#include <doctest/doctest.h>

#include <ctime>
#include <iomanip>
#include <sstream>
#include <string>
#include <vector>

namespace weir::maintenance {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// @param text in UTC: "2026-03-29 01:00:00"
WallTime at(const std::string& text) {
    std::tm parts{};
    std::istringstream in{text};
    in >> std::get_time(&parts, "%Y-%m-%d %H:%M:%S");
    REQUIRE_FALSE(in.fail());
    return WallTime{seconds{timegm(&parts)}};
}

std::string text_of(WallTime when) {
    const std::time_t time = std::chrono::duration_cast<seconds>(when.time_since_epoch()).count();
    std::tm parts{};
    gmtime_r(&time, &parts);
    std::ostringstream out;
    out << std::put_time(&parts, "%Y-%m-%d %H:%M:%S");
    return out.str();
}

CronCalendar calendar_of(const std::string& zone) {
    const auto calendar = CronCalendar::in(zone);
    REQUIRE(calendar);
    return *calendar;
}

conf::CronLine line_of(const std::string& text) {
    const auto line = conf::parse_cron_line(text);
    REQUIRE(line.value);
    return *line.value;
}

std::vector<conf::TimeWindow> windows_of(const std::vector<std::string>& texts) {
    std::vector<conf::TimeWindow> windows;
    for (const std::string& text : texts) {
        const auto window = conf::parse_time_window(text);
        REQUIRE(window.value);
        windows.push_back(*window.value);
    }
    return windows;
}

struct Case {
    const char* zone;
    const char* line;
    const char* after;               // UTC
    std::vector<std::string> nexts;  // UTC
};

/// Clocks of Berlin: 2026-03-29 01:00Z from 02:00 to 03:00, 2026-10-25 01:00Z from 03:00 to 02:00.
/// Clocks of Lord Howe (+10:30, half an hour more in summer): 2026-04-04 15:00Z from 02:00 to
/// 01:30, 2026-10-03 15:30Z from 02:00 to 02:30. St. John's put them back at 00:01 until 2011.
const Case kCases[] = {
    {"UTC",
     "0 2 * * *",
     "2026-11-23 01:00:00",
     {"2026-11-23 02:00:00", "2026-11-24 02:00:00", "2026-11-25 02:00:00"}},
    {"UTC", "0 3 * * 0", "2026-11-23 03:00:00", {"2026-11-29 03:00:00", "2026-12-06 03:00:00"}},
    {"UTC", "0 4 1 * *", "2026-12-01 04:00:00", {"2027-01-01 04:00:00", "2027-02-01 04:00:00"}},
    {"UTC", "0 0 31 * *", "2026-01-31 00:00:00", {"2026-03-31 00:00:00", "2026-05-31 00:00:00"}},
    {"UTC", "0 0 29 2 *", "2026-01-01 00:00:00", {"2028-02-29 00:00:00", "2032-02-29 00:00:00"}},
    {"UTC",
     "0 0 29 feb */7",
     "2026-01-01 00:00:00",
     {"2032-02-29 00:00:00", "2060-02-29 00:00:00"}},
    {"UTC", "0 0 13 * fri", "2026-11-01 00:00:00", {"2026-11-06 00:00:00", "2026-11-13 00:00:00"}},
    {"UTC",
     "*/15 8-9 * * 1-5",
     "2026-11-27 09:44:59",
     {"2026-11-27 09:45:00", "2026-11-30 08:00:00"}},
    {"UTC", "* * * * *", "2026-12-31 23:59:30", {"2027-01-01 00:00:00", "2027-01-01 00:01:00"}},
    // In summer and in winter, by the clock on the wall.
    {"Europe/Berlin",
     "0 4 * * *",
     "2026-03-28 02:00:00",
     {"2026-03-28 03:00:00", "2026-03-29 02:00:00", "2026-03-30 02:00:00"}},
    // 02:30 does not exist on the 29th: the first instant after the gap.
    {"Europe/Berlin",
     "30 2 * * *",
     "2026-03-28 01:00:00",
     {"2026-03-28 01:30:00", "2026-03-29 01:00:00", "2026-03-30 00:30:00"}},
    // All that the gap swallows is one time.
    {"Europe/Berlin",
     "*/20 2,3 * * *",
     "2026-03-29 00:59:59",
     {"2026-03-29 01:00:00", "2026-03-29 01:20:00", "2026-03-29 01:40:00", "2026-03-30 00:00:00"}},
    // 02:30 comes twice on the 25th: once.
    {"Europe/Berlin",
     "30 2 * * *",
     "2026-10-24 00:30:00",
     {"2026-10-25 00:30:00", "2026-10-26 01:30:00"}},
    // What comes every hour goes on coming every hour.
    {"Europe/Berlin",
     "15 * * * *",
     "2026-10-24 23:15:00",
     {"2026-10-25 00:15:00", "2026-10-25 01:15:00", "2026-10-25 02:15:00"}},
    {"Europe/Berlin",
     "0 * * * *",
     "2026-03-29 00:00:00",
     {"2026-03-29 01:00:00", "2026-03-29 02:00:00"}},
    // Half an hour is put back, and skipped.
    {"Australia/Lord_Howe",
     "45 1 * * *",
     "2026-04-03 15:00:00",
     {"2026-04-04 14:45:00", "2026-04-05 15:15:00"}},
    {"Australia/Lord_Howe",
     "15 2 * * *",
     "2026-10-02 15:45:00",
     {"2026-10-03 15:30:00", "2026-10-04 15:15:00"}},
    {"Australia/Lord_Howe",
     "0 2 * * *",
     "2026-10-02 15:30:00",
     {"2026-10-03 15:30:00", "2026-10-04 15:00:00"}},
    // At 00:01 of the 7th it was 23:01 of the 6th once more: 00:00 came before the second 23:30.
    {"America/St_Johns",
     "30 23 * * *",
     "2010-11-06 03:00:00",
     {"2010-11-07 02:00:00", "2010-11-08 03:00:00"}},
    {"America/St_Johns",
     "0,30 * * * *",
     "2010-11-07 02:00:00",
     {"2010-11-07 02:30:00", "2010-11-07 03:00:00", "2010-11-07 03:30:00", "2010-11-07 04:00:00"}},
};

}  // namespace

TEST_SUITE("cron_calendar") {
    TEST_CASE("cron_calendar: a line is due by the clock on the wall of its zone") {
        for (const Case& one : kCases) {
            CAPTURE(one.zone);
            CAPTURE(one.line);
            const CronCalendar calendar = calendar_of(one.zone);
            WallTime when = at(one.after);
            for (const std::string& expected : one.nexts) {
                const auto next = calendar.next(line_of(one.line), when);
                REQUIRE(next);
                CHECK(text_of(*next) == expected);
                when = *next;
            }
        }
    }

    TEST_CASE("cron_calendar: from anywhere between two times the next is the same") {
        const CronCalendar calendar = calendar_of("Australia/Lord_Howe");
        const conf::CronLine line = line_of("10,50 1-2 * * *");
        for (WallTime when = at("2026-10-02 00:00:00"); when < at("2026-10-05 00:00:00");) {
            const WallTime next = *calendar.next(line, when);
            CHECK(calendar.next(line, when + (next - when) / 2) == next);
            CHECK(calendar.next(line, next - milliseconds{1}) == next);
            when = next;
        }
    }

    TEST_CASE("cron_calendar: a zone that nobody knows is none") {
        CHECK_FALSE(CronCalendar::in("Europe/Nowhere"));
        CHECK_FALSE(CronCalendar::in(""));
    }

    TEST_CASE("cron_calendar: windows open and close by the clock on the wall") {
        const CronCalendar berlin = calendar_of("Europe/Berlin");
        const auto night = windows_of({"22:00-05:00"});
        CHECK(berlin.is_open(night, at("2026-07-01 20:00:00")));
        CHECK_FALSE(berlin.is_open(night, at("2026-07-01 19:59:59")));
        CHECK(berlin.is_open(night, at("2026-07-02 02:59:59")));
        CHECK_FALSE(berlin.is_open(night, at("2026-07-02 03:00:00")));
        CHECK(text_of(berlin.opens(night, at("2026-07-01 12:00:00"))) == "2026-07-01 20:00:00");
        CHECK(text_of(berlin.opens(night, at("2026-12-01 12:00:00"))) == "2026-12-01 21:00:00");
        CHECK(text_of(berlin.opens(night, at("2026-07-01 23:00:00"))) == "2026-07-01 23:00:00");
        CHECK(text_of(berlin.closes(night, at("2026-07-01 23:00:00"))) == "2026-07-02 03:00:00");
    }

    TEST_CASE("cron_calendar: windows that touch are one, and none are always open") {
        const CronCalendar utc = calendar_of("UTC");
        const auto two = windows_of({"02:00-04:00", "04:00-06:00", "12:00-13:00"});
        CHECK(text_of(utc.closes(two, at("2026-07-01 02:30:00"))) == "2026-07-01 06:00:00");
        CHECK(text_of(utc.opens(two, at("2026-07-01 06:00:00"))) == "2026-07-01 12:00:00");
        CHECK(utc.is_open({}, at("2026-07-01 06:00:00")));
        CHECK(utc.opens({}, at("2026-07-01 06:00:00")) == at("2026-07-01 06:00:00"));
        CHECK(utc.closes({}, at("2026-07-01 06:00:00")) == WallTime::max());
        CHECK(utc.closes(windows_of({"00:00-12:00", "12:00-24:00"}), at("2026-07-01 06:00:00")) ==
              WallTime::max());
    }

    TEST_CASE("cron_calendar: a window that the clocks skip does not open that day") {
        const CronCalendar berlin = calendar_of("Europe/Berlin");
        const auto skipped = windows_of({"02:10-02:50"});
        CHECK(text_of(berlin.opens(skipped, at("2026-03-28 12:00:00"))) == "2026-03-30 00:10:00");
    }

    TEST_CASE("cron_calendar: intervals have the same marks in every process") {
        CHECK(next_of_interval(seconds{10}, at("2026-07-01 00:00:03")) ==
              at("2026-07-01 00:00:10"));
        CHECK(next_of_interval(seconds{10}, at("2026-07-01 00:00:10")) ==
              at("2026-07-01 00:00:20"));
        CHECK(next_of_interval(hours{1}, at("2026-07-01 00:59:59")) == at("2026-07-01 01:00:00"));
        CHECK(next_of_interval(minutes{1}, WallTime{milliseconds{-1}}) == WallTime{});
    }
}

}  // namespace weir::maintenance
