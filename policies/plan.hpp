#pragma once

#include "conf/policy_settings.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace weir::policies {

/// Why a statement must not run.
enum class Refusal : std::uint8_t {
    None,
    Denied,    ///< by a rule: 42501, with Plan::deny
    ReadOnly,  ///< it may write, and its user may not: 25006
};

/// Who has said how long a result may be reused: a rule, by its number from 0 on, or one of these.
inline constexpr int kCacheByDefault = -1;  ///< cache.default_ttl
inline constexpr int kCacheByHint = -2;     ///< the statement's own comment

/// What holds for one statement: made once by decide(), carried out by the data path. Zero = no
/// limit. Immutable, shared by all statements it holds for.
struct Plan {
    std::chrono::milliseconds statement_timeout{};
    std::uint64_t row_limit = 0;
    std::uint64_t byte_limit = 0;
    conf::LimitAction limit_action = conf::LimitAction::Error;
    std::chrono::milliseconds slow_query{};  ///< zero = never slow
    conf::LogStatements log_statements = conf::LogStatements::Slow;
    bool log_parameters = false;
    bool explain_slow = false;
    /// Its result may be reused for so long, if it can be cached at all; zero = is not.
    std::chrono::milliseconds cache_ttl{};
    int cache_from = kCacheByDefault;  ///< where cache_ttl is from, if it is not zero
    conf::RuleRoute route = conf::RuleRoute::Auto;
    Refusal refusal = Refusal::None;
    /// It ends with a reset of all that was set in its session; known where something hangs on it.
    bool resets_settings = false;
    std::string deny;  ///< for the client

    [[nodiscard]] bool limits_result() const { return row_limit > 0 || byte_limit > 0; }

    bool operator==(const Plan&) const = default;
};

using PlanPtr = std::shared_ptr<const Plan>;

}  // namespace weir::policies
