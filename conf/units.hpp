#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

/// A value a person wrote, or what is wrong with it and what is accepted. The problem does not
/// repeat the value, which may be secret: it goes on where the caller names it ("has no unit;
/// accepted: …").
template <class T>
struct Parsed {
    std::optional<T> value;
    std::string problem;  ///< "" when there is a value

    [[nodiscard]] static Parsed bad(std::string why) { return {std::nullopt, std::move(why)}; }

    [[nodiscard]] static Parsed good(T parsed) { return {std::move(parsed), {}}; }
};

/// Ten years: long enough for anybody, short enough for every clock's arithmetic.
inline constexpr std::chrono::milliseconds kMaxDuration = std::chrono::hours{24 * 3650};

/// Reads a whole number and a unit: ms, s, m, h, d. Zero needs no unit.
[[nodiscard]] Parsed<std::chrono::milliseconds> parse_duration(std::string_view text);
/// @return the shortest exact form: "90s", "1h", "0s"
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

/// Reads a whole number and a unit: B, KiB, MiB, GiB, or the decimal kB, MB, GB. Zero needs no
/// unit.
[[nodiscard]] Parsed<std::uint64_t> parse_size(std::string_view text);
/// @return the shortest exact form in B, KiB, MiB or GiB
[[nodiscard]] std::string format_size(std::uint64_t bytes);

/// Reads decimal digits and nothing else.
/// @return empty for anything else and for what does not fit 64 bits
[[nodiscard]] std::optional<std::uint64_t> parse_digits(std::string_view text);

/// Reads a decimal number with or without a fraction.
/// @return empty for anything else, for infinity and for what is no number
[[nodiscard]] std::optional<double> parse_number(std::string_view text);
/// @return the shortest exact form, with a fraction: "2.0", "0.95"
[[nodiscard]] std::string format_number(double number);

/// @return the parts between commas without the spaces around them; empty ones are left out
[[nodiscard]] std::vector<std::string> split_at_commas(std::string_view text);
/// The same at another separator.
[[nodiscard]] std::vector<std::string> split_at(std::string_view text, char separator);

}  // namespace weir::conf
