// The part of the table of settings about what a statement may do and what is done when it fails.

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

/// What a breaker can count.
constexpr std::uint64_t kMaxCalls = 1'000'000;
/// In milliseconds.
constexpr std::uint64_t kShortestWindow = 100;
constexpr std::array<std::string_view, 3> kRoutes{"auto", "primary", "replica"};

constexpr std::array kSettings{
    Setting{
        .section = Section::Policy,
        .key = "statement_timeout",
        .kind = Kind::Duration,
        .default_text = "0s",
        .effect = Effect::Reload,
        .doc =
            "A statement that runs longer on the server is cancelled there; its client gets "
            "57014 and stays connected. Each statement of a pipeline has its own time; one query "
            "string with several statements counts as one. A server that does not answer the "
            "cancel loses the "
            "connection.",
        .field = field<&PolicySettings::statement_timeout>(),
        .override_field = field<&PolicyOverrides::statement_timeout>()},

    Setting{.section = Section::Retry,
            .key = "connect",
            .kind = Kind::Backoff,
            .default_text = "attempts=0, base=100ms, multiplier=2.0, max=1s, jitter=true",
            .effect = Effect::Reload,
            .doc = "A server that cannot be connected or logged in to. Clients wait meanwhile, up "
                   "to pool.acquire_timeout; once so many attempts in a row have failed, and no "
                   "connection of the pool serves anybody, whoever waits gets the server's error. "
                   "0 attempts: there is no such end. No pause is shorter than 10 ms.",
            .field = field<&RetrySettings::connect>(),
            .override_field = field<&RetryOverrides::connect>()},
    Setting{.section = Section::Retry,
            .key = "statement",
            .kind = Kind::Backoff,
            .default_text = "attempts=3, base=500ms, multiplier=2.0, max=5s, jitter=true",
            .low = 1,
            .effect = Effect::Reload,
            .doc = "A read that lost its replica before the first row. The first retry goes on at "
                   "once, on another server; the pauses are before those that follow.",
            .field = field<&RetrySettings::statement>(),
            .override_field = field<&RetryOverrides::statement>()},
    Setting{.section = Section::Retry,
            .key = "transaction",
            .kind = Kind::Backoff,
            .default_text = "attempts=5, base=100ms, multiplier=2.0, max=2s, jitter=true",
            .low = 1,
            .effect = Effect::Reload,
            .doc = "A transaction of one statement that the server rolled back with 40001 "
                   "(serialization failure) or 40P01 (deadlock).",
            .field = field<&RetrySettings::transaction>(),
            .override_field = field<&RetryOverrides::transaction>()},
    Setting{.section = Section::Retry,
            .key = "also_retry",
            .kind = Kind::Patterns,
            .effect = Effect::Reload,
            .doc = "Errors that are tried again on top of those above, where trying again is safe. "
                   "An entry of five capitals and digits is an SQLSTATE, such as \"55P03\"; any "
                   "other is looked for in the error's message, where * stands for any characters "
                   "and capitals matter: \"could not obtain lock*row\".",
            .field = field<&RetrySettings::also_retry>(),
            .override_field = field<&RetryOverrides::also_retry>()},

    Setting{.section = Section::Breaker,
            .key = "enabled",
            .kind = Kind::Boolean,
            .default_text = "true",
            .effect = Effect::Reload,
            .doc = "Whether members have breakers.",
            .field = field<&BreakerSettings::enabled>()},
    Setting{.section = Section::Breaker,
            .key = "failure_rate",
            .kind = Kind::Share,
            .default_text = "0.5",
            .effect = Effect::Reload,
            .doc = "The share of failed calls in the last window at which it opens.",
            .field = field<&BreakerSettings::failure_rate>()},
    Setting{.section = Section::Breaker,
            .key = "min_calls",
            .kind = Kind::Integer,
            .default_text = "20",
            .low = 1,
            .high = kMaxCalls,
            .effect = Effect::Reload,
            .doc = "It opens only after this many calls in the window.",
            .field = field<&BreakerSettings::min_calls>()},
    Setting{.section = Section::Breaker,
            .key = "window",
            .kind = Kind::Duration,
            .default_text = "10s",
            .low = kShortestWindow,
            .effect = Effect::Reload,
            .doc = "How far back calls count.",
            .field = field<&BreakerSettings::window>()},
    Setting{.section = Section::Breaker,
            .key = "open_for",
            .kind = Kind::Duration,
            .default_text = "10s",
            .low = kShortestWindow,
            .effect = Effect::Reload,
            .doc = "How long an open one lets nothing through; then it is half-open.",
            .field = field<&BreakerSettings::open_for>()},
    Setting{.section = Section::Breaker,
            .key = "half_open_calls",
            .kind = Kind::Integer,
            .default_text = "3",
            .low = 1,
            .high = kMaxCalls,
            .effect = Effect::Reload,
            .doc = "A half-open one lets this many calls through: it closes when all succeed, and "
                   "opens again when one fails.",
            .field = field<&BreakerSettings::half_open_calls>()},
    Setting{.section = Section::Breaker,
            .key = "slow_call",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "A call that takes longer is slow; 0 = none is.",
            .field = field<&BreakerSettings::slow_call>()},
    Setting{.section = Section::Breaker,
            .key = "slow_rate",
            .kind = Kind::Share,
            .default_text = "1.0",
            .effect = Effect::Reload,
            .doc = "The share of slow calls in the last window at which it opens too.",
            .field = field<&BreakerSettings::slow_rate>()},

    Setting{.section = Section::RuleMatch,
            .key = "database",
            .effect = Effect::Reload,
            .doc = "The database the client asked for; * stands for any characters: \"shop*\".",
            .field = field<&RuleMatch::database>()},
    Setting{.section = Section::RuleMatch,
            .key = "user",
            .effect = Effect::Reload,
            .doc = "The user who logged in to Weir; * as above.",
            .field = field<&RuleMatch::user>()},
    Setting{.section = Section::RuleMatch,
            .key = "application_name",
            .effect = Effect::Reload,
            .doc = "The client's application_name; * as above: \"bi-*\".",
            .field = field<&RuleMatch::application_name>()},
    Setting{.section = Section::RuleMatch,
            .key = "table",
            .effect = Effect::Reload,
            .doc = "A table the statement names: \"orders\" in any schema, or \"public.orders\" "
                   "when it is written so.",
            .field = field<&RuleMatch::table>()},
    Setting{.section = Section::RuleMatch,
            .key = "regex",
            .effect = Effect::Reload,
            .doc = "A regular expression (RE2's syntax) that is found anywhere in the statement's "
                   "text; (?i) in front: capitals do not matter, ^ and $: the whole text.",
            .field = field<&RuleMatch::regex>()},

    Setting{
        .section = Section::RuleSet,
        .key = "route",
        .kind = Kind::Choice,
        .default_text = "auto",
        .choices = kRoutes,
        .effect = Effect::Reload,
        .doc = "Where the statement goes: to the primary, to a replica, or auto: where it would go "
               "without rules.",
        .field = field<&RuleSet::route>()},
};

}  // namespace

std::span<const Setting> policy_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
