// The part of the table of settings about rules: what holds for some statements only.

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

// The same bounds and words as in [policy].
constexpr std::uint64_t kMaxRows = 1'000'000'000'000;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 40U;
constexpr std::array<std::string_view, 3> kRoutes{"auto", "primary", "replica"};
constexpr std::array<std::string_view, 3> kLimitActions{"error", "truncate", "warn"};
constexpr std::array<std::string_view, 3> kLogStatements{"none", "slow", "all"};

constexpr std::array kSettings{
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
            .key = "digest",
            .effect = Effect::Reload,
            .doc = "The statement's digest, 16 hexadecimal digits: the same for all statements "
                   "that differ in literals, comments and white space only. EXPLAIN POLICY, the "
                   "log and the ledger tell it.",
            .field = field<&RuleMatch::digest>()},
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
    Setting{.section = Section::RuleSet,
            .key = "statement_timeout",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "As in [policy]; 0s lifts it.",
            .field = field<&RuleSet::statement_timeout>()},
    Setting{.section = Section::RuleSet,
            .key = "row_limit",
            .kind = Kind::Integer,
            .default_text = "0",
            .high = kMaxRows,
            .effect = Effect::Reload,
            .doc = "As in [policy]; 0 lifts it.",
            .field = field<&RuleSet::row_limit>()},
    Setting{.section = Section::RuleSet,
            .key = "byte_limit",
            .kind = Kind::Size,
            .default_text = "0",
            .high = kMaxBytes,
            .effect = Effect::Reload,
            .doc = "As in [policy]; 0 lifts it.",
            .field = field<&RuleSet::byte_limit>()},
    Setting{.section = Section::RuleSet,
            .key = "row_limit_action",
            .kind = Kind::Choice,
            .default_text = "error",
            .choices = kLimitActions,
            .effect = Effect::Reload,
            .doc = "As in [policy].",
            .field = field<&RuleSet::row_limit_action>()},
    Setting{.section = Section::RuleSet,
            .key = "slow_query",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "As in [policy].",
            .field = field<&RuleSet::slow_query>()},
    Setting{.section = Section::RuleSet,
            .key = "log_statements",
            .kind = Kind::Choice,
            .default_text = "slow",
            .choices = kLogStatements,
            .effect = Effect::Reload,
            .doc = "As in [policy].",
            .field = field<&RuleSet::log_statements>()},
    Setting{.section = Section::RuleSet,
            .key = "log_parameters",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "As in [policy].",
            .field = field<&RuleSet::log_parameters>()},
    Setting{.section = Section::RuleSet,
            .key = "explain_slow",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "As in [policy].",
            .field = field<&RuleSet::explain_slow>()},
    Setting{.section = Section::RuleSet,
            .key = "read_only",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "As in [policy].",
            .field = field<&RuleSet::read_only>()},
    Setting{.section = Section::RuleSet,
            .key = "cache_ttl",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "How long the result is reused, if it can be cached and cache.enabled is true; "
                   "0s: not at all.",
            .field = field<&RuleSet::cache_ttl>()},
    Setting{.section = Section::RuleSet,
            .key = "deny",
            .kind = Kind::Text,
            .default_text = "",
            .effect = Effect::Reload,
            .doc = "The statement is refused with 42501 and this text; empty: what an earlier "
                   "rule refused is run.",
            .field = field<&RuleSet::deny>()},
};

}  // namespace

std::span<const Setting> rule_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
