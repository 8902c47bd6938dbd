#include "conf/cron_line.hpp"

#include "conf/time_window.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace weir::conf;
using namespace std::chrono_literals;

namespace {

CronLine line(std::string_view text) {
    const auto parsed = parse_cron_line(text);
    CAPTURE(text);
    CAPTURE(parsed.problem);
    REQUIRE(parsed.value);
    return *parsed.value;
}

std::string problem(std::string_view text) {
    return parse_cron_line(text).problem;
}

std::string window_problem(std::string_view text) {
    return parse_time_window(text).problem;
}

constexpr std::uint64_t kAllMinutes = (std::uint64_t{1} << 60U) - 1;
constexpr std::uint32_t kAllHours = (1U << 24U) - 1;
constexpr std::uint32_t kAllDays = 0xfffffffe;
constexpr std::uint16_t kAllMonths = 0x1ffe;
constexpr std::uint8_t kAllWeekdays = 0x7f;

}  // namespace

TEST_CASE("cron: every field takes stars, numbers, lists, ranges, steps and names") {
    CHECK(line("* * * * *") ==
          CronLine{kAllMinutes, kAllHours, kAllDays, kAllMonths, kAllWeekdays, true, true});
    CHECK(line("0 2 1 1 0") == CronLine{1, 1U << 2U, 1U << 1U, 1U << 1U, 1, false, false});
    CHECK(
        line("59 23 31 12 6") ==
        CronLine{std::uint64_t{1} << 59U, 1U << 23U, 1U << 31U, 1U << 12U, 1U << 6U, false, false});
    CHECK(line("*/20 * * * *").minutes == (1 | 1U << 20U | std::uint64_t{1} << 40U));
    CHECK(line("5-20/5,7 * * * *").minutes ==
          (1U << 5U | 1U << 7U | 1U << 10U | 1U << 15U | 1U << 20U));
    CHECK(line("0 9-11 * * *").hours == (1U << 9U | 1U << 10U | 1U << 11U));
    CHECK(line("0 0 * jan,Mar-MAY *").months == (1U << 1U | 1U << 3U | 1U << 4U | 1U << 5U));
    CHECK(line("0 0 * * mon-fri").weekdays == 0b0111110);
    CHECK(line("\t 0  0 * * \t sat ").weekdays == 0b1000000);
}

TEST_CASE("cron: Sunday is 0 and 7, at the end of a range too") {
    CHECK(line("0 0 * * 7").weekdays == 1);
    CHECK(line("0 0 * * sun").weekdays == 1);
    CHECK(line("0 0 * * 5-7").weekdays == 0b1100001);
    CHECK(line("0 0 * * fri-sun").weekdays == 0b1100001);
    CHECK(line("0 0 * * sun-tue").weekdays == 0b0000111);
    CHECK(line("0 0 * * sun-sun").weekdays == kAllWeekdays);
    CHECK(line("0 0 * * */2").weekdays == 0b1010101);
}

TEST_CASE("cron: words stand for lines") {
    CHECK(line("@hourly") == line("0 * * * *"));
    CHECK(line("@daily") == line("0 0 * * *"));
    CHECK(line(" @Midnight ") == line("0 0 * * *"));
    CHECK(line("@weekly") == line("0 0 * * 0"));
    CHECK(line("@monthly") == line("0 0 1 * *"));
    CHECK(line("@yearly") == line("0 0 1 1 *"));
    CHECK(line("@annually") == line("0 0 1 1 *"));
    CHECK(problem("@reboot").starts_with("is no cron line; accepted: five fields"));
}

TEST_CASE("cron: days of the month and of the week are either-or where both are named") {
    const CronLine both = line("0 0 13 * fri");
    CHECK(both.is_on(2, 13, 1));
    CHECK(both.is_on(2, 14, 5));
    CHECK_FALSE(both.is_on(2, 14, 6));
    const CronLine day = line("0 0 13 3 *");
    CHECK(day.is_on(3, 13, 4));
    CHECK_FALSE(day.is_on(3, 14, 4));
    CHECK_FALSE(day.is_on(4, 13, 4));
    const CronLine weekday = line("0 0 * * fri");
    CHECK(weekday.is_on(1, 2, 5));
    CHECK_FALSE(weekday.is_on(1, 2, 4));
    // A step counts as a star, as it does for cron: both must hold.
    const CronLine step = line("0 0 */2 * fri");
    CHECK(step.any_day);
    CHECK(step.is_on(1, 3, 5));
    CHECK_FALSE(step.is_on(1, 2, 5));
    CHECK_FALSE(step.is_on(1, 3, 4));
}

TEST_CASE("cron: what is no line is told what would be one") {
    for (const char* text : {"", "  ", "* * * *", "* * * * * *", "daily", "@", "30s"}) {
        CAPTURE(text);
        CHECK(
            problem(text).starts_with("is no cron line; accepted: five fields, minute hour day "
                                      "month weekday, as in"));
    }
    CHECK(problem("60 * * * *") ==
          "has no minute in \"60\"; accepted: * or numbers from 0 to 59, with commas (1,3), ranges "
          "(0-4) and steps (*/2, 0-4/2)");
    CHECK(
        problem("0 24 * * *").starts_with("has no hour in \"24\"; accepted: * or numbers from 0"));
    CHECK(problem("0 0 0 * *").starts_with("has no day in \"0\""));
    CHECK(problem("0 0 32 * *").starts_with("has no day in \"32\""));
    CHECK(problem("0 0 * 13 *") ==
          "has no month in \"13\"; accepted: * or numbers from 1 to 12 or names from jan to dec, "
          "with commas (1,3), ranges (1-5) and steps (*/2, 1-5/2)");
    CHECK(problem("0 0 * 0 *").starts_with("has no month in \"0\""));
    CHECK(problem("0 0 * * 8").starts_with("has no weekday in \"8\""));
    CHECK(problem("0 0 * * fri-mon").starts_with("has no weekday in \"fri-mon\""));
    CHECK(problem("0 0 * monday *").starts_with("has no month in \"monday\""));
    for (const char* text : {",",
                             "1,",
                             ",1",
                             "1,,2",
                             "5-",
                             "-5",
                             "5-1",
                             "1-2-3",
                             "*/0",
                             "*/",
                             "/2",
                             "5/10",
                             "*/60",
                             "**",
                             "*-5",
                             "1.5",
                             "+1",
                             "-1",
                             "1-*",
                             "0x1",
                             "mon",
                             "18446744073709551616",
                             "*/18446744073709551616"}) {
        CAPTURE(text);
        CHECK(problem(std::string{text} + " * * * *").starts_with("has no minute in \""));
    }
    CHECK(problem(std::string(1'001, '*')).starts_with("is too long; "));
}

TEST_CASE("cron: a day that never comes is refused") {
    CHECK(problem("0 0 30 2 *").starts_with("never comes: no month it names has such a day; "));
    CHECK(problem("0 0 31 2,apr,6,9,11 *").starts_with("never comes"));
    CHECK(problem("0 0 30 2 */2").starts_with("never comes"));
    CHECK(line("0 0 29 2 *").is_on(2, 29, 3));
    CHECK(line("0 0 30 2 mon").is_on(2, 7, 1));
    CHECK(line("0 0 31 2,3 *").is_on(3, 31, 3));
}

TEST_CASE("windows: from and to, past midnight too") {
    const auto window = [](std::string_view text) { return *parse_time_window(text).value; };
    CHECK(window("02:00-05:00") == TimeWindow{2h, 5h});
    CHECK(window("22:30-04:15") == TimeWindow{22h + 30min, 4h + 15min});
    CHECK(window("22:00-24:00") == TimeWindow{22h, 0min});
    CHECK(window("00:00-23:59") == TimeWindow{0min, 23h + 59min});
    const TimeWindow night = window("22:00-04:00");
    CHECK(night.contains(22h));
    CHECK(night.contains(0min));
    CHECK(night.contains(3h + 59min));
    CHECK_FALSE(night.contains(4h));
    CHECK_FALSE(night.contains(21h + 59min));
    const TimeWindow early = window("02:00-05:00");
    CHECK(early.contains(2h));
    CHECK_FALSE(early.contains(5h));
    CHECK_FALSE(early.contains(1h + 59min));
    CHECK_FALSE(window("22:00-24:00").contains(0min));
}

TEST_CASE("windows: what is none is told what would be one") {
    for (const char* text : {"",
                             "02:00",
                             "2:00-5:00",
                             "02:00-",
                             "-05:00",
                             "02:00-05:00-06:00",
                             "02:60-05:00",
                             "25:00-05:00",
                             "24:00-05:00",
                             "02:00-24:01",
                             "0200-0500",
                             "02:00 - 05:00",
                             "+2:00-05:00",
                             "02:00-05:0",
                             "aa:bb-cc:dd"}) {
        CAPTURE(text);
        CHECK(window_problem(text) ==
              "is no window; accepted: from and to as HH:MM-HH:MM, as in \"02:00-05:00\" or "
              "\"22:30-04:00\"");
    }
    CHECK(window_problem("02:00-02:00").starts_with("begins when it ends; accepted: no windows"));
    CHECK(window_problem("00:00-24:00").starts_with("begins when it ends"));
}
