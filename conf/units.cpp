#include "conf/units.hpp"

#include "base/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>

namespace weir::conf {

namespace {

constexpr std::string_view kDurationForm =
    R"(accepted: a whole number and ms, s, m, h or d, such as "250ms"; 0 switches it off)";
constexpr std::string_view kSizeForm =
    R"(accepted: a whole number and B, KiB, MiB, GiB, kB, MB or GB, such as "64KiB")";

/// Those of kSizeUnits that sizes are written in; the decimal ones are only read.
constexpr std::size_t kBinaryUnits = 4;

Parsed<std::uint64_t> parse_with_unit(std::string_view text,
                                      std::span<const Unit> units,
                                      std::string_view form) {
    const auto complain = [form](std::string_view what) {
        return Parsed<std::uint64_t>::bad(std::string{what} + "; " + std::string{form});
    };
    const Quantity quantity = read_quantity(text, units);
    switch (quantity.status) {
        case QuantityStatus::Ok: return Parsed<std::uint64_t>::good(quantity.value);
        case QuantityStatus::NoNumber: return complain("does not begin with a whole number");
        case QuantityStatus::TooLarge: return complain("is too large");
        case QuantityStatus::NoUnit: return complain("has no unit");
        case QuantityStatus::UnknownUnit: return complain("has an unknown unit");
    }
    return complain("is not understood");
}

/// @param units from the smallest to the largest
std::string format_with_unit(std::uint64_t value, std::span<const Unit> units) {
    const Unit* best = &units.front();
    for (const Unit& unit : units) {
        if (value % unit.factor == 0) {
            best = &unit;
        }
    }
    return std::to_string(value / best->factor) + std::string{best->name};
}

}  // namespace

std::optional<std::uint64_t> parse_digits(std::string_view text) {
    return read_digits(text);
}

Parsed<std::chrono::milliseconds> parse_duration(std::string_view text) {
    const auto count = parse_with_unit(text, kDurationUnits, kDurationForm);
    if (!count.value) {
        return Parsed<std::chrono::milliseconds>::bad(count.problem);
    }
    if (*count.value > static_cast<std::uint64_t>(kMaxDuration.count())) {
        return Parsed<std::chrono::milliseconds>::bad("is too long; accepted: up to " +
                                                      format_duration(kMaxDuration));
    }
    return Parsed<std::chrono::milliseconds>::good(
        std::chrono::milliseconds{static_cast<std::int64_t>(*count.value)});
}

std::string format_duration(std::chrono::milliseconds duration) {
    const auto count = static_cast<std::uint64_t>(duration.count());
    return count == 0 ? "0s" : format_with_unit(count, kDurationUnits);
}

Parsed<std::uint64_t> parse_size(std::string_view text) {
    return parse_with_unit(text, kSizeUnits, kSizeForm);
}

std::string format_size(std::uint64_t bytes) {
    return bytes == 0 ? "0" : format_with_unit(bytes, std::span{kSizeUnits}.first(kBinaryUnits));
}

std::optional<double> parse_number(std::string_view text) {
    double number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    const bool is_whole_text = !text.empty() && error == std::errc{} && stop == end;
    return is_whole_text && std::isfinite(number) ? std::optional{number} : std::nullopt;
}

std::string format_number(double number) {
    std::string text = fmt::format("{}", number);
    const bool has_mark = text.find_first_not_of("-0123456789") != std::string::npos;
    return has_mark ? text : text + ".0";
}

std::vector<std::string> split_at_commas(std::string_view text) {
    return split_at(text, ',');
}

std::vector<std::string> split_at(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(separator), text.size());
        std::string_view part = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
        part = part.substr(0, part.find_last_not_of(' ') + 1);
        if (!part.empty()) {
            parts.emplace_back(part);
        }
    }
    return parts;
}

}  // namespace weir::conf
