#pragma once

#include <chrono>

/// From where on a pool or a cluster counts as degraded or critical: [health]. Plain values.
/// Thread: any (read only).
namespace weir::conf {

/// Two limits that a measured value reaches; `degraded` is below `critical` where both are set, and
/// above it where too little is bad. Zero = none.
template <class T>
struct Thresholds {
    T degraded{};
    T critical{};

    bool operator==(const Thresholds&) const = default;
};

struct HealthSettings {
    Thresholds<double> pool_usage;  ///< 0..1, of max
    Thresholds<std::chrono::milliseconds> pool_wait;
    Thresholds<double> error_rate;  ///< 0..1, of the statements
    Thresholds<double>
        cache_hit_rate;  ///< 0..1, of what may be answered from the cache; too little is bad
    Thresholds<std::chrono::milliseconds> average_response;

    bool operator==(const HealthSettings&) const = default;
};

}  // namespace weir::conf
