#pragma once

#include "conf/units.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// When somebody is to be told, and where: [[alert]]. Plain values. Thread: any (read only).
namespace weir::conf {

/// What an alert looks at.
enum class AlertValue : std::uint8_t {
    PoolUsage,        ///< these five of each pool: its server connections in use, of max
    PoolWait,         ///< how long its clients wait
    ErrorRate,        ///< of its statements
    AverageResponse,  ///< of its statements
    WaitingClients,
    ReplicationLag,  ///< of each replica, as time
    BreakerOpen,     ///< of each member: 1 while its circuit breaker is open, else 0
    LedgerDropped,   ///< what the ledger could not keep in the last minute
};

/// What a value is written and shown in.
enum class AlertUnit : std::uint8_t {
    Share,  ///< 0..1
    Time,   ///< seconds in memory, "250ms" in the configuration
    Count,
};

enum class AlertComparison : std::uint8_t { Above, AtLeast, Below, AtMost };

/// @return the word in the configuration: "pool_usage", …
[[nodiscard]] std::string_view name_of(AlertValue value);
/// @return the sign: ">", ">=", "<" or "<="
[[nodiscard]] std::string_view name_of(AlertComparison comparison);
[[nodiscard]] AlertUnit unit_of(AlertValue value);

/// "pool_usage > 0.8 for 1m", read.
struct AlertCondition {
    AlertValue value = AlertValue::PoolUsage;
    AlertComparison comparison = AlertComparison::Above;
    double threshold = 0;              ///< times in seconds
    std::chrono::milliseconds hold{};  ///< zero = at once

    /// @return whether `measured` is what the condition is about; never for what is no number
    [[nodiscard]] bool is_met_by(double measured) const;
    /// @return whether `left` is farther on the condition's side than `right`
    [[nodiscard]] bool is_worse(double left, double right) const;

    bool operator==(const AlertCondition&) const = default;
};

/// Reads AlertSettings::when.
[[nodiscard]] Parsed<AlertCondition> parse_alert_condition(std::string_view text);

struct AlertSettings {
    std::string name;     ///< "" = `when` is
    std::string when;     ///< parse_alert_condition() takes it
    std::string webhook;  ///< an http:// or https:// URL, which may hold a secret; "" = none

    /// @return what the alert is called in logs, metrics and SHOW ALERTS; no two have the same
    [[nodiscard]] const std::string& title() const { return name.empty() ? when : name; }

    bool operator==(const AlertSettings&) const = default;
};

inline constexpr std::size_t kMaxAlerts = 100;

/// @return what is wrong with AlertSettings::webhook, without repeating it, or ""
[[nodiscard]] std::string problem_of_webhook(std::string_view url);

/// @param url that has no problem
/// @return what of it may be shown, "https://hooks.example.com:8443": user, path and query may be
/// secrets
[[nodiscard]] std::string webhook_origin(std::string_view url);

}  // namespace weir::conf
