#include "conf/time_window.hpp"

#include <optional>

namespace weir::conf {

namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr minutes kDay = hours{24};
constexpr const char* kAccepted =
    "accepted: from and to as HH:MM-HH:MM, as in \"02:00-05:00\" or \"22:30-04:00\"";

/// Reads "02:00", and "24:00" too.
std::optional<minutes> parse_time(std::string_view text) {
    constexpr std::size_t kColon = 2;
    if (text.size() != kColon + 3 || text[kColon] != ':') {
        return std::nullopt;
    }
    const auto hour = parse_digits(text.substr(0, kColon));
    const auto minute = parse_digits(text.substr(kColon + 1));
    if (!hour || !minute || *minute >= 60) {
        return std::nullopt;
    }
    const minutes time = hours{static_cast<int>(*hour)} + minutes{static_cast<int>(*minute)};
    return time <= kDay ? std::optional{time} : std::nullopt;
}

}  // namespace

Parsed<TimeWindow> parse_time_window(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto from = parse_time(text.substr(0, dash));
    const auto to =
        dash == std::string_view::npos ? std::nullopt : parse_time(text.substr(dash + 1));
    if (!from || !to || *from == kDay) {
        return Parsed<TimeWindow>::bad(std::string{"is no window; "} + kAccepted);
    }
    if (*from == *to % kDay) {
        return Parsed<TimeWindow>::bad(
            std::string{"begins when it ends; accepted: no windows at all for the whole day, else "
                        "two times, as in \"02:00-05:00\""});
    }
    return Parsed<TimeWindow>::good({*from, *to % kDay});
}

}  // namespace weir::conf
