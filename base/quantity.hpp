#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

/// Whole numbers with a unit, as people write durations and sizes. Thread: any.
namespace weir {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

/// Of durations, in milliseconds.
inline constexpr std::array kDurationUnits{
    Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
/// Of sizes, in bytes: the binary ones first.
inline constexpr std::array kSizeUnits{Unit{"B", 1},
                                       Unit{"KiB", 1ULL << 10U},
                                       Unit{"MiB", 1ULL << 20U},
                                       Unit{"GiB", 1ULL << 30U},
                                       Unit{"kB", 1'000},
                                       Unit{"MB", 1'000'000},
                                       Unit{"GB", 1'000'000'000}};

enum class QuantityStatus : std::uint8_t { Ok, NoNumber, TooLarge, NoUnit, UnknownUnit };

struct Quantity {
    QuantityStatus status = QuantityStatus::Ok;
    std::uint64_t value = 0;  ///< in the unit whose factor is 1
};

/// @return empty for anything but decimal digits and for what does not fit 64 bits
[[nodiscard]] constexpr std::optional<std::uint64_t> read_digits(std::string_view text) {
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9' || __builtin_mul_overflow(value, std::uint64_t{10}, &value) ||
            __builtin_add_overflow(value, static_cast<std::uint64_t>(c - '0'), &value)) {
            return std::nullopt;
        }
    }
    return text.empty() ? std::nullopt : std::optional{value};
}

/// Reads a whole number, blanks where there are any, and a unit. Zero needs no unit.
[[nodiscard]] constexpr Quantity read_quantity(std::string_view text, std::span<const Unit> units) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    std::string_view name = text.substr(digits);
    name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
    if (digits == 0) {
        return {QuantityStatus::NoNumber};
    }
    const auto number = read_digits(text.substr(0, digits));
    if (!number) {
        return {QuantityStatus::TooLarge};
    }
    if (name.empty()) {
        return {*number == 0 ? QuantityStatus::Ok : QuantityStatus::NoUnit};
    }
    for (const Unit& unit : units) {
        if (unit.name == name) {
            std::uint64_t product = 0;
            return __builtin_mul_overflow(*number, unit.factor, &product)
                       ? Quantity{QuantityStatus::TooLarge}
                       : Quantity{QuantityStatus::Ok, product};
        }
    }
    return {QuantityStatus::UnknownUnit};
}

}  // namespace weir
