#pragma once

#include "conf/policy_settings.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "sql/statement_facts.hpp"

namespace weir::proxy {

/// A statement, as rules see it.
struct RuleSubject {
    std::string_view database;
    std::string_view user;
    std::string_view application_name;
    std::string_view text;
    const sql::StatementFacts& facts;
};

/// The [[rule]]s of a configuration, made ready to be asked for every statement.
/// @thread any
class RouteRules {
public:
    explicit RouteRules(const std::vector<conf::RuleSettings>& rules);
    RouteRules(const RouteRules&) = delete;
    RouteRules& operator=(const RouteRules&) = delete;
    RouteRules(RouteRules&&) = delete;
    RouteRules& operator=(RouteRules&&) = delete;
    ~RouteRules();

    /// @return where the last rule that matches, and says something of it, sends the statement
    [[nodiscard]] std::optional<conf::RuleRoute> route_of(const RuleSubject& subject) const;

private:
    struct Rule;

    std::vector<std::unique_ptr<Rule>> rules_;
};

}  // namespace weir::proxy
