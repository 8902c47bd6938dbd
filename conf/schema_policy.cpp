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
/// Above what any result has.
constexpr std::uint64_t kMaxRows = 1'000'000'000'000;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 40U;
/// A statement takes longer than the microsecond this leaves each.
constexpr std::uint64_t kMaxRate = 1'000'000;
constexpr std::array<std::string_view, 3> kLimitActions{"error", "truncate", "warn"};
constexpr std::array<std::string_view, 3> kLogStatements{"none", "slow", "all"};
constexpr std::array<std::string_view, 4> kHints{"off", "route", "tighten", "all"};

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
    Setting{.section = Section::Policy,
            .key = "row_limit",
            .kind = Kind::Integer,
            .default_text = "0",
            .high = kMaxRows,
            .effect = Effect::Reload,
            .doc = "A result with more rows than this is handled as row_limit_action says; 0 = "
                   "no limit. Each result has its own count, in all that its portal is fetched "
                   "in.",
            .field = field<&PolicySettings::row_limit>(),
            .override_field = field<&PolicyOverrides::row_limit>()},
    Setting{.section = Section::Policy,
            .key = "byte_limit",
            .kind = Kind::Size,
            .default_text = "0",
            .high = kMaxBytes,
            .effect = Effect::Reload,
            .doc = "The same for the bytes of a result's rows.",
            .field = field<&PolicySettings::byte_limit>(),
            .override_field = field<&PolicyOverrides::byte_limit>()},
    Setting{.section = Section::Policy,
            .key = "row_limit_action",
            .kind = Kind::Choice,
            .default_text = "error",
            .choices = kLimitActions,
            .effect = Effect::Reload,
            .doc = "What becomes of a result that is larger than row_limit or byte_limit: error "
                   "(the client gets 54000, and the statement is cancelled on the server), "
                   "truncate (the rows so far, and a WARNING) or warn (all of it, and a "
                   "WARNING).",
            .field = field<&PolicySettings::row_limit_action>(),
            .override_field = field<&PolicyOverrides::row_limit_action>()},
    Setting{.section = Section::Policy,
            .key = "slow_query",
            .kind = Kind::Duration,
            .default_text = "1s",
            .effect = Effect::Reload,
            .doc = "A statement that takes at least this long is slow: it is logged as "
                   "log_statements says, counted, and kept in the ledger. 0 = none is.",
            .field = field<&PolicySettings::slow_query>(),
            .override_field = field<&PolicyOverrides::slow_query>()},
    Setting{.section = Section::Policy,
            .key = "log_statements",
            .kind = Kind::Choice,
            .default_text = "slow",
            .choices = kLogStatements,
            .effect = Effect::Reload,
            .doc =
                "Which statements are written to the log, without their literals: none, the slow "
                "ones, or all.",
            .field = field<&PolicySettings::log_statements>(),
            .override_field = field<&PolicyOverrides::log_statements>()},
    Setting{.section = Section::Policy,
            .key = "log_parameters",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "Statements are logged as they were written, with their literals and the "
                   "values bound to their parameters. These may be personal data or passwords.",
            .field = field<&PolicySettings::log_parameters>(),
            .override_field = field<&PolicyOverrides::log_parameters>()},
    Setting{.section = Section::Policy,
            .key = "explain_slow",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "How PostgreSQL plans a slow read is asked for with EXPLAIN, once an hour for "
                   "each statement, over a server connection that nobody needs; the plan is kept "
                   "in the ledger and its hash logged (docs/policies.md). Not in session mode, "
                   "nor with pool.state other than carry.",
            .field = field<&PolicySettings::explain_slow>(),
            .override_field = field<&PolicyOverrides::explain_slow>()},
    Setting{.section = Section::Policy,
            .key = "rate_limit",
            .kind = Kind::Integer,
            .default_text = "0",
            .high = kMaxRate,
            .effect = Effect::Reload,
            .doc = "Statements per second and client; as many as in one second may come at once. "
                   "Whoever sends more gets 53400. 0 = no limit.",
            .field = field<&PolicySettings::rate_limit>(),
            .override_field = field<&PolicyOverrides::rate_limit>()},
    Setting{.section = Section::Policy,
            .key = "read_only",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "Only statements that provably change nothing are run; all others fail with "
                   "25006. What a function does on the quiet PostgreSQL is to refuse: a role "
                   "without the rights is the safer lock.",
            .field = field<&PolicySettings::read_only>(),
            .override_field = field<&PolicyOverrides::read_only>()},
    Setting{.section = Section::Policy,
            .key = "hints",
            .kind = Kind::Choice,
            .default_text = "route",
            .choices = kHints,
            .effect = Effect::Reload,
            .doc =
                "What a comment such as /* weir: timeout=5s rows=100 */ in a statement may "
                "say: off (nothing), route (where the statement runs), tighten (that, and "
                "timeouts and limits below those that are configured, never above them; cache=1m "
                "where no time is configured, or below it), or "
                "all (that, and above them: whoever writes a statement then decides its "
                "limits).",
            .field = field<&PolicySettings::hints>(),
            .override_field = field<&PolicyOverrides::hints>()},

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
};

}  // namespace

std::span<const Setting> policy_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
