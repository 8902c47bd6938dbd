#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::policies {

/// How something does, best first; the numbers are those of the metric weir_pool_health.
enum class Health : std::uint8_t { Healthy = 0, Degraded = 1, Critical = 2 };

/// @return "healthy", "degraded" or "critical"
[[nodiscard]] constexpr std::string_view name_of(Health health) {
    switch (health) {
        case Health::Healthy: return "healthy";
        case Health::Degraded: return "degraded";
        case Health::Critical: return "critical";
    }
    return "critical";
}

/// What a measured number is in, and so how people read it.
enum class Unit : std::uint8_t {
    Ratio,    ///< 0.93 is shown as "93 %"
    Seconds,  ///< 0.25 is shown as "250 ms"
    Bytes,    ///< "1.5 MiB"
};

/// From where on a value counts as bad, in the value's own unit; 0 switches that step off.
struct Thresholds {
    double degraded_from = 0;
    double critical_from = 0;
};

/// On which side of its thresholds a number is bad.
enum class Bad : std::uint8_t { TooMuch, TooLittle };

/// One number and how to judge it.
struct Measurement {
    std::string_view name;  ///< of the setting in [health], as "pool_usage"; outlives the call
    Unit unit = Unit::Ratio;
    Thresholds thresholds{};
    std::optional<double> value{};  ///< empty, or not a number: nothing was measured yet
    Bad bad = Bad::TooMuch;
};

struct Verdict {
    Health health = Health::Healthy;
    std::string reason;  ///< "" when healthy, else "pool_usage is 97 %, critical from 95 %"
};

/// Judges one number; what was not measured is healthy.
[[nodiscard]] Verdict judge(const Measurement& measurement);

/// @return the worst of them, with the reasons of all that are as bad, joined by "; "
[[nodiscard]] Verdict worst_of(std::span<const Verdict> verdicts);

/// @return the number as people read it, with its unit
[[nodiscard]] std::string text_of(double value, Unit unit);

}  // namespace weir::policies
