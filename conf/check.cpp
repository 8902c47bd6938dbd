#include "conf/draft.hpp"
#include "conf/suggest.hpp"
#include "conf/value.hpp"

#include <algorithm>
#include <array>

/// What keys mean together: mistakes no single key shows.
namespace weir::conf {

namespace {

constexpr std::string_view kPgBouncerName = "pgbouncer";
/// These say who connects to what; as settings they would let a section open another database than
/// its own.
constexpr std::array<std::string_view, 4> kNoSettings{"user", "database", "replication", "options"};

std::string database_key(const DatabaseSettings& database) {
    return join_key("database", database.name);
}

void check_listen(Draft& draft) {
    const auto& addresses = draft.config.listen.addresses;
    if (draft.broken.count("listen.addresses") != 0) {
        return;
    }
    if (addresses.empty()) {
        draft.complain("listen.addresses", "names no address; accepted: at least one");
    }
    for (auto i = addresses.begin(); i != addresses.end(); ++i) {
        if (std::find(addresses.begin(), i, *i) != i) {
            draft.complain("listen.addresses",
                           toml_string(i->text()) + " is there twice; accepted: each address once");
        }
    }
}

bool is_loopback(std::string_view host) {
    return host == "localhost" || host.substr(0, 4) == "127.";
}

bool is_same_place(const Address& listening, const Address& server) {
    if (listening.kind != server.kind || listening.kind == Address::Kind::Unix) {
        return listening == server;
    }
    const bool is_every = listening.host == "*" || listening.host == "0.0.0.0";
    const bool is_here = listening.host == server.host || (is_every && is_loopback(server.host)) ||
                         (is_loopback(listening.host) && server.host == "localhost");
    return listening.port == server.port && is_here;
}

void check_clusters(Draft& draft) {
    for (const auto& [name, cluster] : draft.config.clusters) {
        const std::string key = join_key(join_key("cluster", name), "servers");
        if (cluster.members.empty() && draft.broken.count(key) == 0) {
            draft.complain(key,
                           "names no server; accepted: at least one, such as [\"127.0.0.1:5432\"]");
        }
        for (const MemberSettings& member : cluster.members) {
            const Address& server = member.address;
            const auto& own = draft.config.listen.addresses;
            if (std::any_of(own.begin(), own.end(), [&](const Address& address) {
                    return is_same_place(address, server);
                })) {
                draft.complain(
                    key,
                    toml_string(server.text()) +
                        " is where Weir itself listens; accepted: the address of PostgreSQL");
            }
        }
    }
}

/// Fills in the only cluster where none is named.
void check_cluster_of(Draft& draft, DatabaseSettings& database) {
    const std::string key = join_key(database_key(database), "cluster");
    const auto& clusters = draft.config.clusters;
    if (draft.broken.count(key) != 0) {
        return;
    }
    if (database.cluster.empty() && clusters.size() == 1) {
        database.cluster = clusters.begin()->first;
    }
    if (clusters.count(database.cluster) != 0) {
        return;
    }
    std::vector<std::string_view> names;
    std::string list;
    for (const auto& [name, cluster] : clusters) {
        names.push_back(name);
        list += (list.empty() ? "" : ", ") + toml_string(name);
    }
    const std::string_view meant = nearest(database.cluster, names);
    std::string message = toml_string(database.cluster) + " is no cluster";
    if (database.cluster.empty()) {
        message = "is not given;";
    } else {
        message += meant.empty() ? ";" : ", did you mean " + toml_string(meant) + "?";
    }
    message +=
        " accepted: " + (list.empty() ? "the name of a [cluster.NAME], and there is none" : list);
    draft.complain(key, message);
}

void check_databases(Draft& draft) {
    for (auto& [name, database] : draft.config.databases) {
        check_cluster_of(draft, database);
        const std::string path = database_key(database);
        if (!database.password.empty() && database.user.empty() &&
            draft.broken.count(join_key(path, "user")) == 0) {
            draft.complain(join_key(path, "password"),
                           "a password without a user; accepted: both, or neither");
        }
        for (const auto& [setting, value] : database.set) {
            const bool is_taken =
                std::find(kNoSettings.begin(), kNoSettings.end(), setting) != kNoSettings.end();
            if (is_taken || setting.empty() || setting.rfind("_pq_.", 0) == 0) {
                draft.complain(
                    join_key(path, "set"),
                    toml_string(setting) +
                        " is no setting of PostgreSQL; accepted: names as SHOW ALL lists them");
            }
        }
    }
    const bool is_missing = draft.config.databases.empty() && draft.connection_variable.empty();
    if (is_missing && draft.broken.count("database") == 0) {
        draft.complain_at({},
                          {},
                          "no database is configured; accepted: a [cluster.NAME] and a "
                          "[database.NAME], or DATABASE_URL, or DB_HOST and DB_NAME");
    }
}

void check_admin(Draft& draft) {
    const std::string& name = draft.config.admin.database;
    if (name.empty() || name == "*") {
        draft.complain("admin.database",
                       "is no name; accepted: a name that no [database.NAME] has");
    }
    for (const std::string_view taken : {std::string_view{name}, kPgBouncerName}) {
        const std::string database{taken};
        if (draft.config.databases.count(database) != 0 && database != "*") {
            draft.complain(join_key("database", database),
                           "is the name of the admin database; accepted: another name, or another "
                           "admin.database (\"pgbouncer\" is always taken)");
        }
        if (name == kPgBouncerName) {
            break;
        }
    }
}

void check_http(Draft& draft) {
    const HttpSettings& http = draft.config.http;
    if (http.user.empty() != http.password.empty()) {
        draft.complain(
            http.user.empty() ? "http.password" : "http.user",
            "only one of http.user and http.password is given; accepted: both, or neither");
    }
}

void check_sizes(Draft& draft, const std::string& key, const PoolSettings& pool) {
    if (pool.min > pool.max && draft.broken.count(key) == 0) {
        draft.complain(key,
                       std::to_string(pool.min) + " is more than the max that goes with it, " +
                           std::to_string(pool.max) + "; accepted: at most that, or a larger max");
    }
}

/// A min is judged where it was written, against every max it can meet.
void check_pools(Draft& draft) {
    const Config& config = draft.config;
    check_sizes(draft, "pool.min", config.pool);
    for (const auto& [name, database] : config.databases) {
        if (database.pool.min) {
            check_sizes(
                draft, join_key("database", name) + ".pool.min", merge(config.pool, database.pool));
        }
    }
    for (const auto& [name, user] : config.users) {
        if (!user.pool.min) {
            continue;
        }
        const std::string key = join_key("user", name) + ".pool.min";
        check_sizes(draft, key, merge(config.pool, user.pool));
        for (const auto& [database_name, database] : config.databases) {
            check_sizes(draft, key, merge(merge(config.pool, database.pool), user.pool));
        }
    }
}

}  // namespace

void check_meaning(Draft& draft) {
    check_listen(draft);
    check_clusters(draft);
    check_databases(draft);
    check_admin(draft);
    check_http(draft);
    check_pools(draft);
    check_reads(draft);
    check_rules(draft);
    check_alerts(draft);
    check_cache(draft);
    check_warm_ups(draft);
    check_maintenance(draft);
    check_partitions(draft);
    check_aggregates(draft);
    note_policies(draft);
    check_auth(draft);
}

}  // namespace weir::conf
