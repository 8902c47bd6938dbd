#include "policies/health.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <utility>

namespace weir::policies {

namespace {

struct Scale {
    double from;  ///< used for values from here on
    double one;   ///< what one of it is worth
    std::string_view suffix;
};

constexpr std::array<Scale, 4> kTimes = {{
    {60.0, 60.0, " min"},
    {1.0, 1.0, " s"},
    {1e-3, 1e-3, " ms"},
    {0.0, 1e-6, " µs"},
}};

constexpr double kKibi = 1024.0;
constexpr std::array<Scale, 4> kSizes = {{
    {kKibi * kKibi * kKibi, kKibi* kKibi* kKibi, " GiB"},
    {kKibi * kKibi, kKibi* kKibi, " MiB"},
    {kKibi, kKibi, " KiB"},
    {0.0, 1.0, " B"},
}};

constexpr double kPercent = 100.0;

/// Three digits are enough to see on which side of a threshold a value is, almost always.
std::string number_text(double value) {
    constexpr std::size_t kRoom = 32;
    constexpr double kWholeFrom = 100.0;
    std::array<char, kRoom> room{};
    const double shown = std::abs(value) >= kWholeFrom ? std::round(value) : value;
    const bool whole = shown == std::round(shown) && std::abs(shown) < 1e15;
    const auto [end, error] =
        whole ? std::to_chars(
                    room.data(), room.data() + room.size(), static_cast<std::int64_t>(shown))
              : std::to_chars(
                    room.data(), room.data() + room.size(), shown, std::chars_format::general, 3);
    return error == std::errc{} ? std::string{room.data(), end} : "?";
}

std::string scaled(double value, const std::array<Scale, 4>& scales) {
    if (value == 0) {
        return "0" + std::string{&scales == &kTimes ? " s" : " B"};
    }
    for (const Scale& scale : scales) {
        if (std::abs(value) >= scale.from) {
            return number_text(value / scale.one).append(scale.suffix);
        }
    }
    return number_text(value);
}

bool is_bad(double value, double from, Bad bad) {
    return from != 0 && (bad == Bad::TooMuch ? value >= from : value < from);
}

Verdict described(const Measurement& measurement, Health health, double from) {
    std::string reason{measurement.name};
    reason.append(" is ").append(text_of(*measurement.value, measurement.unit)).append(", ");
    reason.append(name_of(health))
        .append(measurement.bad == Bad::TooMuch ? " from " : " below ")
        .append(text_of(from, measurement.unit));
    return {health, std::move(reason)};
}

void merge_into(Verdict& worst, const Verdict& next) {
    if (next.health > worst.health) {
        worst = next;
    } else if (next.health == worst.health && !next.reason.empty()) {
        worst.reason.append(worst.reason.empty() ? "" : "; ").append(next.reason);
    }
}

}  // namespace

Verdict judge(const Measurement& measurement) {
    if (!measurement.value || std::isnan(*measurement.value)) {
        return {};
    }
    const double value = *measurement.value;
    const Thresholds& from = measurement.thresholds;
    if (is_bad(value, from.critical_from, measurement.bad)) {
        return described(measurement, Health::Critical, from.critical_from);
    }
    if (is_bad(value, from.degraded_from, measurement.bad)) {
        return described(measurement, Health::Degraded, from.degraded_from);
    }
    return {};
}

Verdict worst_of(std::span<const Verdict> verdicts) {
    Verdict worst;
    for (const Verdict& verdict : verdicts) {
        merge_into(worst, verdict);
    }
    return worst;
}

std::string text_of(double value, Unit unit) {
    switch (unit) {
        case Unit::Ratio: return number_text(value * kPercent).append(" %");
        case Unit::Seconds: return scaled(value, kTimes);
        case Unit::Bytes: return scaled(value, kSizes);
    }
    return number_text(value);
}

}  // namespace weir::policies
