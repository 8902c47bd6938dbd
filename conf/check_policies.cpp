#include "conf/draft.hpp"
#include "conf/value.hpp"

#include <algorithm>

/// What policies and rules say in vain, or leave to everybody: no mistakes, but worth a note.
namespace weir::conf {

namespace {

/// The keys of [policy] written in one place.
struct PolicyPlace {
    std::string path;
    const PolicyOverrides& written;
};

std::vector<PolicyPlace> places_of(const Draft& draft) {
    std::vector<PolicyPlace> places{{"policy", draft.policy}};
    for (const auto& [name, database] : draft.config.databases) {
        places.push_back({join_key("database", name) + ".policy", database.policy});
    }
    for (const auto& [name, user] : draft.config.users) {
        places.push_back({join_key("user", name) + ".policy", user.policy});
    }
    return places;
}

bool is_limit(const std::optional<std::uint64_t>& limit) {
    return limit.value_or(0) > 0;
}

/// @return whether any result may have a limit
bool has_limits(const Config& config, const std::vector<PolicyPlace>& places) {
    const auto limits = [](const auto& written) {
        return is_limit(written.row_limit) || is_limit(written.byte_limit);
    };
    const auto lets_comments = [](const PolicyOverrides& written) {
        return written.hints == Hints::Tighten || written.hints == Hints::All;
    };
    return std::any_of(places.begin(),
                       places.end(),
                       [&](const PolicyPlace& place) {
                           return limits(place.written) || lets_comments(place.written);
                       }) ||
           std::any_of(config.rules.begin(), config.rules.end(), [&](const RuleSettings& rule) {
               return limits(rule.set);
           });
}

void note_actions(Draft& draft, const std::vector<PolicyPlace>& places) {
    if (has_limits(draft.config, places)) {
        return;
    }
    const auto note = [&draft](const std::string& path) {
        draft.notes.push_back(path +
                              ".row_limit_action has no effect: there is no row_limit and no "
                              "byte_limit anywhere");
    };
    for (const PolicyPlace& place : places) {
        if (place.written.row_limit_action) {
            note(place.path);
        }
    }
    for (std::size_t i = 0; i < draft.config.rules.size(); ++i) {
        if (draft.config.rules[i].set.row_limit_action) {
            note(rule_path(i) + ".set");
        }
    }
}

void note_hints(Draft& draft, const std::vector<PolicyPlace>& places) {
    for (const PolicyPlace& place : places) {
        if (place.written.hints == Hints::All) {
            draft.notes.push_back(place.path +
                                  ".hints = \"all\" lets a comment lift the timeouts and limits "
                                  "of its statement; \"tighten\" lets it lower them");
        }
    }
}

bool has_wildcard(const std::string& pattern) {
    return pattern.find('*') != std::string::npos;
}

/// @return whether users of no section may log in
bool may_be_unknown(const Config& config) {
    const bool proves_itself = config.auth.method == AuthMethod::Password ||
                               config.auth.method == AuthMethod::Md5 ||
                               config.auth.method == AuthMethod::ScramSha256;
    return !proves_itself ||
           std::any_of(config.databases.begin(), config.databases.end(), [&](const auto& one) {
               return !config.user_query_for(one.first).query.empty();
           });
}

/// @return why no statement will ever match, or ""
std::string reason_to_be_idle(const Config& config, const RuleMatch& match) {
    const bool is_database = has_wildcard(match.database) || match.database.empty() ||
                             config.find_database(match.database) != nullptr;
    if (!is_database) {
        return "there is no [" + join_key("database", match.database) + "]";
    }
    const bool is_user = has_wildcard(match.user) || match.user.empty() ||
                         config.find_user(match.user) != nullptr || may_be_unknown(config);
    return is_user ? "" : "no user " + toml_string(match.user) + " can log in";
}

void note_rules(Draft& draft) {
    const auto& rules = draft.config.rules;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (const std::string reason = reason_to_be_idle(draft.config, rules[i].match);
            !reason.empty()) {
            draft.notes.push_back(rule_path(i) + " never matches: " + reason);
        }
    }
}

}  // namespace

void note_policies(Draft& draft) {
    const std::vector<PolicyPlace> places = places_of(draft);
    note_actions(draft, places);
    note_hints(draft, places);
    note_rules(draft);
}

}  // namespace weir::conf
