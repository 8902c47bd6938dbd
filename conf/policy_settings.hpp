#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a statement may do, and what is done about a failed one: [policy], [policy.retry],
/// [policy.breaker] and [[rule]]. Plain values. Thread: any (read only).
namespace weir::conf {

using std::chrono::milliseconds;

/// How often something is tried, and how long each pause is: `base`, then `multiplier` times the
/// one before, never above `max`.
struct Backoff {
    unsigned attempts = 0;  ///< tries in all, the first one included; 0 = without an end
    milliseconds base{};
    double multiplier = 1;  ///< from 1
    milliseconds max{};     ///< zero = pauses grow without a limit
    bool jitter = false;    ///< each pause is a random share of what it would be

    bool operator==(const Backoff&) const = default;
};

struct RetrySettings {
    Backoff connect;
    Backoff statement;
    Backoff transaction;
    /// Five capitals and digits are an SQLSTATE, see is_sqlstate(); anything else is looked for in
    /// the message, where * stands for any characters and everything else for itself.
    std::vector<std::string> also_retry;

    bool operator==(const RetrySettings&) const = default;
};

/// @return whether an entry of RetrySettings::also_retry is an SQLSTATE: [0-9A-Z]{5}
[[nodiscard]] bool is_sqlstate(std::string_view entry);

/// The keys of [policy.retry] somebody wrote in one place. A table is taken whole.
struct RetryOverrides {
    std::optional<Backoff> connect;
    std::optional<Backoff> statement;
    std::optional<Backoff> transaction;
    std::optional<std::vector<std::string>> also_retry;

    bool operator==(const RetryOverrides&) const = default;
};

/// What becomes of a result that is larger than its limits.
enum class LimitAction : std::uint8_t {
    Error,     ///< 54000, and the statement is cancelled
    Truncate,  ///< what fits, and a warning
    Warn,      ///< all of it, and a warning
};

/// Which statements are logged.
enum class LogStatements : std::uint8_t { None, Slow, All };

/// Whether a comment in a statement may say what holds for it.
enum class Hints : std::uint8_t {
    Off,
    Route,    ///< where it runs, and nothing else
    Tighten,  ///< that, and limits that are below those of the configuration
    All,
};

/// @return the word in the configuration
[[nodiscard]] std::string_view name_of(LimitAction action);
[[nodiscard]] std::string_view name_of(LogStatements which);
[[nodiscard]] std::string_view name_of(Hints which);

/// What a statement may do. Zero = no limit.
struct PolicySettings {
    milliseconds statement_timeout{};
    std::uint64_t row_limit = 0;
    std::uint64_t byte_limit = 0;  ///< of the rows of a result
    LimitAction row_limit_action = LimitAction::Error;
    milliseconds slow_query{};  ///< zero = none is slow
    LogStatements log_statements = LogStatements::Slow;
    bool log_parameters = false;
    bool explain_slow = false;
    std::uint64_t rate_limit = 0;  ///< statements per second and client
    bool read_only = false;
    Hints hints = Hints::Route;
    RetrySettings retry;
    /// How long results are reused where nothing else is said, zero = they are not; empty: nothing
    /// is cached, whatever is said. Not a key of [policy]: Config::policy_for() takes it from
    /// [cache].
    std::optional<milliseconds> cache_ttl;

    bool operator==(const PolicySettings&) const = default;
};

/// The policy keys somebody wrote in one place; what is empty comes from the next less specific
/// place.
struct PolicyOverrides {
    std::optional<milliseconds> statement_timeout;
    std::optional<std::uint64_t> row_limit;
    std::optional<std::uint64_t> byte_limit;
    std::optional<LimitAction> row_limit_action;
    std::optional<milliseconds> slow_query;
    std::optional<LogStatements> log_statements;
    std::optional<bool> log_parameters;
    std::optional<bool> explain_slow;
    std::optional<std::uint64_t> rate_limit;
    std::optional<bool> read_only;
    std::optional<Hints> hints;
    RetryOverrides retry;

    bool operator==(const PolicyOverrides&) const = default;
};

[[nodiscard]] RetrySettings merge(RetrySettings base, const RetryOverrides& overrides);
[[nodiscard]] PolicySettings merge(PolicySettings base, const PolicyOverrides& overrides);

/// When a member of a cluster gets no calls for a while.
struct BreakerSettings {
    bool enabled = false;
    double failure_rate = 1;  ///< above 0, at most 1
    unsigned min_calls = 1;   ///< from 1
    milliseconds window{};
    milliseconds open_for{};
    unsigned half_open_calls = 1;  ///< from 1
    milliseconds slow_call{};      ///< zero = no call is slow
    double slow_rate = 1;          ///< above 0, at most 1

    bool operator==(const BreakerSettings&) const = default;
};

/// Where a rule sends what it matches. Auto: where Weir would send it.
enum class RuleRoute : std::uint8_t { Auto, Primary, Replica };

/// @return the word in the configuration: "auto", "primary" or "replica"
[[nodiscard]] std::string_view name_of(RuleRoute route);

/// What a rule is about. All that is not "" must match.
struct RuleMatch {
    std::string database;  ///< these three: the whole name, where * stands for any
    std::string user;      ///< characters and everything else for itself
    std::string application_name;
    std::string table;   ///< "orders" in any schema, or "public.orders"
    std::string digest;  ///< 16 hexadecimal digits, as SHOW STATEMENTS and the slow log tell it
    std::string regex;   ///< RE2 takes it; found anywhere in the statement's text

    bool operator==(const RuleMatch&) const = default;
};

/// What a rule says; what is empty it says nothing about.
struct RuleSet {
    std::optional<RuleRoute> route;
    std::optional<milliseconds> statement_timeout;
    std::optional<std::uint64_t> row_limit;
    std::optional<std::uint64_t> byte_limit;
    std::optional<LimitAction> row_limit_action;
    std::optional<milliseconds> slow_query;
    std::optional<LogStatements> log_statements;
    std::optional<bool> log_parameters;
    std::optional<bool> explain_slow;
    std::optional<bool> read_only;
    std::optional<milliseconds> cache_ttl;  ///< zero = not cached
    std::optional<std::string> deny;        ///< why it is refused; "" = it is not

    bool operator==(const RuleSet&) const = default;
};

/// Rules are read in order; each that matches adds its settings to, or over, those of the ones
/// before.
struct RuleSettings {
    RuleMatch match;
    RuleSet set;

    bool operator==(const RuleSettings&) const = default;
};

inline constexpr std::size_t kMaxRules = 1000;

}  // namespace weir::conf
