#include "conf/maintenance_settings.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace weir::conf {

namespace {

using std::chrono::microseconds;

struct Unit {
    std::string_view name;  ///< singular; a letter alone has no plural
    std::int64_t months;
    std::int64_t days;
    microseconds time;
};

constexpr std::array kUnits{
    Unit{"year", 12, 0, {}},
    Unit{"quarter", 3, 0, {}},
    Unit{"month", 1, 0, {}},
    Unit{"mon", 1, 0, {}},
    Unit{"week", 0, 7, {}},
    Unit{"day", 0, 1, {}},
    Unit{"d", 0, 1, {}},
    Unit{"hour", 0, 0, std::chrono::hours{1}},
    Unit{"h", 0, 0, std::chrono::hours{1}},
    Unit{"minute", 0, 0, std::chrono::minutes{1}},
    Unit{"min", 0, 0, std::chrono::minutes{1}},
    Unit{"second", 0, 0, std::chrono::seconds{1}},
    Unit{"sec", 0, 0, std::chrono::seconds{1}},
    Unit{"s", 0, 0, std::chrono::seconds{1}},
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kWords{{
    {"hourly", "1 hour"},
    {"daily", "1 day"},
    {"weekly", "1 week"},
    {"monthly", "1 month"},
    {"quarterly", "3 months"},
    {"yearly", "1 year"},
}};

constexpr std::string_view kAccepted =
    "is no span of the calendar; accepted: numbers and units, as in \"1 month\", \"90 days\" or "
    "\"1 day 12 hours\" (years, "
    "quarters, months, weeks, days, hours, minutes, seconds), or hourly, daily, weekly, monthly, "
    "quarterly, yearly";
/// More than ten thousand years of anything is a slip of the hand.
constexpr std::int64_t kMaxSeconds = std::int64_t{10'000} * 366 * 86'400;

void skip_blanks(std::string_view& text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
}

const Unit* find_unit(std::string_view name) {
    std::string_view singular = name;
    if (!name.empty() && name.back() == 's') {
        singular.remove_suffix(1);
    }
    for (const Unit& unit : kUnits) {
        if (unit.name == name || (unit.name == singular && unit.name.size() > 1)) {
            return &unit;
        }
    }
    return nullptr;
}

/// Takes "12 months" off the front. @return whether it was there and is of a sane size
bool take_part(std::string_view& text, CalendarSpan& span) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || count < 0 || count > kMaxSeconds) {
        return false;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    skip_blanks(text);
    std::size_t length = 0;
    while (length < text.size() && text[length] >= 'a' && text[length] <= 'z') {
        ++length;
    }
    const Unit* unit = find_unit(text.substr(0, length));
    if (unit == nullptr) {
        return false;
    }
    text.remove_prefix(length);
    const CalendarSpan one{unit->months, unit->days, unit->time};
    if (count > kMaxSeconds / one.about().count()) {
        return false;
    }
    span.months += count * one.months;
    span.days += count * one.days;
    span.time += count * one.time;
    return span.about().count() <= kMaxSeconds;
}

std::string lower(std::string_view text) {
    std::string all{text};
    for (char& c : all) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return all;
}

}  // namespace

std::string CalendarSpan::sql() const {
    return std::to_string(months) + " mons " + std::to_string(days) + " days " +
           std::to_string(time.count()) + " microseconds";
}

std::chrono::seconds CalendarSpan::about() const {
    constexpr std::int64_t kDaysOfMonth = 30;
    return std::chrono::hours{24} * (months * kDaysOfMonth + days) +
           std::chrono::duration_cast<std::chrono::seconds>(time);
}

Parsed<CalendarSpan> parse_calendar_span(std::string_view text) {
    const std::string small = lower(text);
    std::string_view rest = small;
    for (const auto& [word, meaning] : kWords) {
        if (rest == word) {
            rest = meaning;
        }
    }
    CalendarSpan span;
    skip_blanks(rest);
    if (rest == "0") {
        return Parsed<CalendarSpan>::good(span);
    }
    do {
        if (!take_part(rest, span)) {
            return Parsed<CalendarSpan>::bad(std::string{kAccepted});
        }
        skip_blanks(rest);
    } while (!rest.empty());
    return Parsed<CalendarSpan>::good(span);
}

std::string format_calendar_span(const CalendarSpan& span) {
    constexpr std::int64_t kMinutesOfHour = 60;
    constexpr std::int64_t kSecondsOfMinute = 60;
    const std::int64_t seconds =
        std::chrono::duration_cast<std::chrono::seconds>(span.time).count();
    std::string text;
    const auto add = [&text](std::int64_t count, std::string_view unit) {
        if (count != 0) {
            text += (text.empty() ? "" : " ") + std::to_string(count) + " ";
            text.append(unit).append(count == 1 ? "" : "s");
        }
    };
    add(span.months, "month");
    add(span.days, "day");
    add(seconds / kSecondsOfMinute / kMinutesOfHour, "hour");
    add(seconds / kSecondsOfMinute % kMinutesOfHour, "minute");
    add(seconds % kSecondsOfMinute, "second");
    return text.empty() ? "0s" : text;
}

Parsed<KeyStep> parse_key_step(std::string_view text) {
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    if (const auto [at, error] = std::from_chars(text.data(), end, number);
        error == std::errc{} && at == end && number > 0) {
        return Parsed<KeyStep>::good({{}, number, std::string{text}});
    }
    const Parsed<CalendarSpan> span = parse_calendar_span(text);
    if (!span.value || span.value->is_zero()) {
        return Parsed<KeyStep>::bad(std::string{kAccepted} +
                                    ", and whole numbers above 0 for keys that are integers");
    }
    return Parsed<KeyStep>::good({*span.value, 0, std::string{text}});
}

}  // namespace weir::conf
