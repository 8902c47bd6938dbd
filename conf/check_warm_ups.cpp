#include "conf/draft.hpp"
#include "conf/suggest.hpp"
#include "conf/value.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

/// Whether what is to be run at the start can be: somewhere, by somebody.
namespace weir::conf {

namespace {

constexpr std::string_view kPgBouncerName = "pgbouncer";
/// What a startup message says beside settings, in keys of their own here, or not for everybody.
constexpr std::array<std::string_view, 3> kNoParameters{"user", "database", "replication"};

bool is_broken(const Draft& draft, const std::string& key) {
    return draft.broken.count(key) != 0;
}

/// Names and texts of the protocol end there.
bool has_null(std::string_view text) {
    return text.find('\0') != std::string_view::npos;
}

void check_database(Draft& draft, const std::string& path, const std::string& name) {
    const std::string key = path + ".database";
    const Config& config = draft.config;
    if (is_broken(draft, key)) {
        return;
    }
    if (name.empty()) {
        draft.complain(path, "has no database; accepted: database = \"shop\" and the like");
    } else if (name == config.admin.database || name == kPgBouncerName) {
        draft.complain(
            key,
            toml_string(name) + " is the admin database; accepted: the NAME of a [database.NAME]");
    } else if (config.find_database(name) == nullptr || name == "*" || has_null(name)) {
        std::vector<std::string_view> names;
        for (const auto& [known, database] : config.databases) {
            names.push_back(known);
        }
        const std::string_view meant = nearest(name, names);
        draft.complain(key,
                       toml_string(name) + " is no database" +
                           (meant.empty() ? ";" : ", did you mean " + toml_string(meant) + "?") +
                           " accepted: the NAME of a [database.NAME]");
    }
}

void check_user(Draft& draft, const std::string& path, const std::string& name) {
    if (is_broken(draft, path + ".user")) {
        return;
    }
    if (name.empty()) {
        draft.complain(path,
                       "has no user; accepted: user = \"app\" and the like, whose clients are to "
                       "find the results");
    } else if (has_null(name)) {
        draft.complain(path + ".user", toml_string(name) + " is no name; accepted: no \\u0000");
    }
}

void check_statements(Draft& draft,
                      const std::string& path,
                      const std::vector<std::string>& statements) {
    const std::string key = path + ".statements";
    if (is_broken(draft, key)) {
        return;
    }
    if (statements.empty()) {
        draft.complain(path, "has no statements; accepted: statements = [\"SELECT …\", …]");
    } else if (statements.size() > kMaxWarmUpStatements) {
        draft.complain(key, "too many; accepted: at most " + std::to_string(kMaxWarmUpStatements));
    }
    for (std::size_t i = 0; i < statements.size(); ++i) {
        const std::string which = "number " + std::to_string(i + 1);
        if (statements[i].find_first_not_of(" \t\r\n\f\v;") == std::string::npos) {
            draft.complain(key, which + " has no text; accepted: a statement");
        } else if (has_null(statements[i])) {
            draft.complain(key, which + " is no text; accepted: no \\u0000");
        }
    }
}

void check_parameters(Draft& draft, const std::string& path, const WarmUpSettings& warm_up) {
    const std::string key = path + ".parameters";
    for (const auto& [name, value] : warm_up.parameters) {
        const bool is_taken =
            std::find(kNoParameters.begin(), kNoParameters.end(), name) != kNoParameters.end();
        if (is_taken || name.empty() || name.rfind("_pq_.", 0) == 0 || has_null(name)) {
            draft.complain(key,
                           toml_string(name) +
                               " is no setting of PostgreSQL; accepted: names as SHOW ALL lists "
                               "them, and options");
        } else if (has_null(value)) {
            draft.complain(key, toml_string(name) + " is no text; accepted: no \\u0000");
        }
    }
}

}  // namespace

void check_warm_ups(Draft& draft) {
    const Config& config = draft.config;
    for (std::size_t i = 0; i < config.warm_ups.size(); ++i) {
        const std::string path = warm_up_path(i);
        const WarmUpSettings& warm_up = config.warm_ups[i];
        check_database(draft, path, warm_up.database);
        check_user(draft, path, warm_up.user);
        check_statements(draft, path, warm_up.statements);
        check_parameters(draft, path, warm_up);
        if (!config.cache.enabled) {
            draft.notes.push_back(path + " has no effect: cache.enabled is false");
        }
    }
}

}  // namespace weir::conf
