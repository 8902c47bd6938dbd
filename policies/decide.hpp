#pragma once

#include "conf/model.hpp"
#include "policies/plan.hpp"
#include "policies/rules.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/hint.hpp"

/// What holds for a statement: the settings of its database and user, over them the rules in their
/// order, over these what the statement's own comments say. Pure.
namespace weir::policies {

/// @param settings Config::policy_for() the subject's database and user
/// @param hint sql::read_hint() of the subject's text; what settings.hints does not allow is
/// ignored
/// @thread any
[[nodiscard]] Plan decide(const Subject& subject,
                          const conf::PolicySettings& settings,
                          const Rules& rules,
                          const sql::Hint& hint);

/// @return whether decide() needs Subject::facts for that session
[[nodiscard]] bool needs_facts(const Session& session,
                               const conf::PolicySettings& settings,
                               const Rules& rules);

/// @return whether what decide() says for this subject without a hint it says for every text of the
/// same digest, in a session like it
[[nodiscard]] bool is_of_digest(const Subject& subject,
                                const conf::PolicySettings& settings,
                                const Rules& rules);

/// @return where a hint sends its statement; empty: it says nothing of it
[[nodiscard]] std::optional<conf::RuleRoute> route_of(const sql::Hint& hint);

/// One line of an explanation.
struct PlanPart {
    std::string_view
        name;  ///< a key of [policy], or "digest", "hint", "cache_ttl", "route", "result"
    std::string value;
    std::string from;  ///< "default", "policy", "database.shop.policy", "user.app.policy",
                       ///< "cache", "cache.enabled", "rule 3", "hint", "statement"
};

struct Explanation {
    Plan plan;  ///< what decide() says
    std::vector<PlanPart> parts;
};

/// Says what decide() does, and why.
/// @param config that `rules` are of
[[nodiscard]] Explanation explain(const Subject& subject,
                                  const conf::Config& config,
                                  const Rules& rules,
                                  const sql::Hint& hint);

}  // namespace weir::policies
