#include "proxy/route_rules.hpp"

#include "base/wildcard.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <string>

namespace weir::proxy {

namespace {

bool matches_if_asked(std::string_view name, std::string_view pattern) {
    return pattern.empty() || matches_wildcard(name, pattern);
}

/// @param wanted "orders", in any schema, or "public.orders"
bool names_table(const sql::StatementFacts& facts, std::string_view wanted) {
    return std::any_of(
        facts.tables.begin(), facts.tables.end(), [wanted](const sql::QualifiedName& table) {
            return table.name == wanted ||
                   (!table.schema.empty() && table.schema + "." + table.name == wanted);
        });
}

}  // namespace

struct RouteRules::Rule {
    conf::RuleSettings settings;
    std::unique_ptr<RE2> regex;  // nullptr: it has none

    [[nodiscard]] bool matches(const RuleSubject& subject) const {
        const conf::RuleMatch& match = settings.match;
        return matches_if_asked(subject.database, match.database) &&
               matches_if_asked(subject.user, match.user) &&
               matches_if_asked(subject.application_name, match.application_name) &&
               (match.table.empty() || names_table(subject.facts, match.table)) &&
               (regex == nullptr ||
                RE2::PartialMatch({subject.text.data(), subject.text.size()}, *regex));
    }
};

RouteRules::RouteRules(const std::vector<conf::RuleSettings>& rules) {
    for (const conf::RuleSettings& settings : rules) {
        if (!settings.set.route) {
            continue;
        }
        auto rule = std::make_unique<Rule>();
        rule->settings = settings;
        if (!settings.match.regex.empty()) {
            RE2::Options options;
            options.set_log_errors(false);  // it has been checked when it was read
            rule->regex = std::make_unique<RE2>(settings.match.regex, options);
        }
        rules_.push_back(std::move(rule));
    }
}

RouteRules::~RouteRules() = default;

std::optional<conf::RuleRoute> RouteRules::route_of(const RuleSubject& subject) const {
    const auto last = std::find_if(rules_.rbegin(), rules_.rend(), [&subject](const auto& rule) {
        return rule->matches(subject);
    });
    return last == rules_.rend() ? std::nullopt : (*last)->settings.set.route;
}

}  // namespace weir::proxy
