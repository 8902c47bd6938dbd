#include "conf/model.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <utility>

namespace weir::conf {

namespace {

template <class T>
void lay_over(T& value, const std::optional<T>& override_value) {
    if (override_value) {
        value = *override_value;
    }
}

template <class Map>
auto* find_in(Map& map, std::string_view name) {
    const auto found = map.find(std::string{name});
    return found == map.end() ? nullptr : &found->second;
}

}  // namespace

std::string_view name_of(PoolMode mode) {
    switch (mode) {
        case PoolMode::Session: return "session";
        case PoolMode::Transaction: return "transaction";
        case PoolMode::Statement: return "statement";
    }
    return "";
}

std::string_view name_of(MemberRole role) {
    switch (role) {
        case MemberRole::Auto: return "auto";
        case MemberRole::Primary: return "primary";
        case MemberRole::Replica: return "replica";
    }
    return "";
}

std::string_view name_of(Balance balance) {
    switch (balance) {
        case Balance::LeastConnections: return "least-connections";
        case Balance::RoundRobin: return "round-robin";
        case Balance::Random: return "random";
        case Balance::Latency: return "latency";
    }
    return "";
}

std::string_view name_of(RuleRoute route) {
    switch (route) {
        case RuleRoute::Auto: return "auto";
        case RuleRoute::Primary: return "primary";
        case RuleRoute::Replica: return "replica";
    }
    return "";
}

std::string_view name_of(LimitAction action) {
    switch (action) {
        case LimitAction::Error: return "error";
        case LimitAction::Truncate: return "truncate";
        case LimitAction::Warn: return "warn";
    }
    return "";
}

std::string_view name_of(LogStatements which) {
    switch (which) {
        case LogStatements::None: return "none";
        case LogStatements::Slow: return "slow";
        case LogStatements::All: return "all";
    }
    return "";
}

std::string_view name_of(Hints which) {
    switch (which) {
        case Hints::Off: return "off";
        case Hints::Route: return "route";
        case Hints::Tighten: return "tighten";
        case Hints::All: return "all";
    }
    return "";
}

bool is_sqlstate(std::string_view entry) {
    constexpr std::size_t kLength = 5;
    return entry.size() == kLength && std::all_of(entry.begin(), entry.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
           });
}

PoolSettings merge(PoolSettings base, const PoolOverrides& overrides) {
    lay_over(base.mode, overrides.mode);
    lay_over(base.min, overrides.min);
    lay_over(base.max, overrides.max);
    lay_over(base.idle_timeout, overrides.idle_timeout);
    lay_over(base.max_lifetime, overrides.max_lifetime);
    lay_over(base.acquire_timeout, overrides.acquire_timeout);
    lay_over(base.reserve, overrides.reserve);
    lay_over(base.reserve_after, overrides.reserve_after);
    lay_over(base.application_max, overrides.application_max);
    lay_over(base.prepared_statements, overrides.prepared_statements);
    lay_over(base.check_after, overrides.check_after);
    lay_over(base.check_query, overrides.check_query);
    lay_over(base.notice_after, overrides.notice_after);
    lay_over(base.round_robin, overrides.round_robin);
    lay_over(base.idle_in_transaction_timeout, overrides.idle_in_transaction_timeout);
    lay_over(base.transaction_timeout, overrides.transaction_timeout);
    lay_over(base.state, overrides.state);
    lay_over(base.reset_query, overrides.reset_query);
    if (overrides.max && !overrides.min) {
        base.min = std::min(base.min, base.max);
    }
    return base;
}

RetrySettings merge(RetrySettings base, const RetryOverrides& overrides) {
    lay_over(base.connect, overrides.connect);
    lay_over(base.statement, overrides.statement);
    lay_over(base.transaction, overrides.transaction);
    lay_over(base.also_retry, overrides.also_retry);
    return base;
}

PolicySettings merge(PolicySettings base, const PolicyOverrides& overrides) {
    lay_over(base.statement_timeout, overrides.statement_timeout);
    lay_over(base.row_limit, overrides.row_limit);
    lay_over(base.byte_limit, overrides.byte_limit);
    lay_over(base.row_limit_action, overrides.row_limit_action);
    lay_over(base.slow_query, overrides.slow_query);
    lay_over(base.log_statements, overrides.log_statements);
    lay_over(base.log_parameters, overrides.log_parameters);
    lay_over(base.explain_slow, overrides.explain_slow);
    lay_over(base.rate_limit, overrides.rate_limit);
    lay_over(base.read_only, overrides.read_only);
    lay_over(base.hints, overrides.hints);
    base.retry = merge(std::move(base.retry), overrides.retry);
    return base;
}

TlsSettings merge(TlsSettings base, const TlsOverrides& overrides) {
    lay_over(base.mode, overrides.mode);
    lay_over(base.ca_file, overrides.ca_file);
    lay_over(base.cert_file, overrides.cert_file);
    lay_over(base.key_file, overrides.key_file);
    lay_over(base.min_version, overrides.min_version);
    lay_over(base.ciphers, overrides.ciphers);
    lay_over(base.tls13_ciphers, overrides.tls13_ciphers);
    return base;
}

const DatabaseSettings* Config::find_database(std::string_view name) const {
    const DatabaseSettings* exact = find_in(databases, name);
    return exact != nullptr ? exact : find_in(databases, "*");
}

const UserSettings* Config::find_user(std::string_view name) const {
    return find_in(users, name);
}

const ClusterSettings& Config::cluster_of(const DatabaseSettings& database) const {
    const ClusterSettings* cluster = find_in(clusters, database.cluster);
    WEIR_CHECK(cluster != nullptr);
    return *cluster;
}

UserQuery Config::user_query_for(std::string_view name) const {
    constexpr std::string_view kPgBouncerName = "pgbouncer";
    // The console is no database that could be asked, even where every name is served.
    const bool is_console = name == admin.database || name == kPgBouncerName;
    const DatabaseSettings* database = is_console ? nullptr : find_database(name);
    const auto pick = [](const std::string& own, const std::string& general) -> const std::string& {
        return own.empty() ? general : own;
    };
    UserQuery found{auth.query, auth.query_user, auth.query_database};
    if (database != nullptr) {
        found = {pick(database->auth_query, auth.query),
                 pick(database->auth_query_user, auth.query_user),
                 pick(database->auth_query_database, auth.query_database)};
    }
    if (found.database.empty() && !is_console) {
        found.database = name;
    }
    if (found.database.empty() || found.user.empty() || find_database(found.database) == nullptr) {
        found.query.clear();
    }
    return found;
}

TlsSettings Config::tls_for(const ClusterSettings& cluster) const {
    return merge(tls_server, cluster.tls);
}

PoolSettings Config::pool_for(std::string_view database, std::string_view user) const {
    PoolSettings settings = pool;
    if (const DatabaseSettings* found = find_database(database)) {
        settings = merge(std::move(settings), found->pool);
    }
    if (const UserSettings* found = find_user(user)) {
        settings = merge(std::move(settings), found->pool);
    }
    return settings;
}

PoolSettings Config::read_pool_for(std::string_view database, std::string_view user) const {
    PoolSettings settings = merge(pool_for(database, user), read_pool);
    if (const DatabaseSettings* found = find_database(database)) {
        settings = merge(std::move(settings), found->read_pool);
    }
    if (const UserSettings* found = find_user(user)) {
        settings = merge(std::move(settings), found->read_pool);
    }
    return settings;
}

PolicySettings Config::policy_for(std::string_view database, std::string_view user) const {
    PolicySettings settings = policy;
    if (const DatabaseSettings* found = find_database(database)) {
        settings = merge(std::move(settings), found->policy);
    }
    if (const UserSettings* found = find_user(user)) {
        settings = merge(std::move(settings), found->policy);
    }
    if (cache.enabled) {
        settings.cache_ttl = cache.default_ttl;
    }
    return settings;
}

}  // namespace weir::conf
