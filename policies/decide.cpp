#include "policies/decide.hpp"

#include "conf/policy_place.hpp"
#include "conf/units.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "sql/digest.hpp"
#include "sql/lexer.hpp"
#include "sql/read_only.hpp"

namespace weir::policies {

namespace {

/// Who had the last word: the number of a rule, from 0, or one of these.
using Origin = int;
constexpr Origin kSettings = kCacheByDefault;
constexpr Origin kHint = kCacheByHint;

struct Origins {
    Origin statement_timeout = kSettings;
    Origin row_limit = kSettings;
    Origin byte_limit = kSettings;
    Origin row_limit_action = kSettings;
    Origin slow_query = kSettings;
    Origin log_statements = kSettings;
    Origin log_parameters = kSettings;
    Origin explain_slow = kSettings;
    Origin route = kSettings;
    Origin read_only = kSettings;
    Origin cache_ttl = kSettings;
    Origin deny = kSettings;
};

struct Decision {
    Plan plan;
    Origins origins;
    bool is_read_only = false;
};

Plan plan_of(const conf::PolicySettings& settings) {
    Plan plan;
    plan.statement_timeout = settings.statement_timeout;
    plan.row_limit = settings.row_limit;
    plan.byte_limit = settings.byte_limit;
    plan.limit_action = settings.row_limit_action;
    plan.slow_query = settings.slow_query;
    plan.log_statements = settings.log_statements;
    plan.log_parameters = settings.log_parameters;
    plan.explain_slow = settings.explain_slow;
    plan.cache_ttl = settings.cache_ttl.value_or(std::chrono::milliseconds{});
    return plan;
}

void add_rule(Decision& decision, const conf::RuleSet& set, Origin rule) {
    const auto lay = [rule](auto& value, const auto& said, Origin& origin) {
        if (said) {
            value = *said;
            origin = rule;
        }
    };
    Plan& plan = decision.plan;
    Origins& origins = decision.origins;
    lay(plan.statement_timeout, set.statement_timeout, origins.statement_timeout);
    lay(plan.row_limit, set.row_limit, origins.row_limit);
    lay(plan.byte_limit, set.byte_limit, origins.byte_limit);
    lay(plan.limit_action, set.row_limit_action, origins.row_limit_action);
    lay(plan.slow_query, set.slow_query, origins.slow_query);
    lay(plan.log_statements, set.log_statements, origins.log_statements);
    lay(plan.log_parameters, set.log_parameters, origins.log_parameters);
    lay(plan.explain_slow, set.explain_slow, origins.explain_slow);
    lay(plan.route, set.route, origins.route);
    lay(decision.is_read_only, set.read_only, origins.read_only);
    lay(plan.cache_ttl, set.cache_ttl, origins.cache_ttl);
    lay(plan.deny, set.deny, origins.deny);
}

/// @return whether this limit leaves less than that one; zero: none
template <class T>
bool is_stricter(T limit, T than) {
    return limit != T{} && (than == T{} || limit < than);
}

/// A rule that nobody can tell to hold or not: what it forbids is forbidden, what it allows is not
/// allowed.
void add_doubtful_rule(Decision& decision, const conf::RuleSet& set, Origin rule) {
    const auto lay_if = [rule](bool is_better, auto& value, const auto& said, Origin& origin) {
        if (is_better) {
            value = *said;
            origin = rule;
        }
    };
    const auto lay_stricter = [&](auto& value, const auto& said, Origin& origin) {
        lay_if(said && is_stricter(*said, value), value, said, origin);
    };
    Plan& plan = decision.plan;
    Origins& origins = decision.origins;
    lay_stricter(plan.statement_timeout, set.statement_timeout, origins.statement_timeout);
    lay_stricter(plan.row_limit, set.row_limit, origins.row_limit);
    lay_stricter(plan.byte_limit, set.byte_limit, origins.byte_limit);
    lay_if(set.read_only.value_or(false), decision.is_read_only, set.read_only, origins.read_only);
    lay_if(set.deny && !set.deny->empty(), plan.deny, set.deny, origins.deny);
}

/// @return whether a comment may say this of a limit
template <class T>
bool may_set(conf::Hints allowed, const std::optional<T>& said, T now) {
    if (!said || allowed == conf::Hints::Off || allowed == conf::Hints::Route) {
        return false;
    }
    return allowed == conf::Hints::All || is_stricter(*said, now);
}

/// @return whether a comment may say how long the result is reused: who writes a statement may ask
/// for a newer result than all others get, and for an older one only where nobody has said anything
bool may_cache(conf::Hints allowed,
               const std::optional<std::chrono::milliseconds>& said,
               std::chrono::milliseconds now) {
    const bool is_none = said && allowed >= conf::Hints::Tighten && said->count() == 0;
    return is_none || may_set(allowed, said, now);
}

void add_hint(Decision& decision, const sql::Hint& hint, conf::Hints allowed) {
    const auto lay = [allowed](auto& value, const auto& said, Origin& origin) {
        if (may_set(allowed, said, value)) {
            value = *said;
            origin = kHint;
        }
    };
    Plan& plan = decision.plan;
    Origins& origins = decision.origins;
    lay(plan.statement_timeout, hint.timeout, origins.statement_timeout);
    lay(plan.row_limit, hint.rows, origins.row_limit);
    lay(plan.byte_limit, hint.bytes, origins.byte_limit);
    if (may_cache(allowed, hint.cache, plan.cache_ttl)) {
        plan.cache_ttl = *hint.cache;
        origins.cache_ttl = kHint;
    }
    const auto route = allowed == conf::Hints::Off ? std::nullopt : route_of(hint);
    if (route) {
        plan.route = *route;
        origins.route = kHint;
    }
}

/// @return as PostgreSQL says it of a read-only transaction
std::string read_only_text(std::string_view sql) {
    std::string word = sql::shape_of(sql).kind;
    std::transform(word.begin(), word.end(), word.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return "cannot execute " + (word.empty() ? "this" : word) + " in a read-only session";
}

void refuse(Decision& decision, const Subject& subject) {
    Plan& plan = decision.plan;
    plan.resets_settings =
        subject.is_unread || (subject.facts != nullptr && subject.facts->resets_settings);
    if (!plan.deny.empty()) {
        plan.refusal = Refusal::Denied;
        return;
    }
    const bool may_run =
        !decision.is_read_only ||
        (subject.facts != nullptr && sql::may_run_read_only(*subject.facts, subject.text));
    if (!may_run) {
        plan.refusal = Refusal::ReadOnly;
        plan.deny = read_only_text(subject.text);
    }
}

/// @return whether it is known which result would be reused
bool may_be_cached(const Subject& subject, const conf::PolicySettings& settings) {
    return settings.cache_ttl && !subject.is_doubtful && !subject.is_unread &&
           !subject.text.empty();
}

Decision make(const Subject& subject,
              const conf::PolicySettings& settings,
              const Rules& rules,
              const sql::Hint& hint) {
    Decision decision{plan_of(settings), {}, settings.read_only};
    for (std::size_t i = 0; i < rules.size(); ++i) {
        switch (rules.match(i, subject)) {
            case Match::No: break;
            case Match::Yes: add_rule(decision, rules.set_of(i), static_cast<Origin>(i)); break;
            case Match::Maybe:
                add_doubtful_rule(decision, rules.set_of(i), static_cast<Origin>(i));
                break;
        }
    }
    add_hint(decision, hint, settings.hints);
    if (!may_be_cached(subject, settings)) {
        decision.plan.cache_ttl = {};
    }
    if (decision.plan.cache_ttl.count() > 0) {
        decision.plan.cache_from = decision.origins.cache_ttl;
    }
    refuse(decision, subject);
    return decision;
}

}  // namespace

std::optional<conf::RuleRoute> route_of(const sql::Hint& hint) {
    switch (hint.route) {
        case sql::RouteHint::None: return std::nullopt;
        case sql::RouteHint::Auto: return conf::RuleRoute::Auto;
        case sql::RouteHint::Replica: return conf::RuleRoute::Replica;
        case sql::RouteHint::Primary: return conf::RuleRoute::Primary;
    }
    return std::nullopt;
}

Plan decide(const Subject& subject,
            const conf::PolicySettings& settings,
            const Rules& rules,
            const sql::Hint& hint) {
    return make(subject, settings, rules, hint).plan;
}

bool needs_facts(const Session& session, const conf::PolicySettings& settings, const Rules& rules) {
    return settings.read_only || rules.needs_facts(session);
}

bool is_of_digest(const Subject& subject,
                  const conf::PolicySettings& settings,
                  const Rules& rules) {
    const bool may_hang_on_literals = subject.facts != nullptr && subject.facts->calls_set_config &&
                                      needs_facts(subject.session, settings, rules);
    return !may_hang_on_literals && !rules.needs_text(subject.session);
}

namespace {

std::string_view text_of(bool flag) {
    return flag ? "true" : "false";
}

std::string text_of(const sql::Hint& hint) {
    std::string text;
    const auto add = [&text](std::string_view what) {
        text.append(text.empty() ? "" : " ").append(what);
    };
    if (const auto route = route_of(hint)) {
        add("route=" + std::string{name_of(*route)});
    }
    if (hint.timeout) {
        add("timeout=" + conf::format_duration(*hint.timeout));
    }
    if (hint.rows) {
        add("rows=" + std::to_string(*hint.rows));
    }
    if (hint.bytes) {
        add("bytes=" + conf::format_size(*hint.bytes));
    }
    if (hint.cache) {
        add("cache=" + conf::format_duration(*hint.cache));
    }
    if (hint.has_unknown) {
        add("(and what means nothing)");
    }
    return text;
}

std::string result_of(const Plan& plan) {
    switch (plan.refusal) {
        case Refusal::None: return "may run";
        case Refusal::Denied: return "fails with 42501: " + plan.deny;
        case Refusal::ReadOnly: return "fails with 25006: " + plan.deny;
    }
    return "";
}

/// Gathers the lines.
class Explainer {
public:
    Explainer(const Session& session, const conf::Config& config)
        : session_{session}, config_{config} {}

    void add(std::string_view key, std::string value, Origin origin = kSettings) {
        parts_.push_back({key, std::move(value), place_of(key, origin)});
    }

    void add_from(std::string_view name, std::string value, std::string from) {
        parts_.push_back({name, std::move(value), std::move(from)});
    }

    [[nodiscard]] std::string place_of(std::string_view key, Origin origin) const {
        if (origin == kHint) {
            return "hint";
        }
        return origin == kSettings
                   ? conf::policy_place(config_, session_.database, session_.user, key)
                   : "rule " + std::to_string(origin + 1);
    }

    std::vector<PlanPart> take() { return std::move(parts_); }

private:
    const Session& session_;
    const conf::Config& config_;
    std::vector<PlanPart> parts_;
};

}  // namespace

Explanation explain(const Subject& subject,
                    const conf::Config& config,
                    const Rules& rules,
                    const sql::Hint& hint) {
    const conf::PolicySettings settings =
        config.policy_for(subject.session.database, subject.session.user);
    const Decision decision = make(subject, settings, rules, hint);
    const Plan& plan = decision.plan;
    const Origins& origins = decision.origins;
    Explainer lines{subject.session, config};
    const auto origin_of_no_key = [&lines](Origin origin) {
        return origin == kSettings ? std::string{"default"} : lines.place_of({}, origin);
    };

    lines.add_from("digest", sql::digest_text(subject.digest), "statement");
    if (!(hint == sql::Hint{})) {
        lines.add_from("hint", text_of(hint), "statement");
    }
    lines.add("statement_timeout",
              conf::format_duration(plan.statement_timeout),
              origins.statement_timeout);
    lines.add("row_limit", std::to_string(plan.row_limit), origins.row_limit);
    lines.add("byte_limit", conf::format_size(plan.byte_limit), origins.byte_limit);
    lines.add(
        "row_limit_action", std::string{name_of(plan.limit_action)}, origins.row_limit_action);
    lines.add("slow_query", conf::format_duration(plan.slow_query), origins.slow_query);
    lines.add("log_statements", std::string{name_of(plan.log_statements)}, origins.log_statements);
    lines.add("log_parameters", std::string{text_of(plan.log_parameters)}, origins.log_parameters);
    lines.add("explain_slow", std::string{text_of(plan.explain_slow)}, origins.explain_slow);
    lines.add("rate_limit", std::to_string(settings.rate_limit));
    lines.add("read_only", std::string{text_of(decision.is_read_only)}, origins.read_only);
    lines.add("hints", std::string{name_of(settings.hints)});
    const std::string kept_by = !settings.cache_ttl ? "cache.enabled"
                                : origins.cache_ttl == kSettings && plan.cache_ttl.count() > 0
                                    ? "cache"
                                    : origin_of_no_key(origins.cache_ttl);
    lines.add_from("cache_ttl", conf::format_duration(plan.cache_ttl), kept_by);
    lines.add_from("route", std::string{name_of(plan.route)}, origin_of_no_key(origins.route));
    const std::string judge = plan.refusal == Refusal::ReadOnly
                                  ? lines.place_of("read_only", origins.read_only)
                                  : origin_of_no_key(origins.deny);
    lines.add_from("result", result_of(plan), judge);
    return {plan, lines.take()};
}

}  // namespace weir::policies
