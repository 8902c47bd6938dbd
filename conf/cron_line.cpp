#include "conf/cron_line.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace weir::conf {

namespace {

/// One of the five: its numbers, and the names of some of them.
struct Field {
    std::string_view what;
    unsigned low;
    unsigned high;
    std::span<const std::string_view> names = {};  ///< of low, low + 1, …
};

constexpr std::array<std::string_view, 12> kMonths{
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays{
    "sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr unsigned kSundayToo = 7;

constexpr std::array kFields{Field{"minute", 0, 59},
                             Field{"hour", 0, 23},
                             Field{"day", 1, 31},
                             Field{"month", 1, 12, kMonths},
                             Field{"weekday", 0, kSundayToo, kWeekdays}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kWords{{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};

/// Of each month from January on, in the longest year.
constexpr std::array<unsigned, 12> kLongestMonths{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

constexpr const char* kAccepted =
    "accepted: five fields, minute hour day month weekday, as in \"30 2 * * mon-fri\" or "
    "\"*/10 * * * *\", or @hourly, @daily, @weekly, @monthly, @yearly";
/// Far above the longest list of a field's numbers.
constexpr std::size_t kMaxBytes = 1'000;

bool is_bit(std::uint64_t mask, unsigned bit) {
    return (mask >> bit & 1U) != 0;
}

std::string lower(std::string_view text) {
    std::string all{text};
    for (char& c : all) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return all;
}

/// @return the words, of blanks and tabs between them any number
std::vector<std::string_view> words_of(std::string_view text) {
    constexpr std::string_view kBlanks = " \t";
    std::vector<std::string_view> words;
    std::size_t from = text.find_first_not_of(kBlanks);
    while (from != std::string_view::npos) {
        const std::size_t to = std::min(text.find_first_of(kBlanks, from), text.size());
        words.push_back(text.substr(from, to - from));
        from = text.find_first_not_of(kBlanks, to);
    }
    return words;
}

std::optional<unsigned> number_of(const Field& field, std::string_view text) {
    const auto name = std::find(field.names.begin(), field.names.end(), text);
    if (name != field.names.end()) {
        return field.low + static_cast<unsigned>(name - field.names.begin());
    }
    const auto number = parse_digits(text);
    const bool is_within = number && *number >= field.low && *number <= field.high;
    return is_within ? std::optional{static_cast<unsigned>(*number)} : std::nullopt;
}

struct Range {
    unsigned from;
    unsigned to;
};

/// @param text "*", "5" or "1-5"
std::optional<Range> range_of(const Field& field, std::string_view text) {
    if (text == "*") {
        return Range{field.low, field.high};
    }
    const std::size_t dash = text.find('-');
    const auto from = number_of(field, text.substr(0, dash));
    auto to = dash == std::string_view::npos ? from : number_of(field, text.substr(dash + 1));
    if (dash != std::string_view::npos && text.substr(dash + 1) == kWeekdays.front()) {
        to = field.high == kSundayToo ? std::optional{kSundayToo} : to;  // as the end: "fri-sun"
    }
    return from && to && *from <= *to ? std::optional{Range{*from, *to}} : std::nullopt;
}

/// @param text one of a list: "*", "5", "1-5", "*/10", "1-30/10"
/// @return its bits, or nothing for what is none
std::optional<std::uint64_t> bits_of(const Field& field, std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string_view span = text.substr(0, slash);
    const auto range = range_of(field, span);
    std::optional<std::uint64_t> step = 1;
    if (slash != std::string_view::npos) {
        const bool is_span = span == "*" || span.find('-') != std::string_view::npos;
        step = is_span ? parse_digits(text.substr(slash + 1)) : std::nullopt;
    }
    if (!range || !step || *step == 0 || *step > field.high) {
        return std::nullopt;
    }
    std::uint64_t bits = 0;
    for (std::uint64_t at = range->from; at <= range->to; at += *step) {
        bits |= std::uint64_t{1} << at;
    }
    return bits;
}

std::string accepted_of(const Field& field) {
    std::string text = "accepted: * or numbers from " + std::to_string(field.low) + " to " +
                       std::to_string(field.high);
    if (!field.names.empty()) {
        text.append(" or names from ").append(field.names.front());
        text.append(" to ").append(field.names.back());
    }
    const std::string range = std::to_string(field.low) + "-" + std::to_string(field.low + 4);
    return text + ", with commas (1,3), ranges (" + range + ") and steps (*/2, " + range + "/2)";
}

Parsed<std::uint64_t> parse_field(const Field& field, std::string_view text) {
    std::uint64_t all = 0;
    for (bool is_last = false; !is_last;) {
        const std::size_t comma = text.find(',');
        const std::string_view part = text.substr(0, comma);
        const auto bits = bits_of(field, part);
        if (!bits) {
            return Parsed<std::uint64_t>::bad("has no " + std::string{field.what} + " in \"" +
                                              std::string{part} + "\"; " + accepted_of(field));
        }
        all |= *bits;
        is_last = comma == std::string_view::npos;
        text = is_last ? text : text.substr(comma + 1);
    }
    return Parsed<std::uint64_t>::good(all);
}

/// Whether a month is as long as that: the 30th of February never comes.
bool comes(const CronLine& line) {
    if (!line.any_day && !line.any_weekday) {
        return true;  // the weekday comes
    }
    for (unsigned month = 1; month <= kLongestMonths.size(); ++month) {
        const std::uint64_t its_days = (std::uint64_t{2} << kLongestMonths.at(month - 1)) - 1;
        if (is_bit(line.months, month) && (line.days & its_days) != 0) {
            return true;
        }
    }
    return false;
}

}  // namespace

bool CronLine::is_on(unsigned month, unsigned day, unsigned weekday) const {
    const bool is_day = is_bit(days, day);
    const bool is_weekday = is_bit(weekdays, weekday);
    return is_bit(months, month) &&
           (any_day || any_weekday ? is_day && is_weekday : is_day || is_weekday);
}

Parsed<CronLine> parse_cron_line(std::string_view text) {
    if (text.size() > kMaxBytes) {
        return Parsed<CronLine>::bad(std::string{"is too long; "} + kAccepted);
    }
    const std::string small = lower(text);
    std::vector<std::string_view> words = words_of(small);
    for (const auto& [word, meaning] : kWords) {
        if (words.size() == 1 && words.front() == word) {
            words = words_of(meaning);
        }
    }
    if (words.size() != kFields.size()) {
        return Parsed<CronLine>::bad(std::string{"is no cron line; "} + kAccepted);
    }
    std::array<std::uint64_t, kFields.size()> masks{};
    for (std::size_t i = 0; i < masks.size(); ++i) {
        const auto mask = parse_field(kFields.at(i), words[i]);
        if (!mask.value) {
            return Parsed<CronLine>::bad(mask.problem);
        }
        masks.at(i) = *mask.value;
    }
    const std::uint64_t sunday = masks[4] >> kSundayToo & 1U;
    const CronLine line{.minutes = masks[0],
                        .hours = static_cast<std::uint32_t>(masks[1]),
                        .days = static_cast<std::uint32_t>(masks[2]),
                        .months = static_cast<std::uint16_t>(masks[3]),
                        .weekdays = static_cast<std::uint8_t>((masks[4] | sunday) & 0x7fU),
                        .any_day = words[2].front() == '*',
                        .any_weekday = words[4].front() == '*'};
    if (!comes(line)) {
        return Parsed<CronLine>::bad(
            "never comes: no month it names has such a day; accepted: days those months have");
    }
    return Parsed<CronLine>::good(line);
}

}  // namespace weir::conf
