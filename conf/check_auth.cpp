#include "conf/draft.hpp"
#include "conf/value.hpp"

#include <algorithm>
#include <optional>

/// What the keys about who may come in mean together.
namespace weir::conf {

namespace {

bool is_md5(const UserSettings& user) {
    constexpr std::size_t kMd5SecretBytes = 35;
    return user.secret.rfind("md5", 0) == 0 && user.secret.size() == kMd5SecretBytes;
}

bool is_verifier(const UserSettings& user) {
    return user.secret.rfind("SCRAM-SHA-256$", 0) == 0;
}

bool has_query(const Config& config) {
    return !config.auth.query.empty() ||
           std::any_of(config.databases.begin(), config.databases.end(), [](const auto& entry) {
               return !entry.second.auth_query.empty();
           });
}

bool asks_for_passwords(const Config& config) {
    const AuthMethod method = config.auth.method;
    return method == AuthMethod::Password || method == AuthMethod::Md5 ||
           method == AuthMethod::ScramSha256;
}

void check_users(Draft& draft) {
    const Config& config = draft.config;
    const bool somebody_can = std::any_of(config.users.begin(),
                                          config.users.end(),
                                          [](const auto& user) { return user.second.has_secret; });
    if (config.auth.method == AuthMethod::Cert && config.users.empty() && !has_query(config)) {
        draft.notes.emplace_back(
            "no user is known, so nobody could log in with a certificate; give each a "
            "[user.NAME] or a line in auth.users_file, or set auth.query");
    }
    if (!asks_for_passwords(config)) {
        return;
    }
    if (!somebody_can && !has_query(config) && draft.problems.empty()) {
        const std::string what = "no user has a password, so nobody could log in";
        if (draft.connection_variable.empty()) {
            draft.notes.push_back(what + "; give [user.NAME] a password, or set auth.users_file");
        } else {
            draft.complain_about_variable(
                draft.connection_variable,
                what +
                    "; accepted: a password in the URL or DB_PASSWORD, or WEIR_AUTH_METHOD=trust");
        }
    }
    for (const auto& [name, user] : config.users) {
        // Who runs auth.query need not be able to log in here.
        if (config.auth.method == AuthMethod::ScramSha256 && is_md5(user) &&
            name != config.auth.query_user) {
            draft.notes.push_back(
                "the user " + toml_string(name) +
                " cannot log in: an md5 secret cannot serve auth.method \"scram-sha-256\"");
        }
    }
}

/// @param key names a user who logs in to PostgreSQL with a secret of ours
void check_own_login(Draft& draft, const std::string& key, const std::string& name) {
    const UserSettings* user = draft.config.find_user(name);
    if (user != nullptr && is_verifier(*user)) {
        draft.complain(key,
                       toml_string(name) +
                           " has a SCRAM verifier for a secret, and that cannot log in to "
                           "PostgreSQL; accepted: a user whose secret is plain or md5…");
    }
}

/// A query that reads PostgreSQL's own passwords without a look at their end lets people in with
/// passwords that PostgreSQL refuses.
void note_expiry(Draft& draft, const std::string& key, const std::string& query) {
    const auto has = [&query](std::string_view word) {
        return query.find(word) != std::string::npos;
    };
    if ((has("pg_authid") || has("pg_shadow")) && !has("rolvaliduntil") && !has("valuntil")) {
        draft.notes.push_back(key +
                              " does not look at rolvaliduntil: passwords that have expired (VALID "
                              "UNTIL) still let people in");
    }
}

void check_one_query(Draft& draft, const std::string& path, const UserQuery& asked) {
    // In [auth] the keys have no prefix.
    const std::string prefix = path == "auth" ? path + "." : path + ".auth_";
    if (asked.query.empty() != asked.user.empty()) {
        draft.complain(prefix + (asked.query.empty() ? "query_user" : "query"),
                       asked.query.empty()
                           ? "names who runs auth.query, and there is no query; accepted: both, or "
                             "neither"
                           : "nobody is named to run it; accepted: a user in query_user too");
        return;
    }
    if (asked.query.empty()) {
        return;
    }
    if (asked.query.find("$1") == std::string::npos) {
        draft.complain(prefix + "query", "has no $1, which stands for the user's name");
    }
    note_expiry(draft, prefix + "query", asked.query);
    check_own_login(draft, prefix + "query_user", asked.user);
    if (!asked.database.empty() && draft.config.find_database(asked.database) == nullptr) {
        draft.complain(prefix + "query_database",
                       toml_string(asked.database) +
                           " is no database; accepted: the NAME of a [database.NAME]");
    }
}

void check_probe_users(Draft& draft) {
    for (const auto& [name, cluster] : draft.config.clusters) {
        if (!cluster.probe_user.empty()) {
            check_own_login(draft, join_key("cluster", name) + ".probe_user", cluster.probe_user);
        }
    }
}

void check_queries(Draft& draft) {
    const AuthSettings& auth = draft.config.auth;
    check_one_query(draft, "auth", {auth.query, auth.query_user, auth.query_database});
    for (const auto& [name, database] : draft.config.databases) {
        const bool has_own = !database.auth_query.empty() || !database.auth_query_user.empty() ||
                             !database.auth_query_database.empty();
        if (has_own) {
            const auto pick = [](const std::string& own, const std::string& general) {
                return own.empty() ? general : own;
            };
            check_one_query(draft,
                            join_key("database", name),
                            {pick(database.auth_query, auth.query),
                             pick(database.auth_query_user, auth.query_user),
                             pick(database.auth_query_database, auth.query_database)});
        }
    }
}

void check_map(Draft& draft, const std::string& map, const HbaRule* rule) {
    const auto& ident = draft.config.ident;
    const bool is_known =
        map.empty() || std::any_of(ident.begin(), ident.end(), [&](const IdentRule& known) {
            return known.map == map;
        });
    if (is_known || draft.broken.count("auth.ident_file") != 0) {
        return;
    }
    const std::string what =
        toml_string(map) + " is no map of auth.ident_file; accepted: one that has a line there";
    if (rule == nullptr) {
        draft.complain("auth.cert_map", what);
    } else {
        draft.problems.push_back({rule->place, 0, 0, {}, what});
    }
}

void check_hba(Draft& draft) {
    const Config& config = draft.config;
    const bool is_hba = config.auth.method == AuthMethod::Hba;
    if (is_hba && config.auth.hba_file.empty()) {
        draft.complain("auth.hba_file",
                       "is not given, and auth.method is \"hba\"; accepted: the path of a file in "
                       "pg_hba.conf's syntax");
    }
    if (!is_hba && !config.auth.hba_file.empty()) {
        draft.notes.emplace_back("auth.hba_file has no effect: auth.method is not \"hba\"");
    }
    if (is_hba && !config.auth.hba_file.empty() && config.hba.empty() && draft.problems.empty()) {
        draft.notes.emplace_back("auth.hba_file has no lines, so nobody can log in");
    }
    for (const HbaRule& rule : config.hba) {
        check_map(draft, rule.map, &rule);
    }
    check_map(draft, config.auth.cert_map, /*rule=*/nullptr);
}

}  // namespace

void check_auth(Draft& draft) {
    check_users(draft);
    check_queries(draft);
    check_probe_users(draft);
    check_hba(draft);
}

}  // namespace weir::conf
