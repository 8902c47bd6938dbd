#include "maintenance/connect_options.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::seconds;

/// @return whether it is a password, and not what is kept in place of one
bool is_plain(std::string_view secret) {
    constexpr std::string_view kMd5 = "md5";
    constexpr std::size_t kMd5Bytes = 35;
    const bool is_md5 =
        secret.size() == kMd5Bytes && secret.starts_with(kMd5) &&
        secret.find_first_not_of("0123456789abcdef", kMd5.size()) == std::string_view::npos;
    return !is_md5 && !secret.starts_with("SCRAM-SHA-256$");
}

std::string_view sslmode_of(conf::TlsMode mode) {
    switch (mode) {
        case conf::TlsMode::Disable: return "disable";
        case conf::TlsMode::Allow: return "allow";
        case conf::TlsMode::Prefer: return "prefer";
        case conf::TlsMode::Require: return "require";
        case conf::TlsMode::VerifyCa: return "verify-ca";
        case conf::TlsMode::VerifyFull: return "verify-full";
    }
    return "prefer";
}

/// Hosts and ports as libpq takes a list of them.
void add_members(ConnectOptions& options, const conf::ClusterSettings& cluster) {
    std::string hosts;
    std::string ports;
    for (const conf::MemberSettings& member : cluster.members) {
        if (member.role == conf::MemberRole::Replica) {
            continue;
        }
        const conf::Address& address = member.address;
        const bool is_tcp = address.kind == conf::Address::Kind::Tcp;
        hosts += hosts.empty() ? "" : ",";
        hosts += is_tcp ? address.host : address.path.substr(0, address.path.rfind('/'));
        ports += (ports.empty() ? "" : ",") + std::to_string(address.port);
    }
    options.emplace_back("host", hosts);
    options.emplace_back("port", ports);
}

void add_tls(ConnectOptions& options, const conf::TlsSettings& tls) {
    options.emplace_back("sslmode", sslmode_of(tls.mode));
    for (const auto& [name, value] : {std::pair{"sslrootcert", &tls.ca_file},
                                      std::pair{"sslcert", &tls.cert_file},
                                      std::pair{"sslkey", &tls.key_file}}) {
        if (!value->empty()) {
            options.emplace_back(name, *value);
        }
    }
}

/// @return what is known of that user's password in plain; "" = libpq is to find one, or needs none
std::string password_of(const conf::Config& config,
                        const conf::DatabaseSettings& database,
                        const std::string& user) {
    if (user == database.user && !database.password.empty() && is_plain(database.password)) {
        return database.password;
    }
    const conf::UserSettings* known = config.find_user(user);
    return known != nullptr && known->has_secret && is_plain(known->secret) ? known->secret : "";
}

/// @return the one that is meant: by name, by the configuration, or because there is no other
std::string name_of(const conf::Config& config, const std::string& database) {
    if (!database.empty()) {
        return database;
    }
    if (!config.maintenance.database.empty()) {
        return config.maintenance.database;
    }
    const bool is_only_one = config.databases.size() == 1 && !config.databases.contains("*");
    return is_only_one ? config.databases.begin()->first : "";
}

}  // namespace

Answer<ConnectOptions> connect_options(const conf::Config& config, const std::string& database) {
    const std::string name = name_of(config, database);
    if (name.empty()) {
        return problem("no database to maintain",
                       "maintenance.database names a [database.NAME]; --database does, too");
    }
    const conf::DatabaseSettings* settings = config.find_database(name);
    if (settings == nullptr) {
        return problem(name + ": no such database", "it must be a [database.NAME]");
    }
    const std::string user =
        config.maintenance.user.empty() ? settings->user : config.maintenance.user;
    if (user.empty()) {
        return problem("nobody to log in as",
                       "maintenance.user says who, or user in [database." + name + "]");
    }
    const conf::ClusterSettings& cluster = config.cluster_of(*settings);
    ConnectOptions options;
    add_members(options, cluster);
    add_tls(options, config.tls_for(cluster));
    options.emplace_back("dbname", settings->dbname.empty() ? name : settings->dbname);
    options.emplace_back("user", user);
    options.emplace_back("password", password_of(config, *settings, user));
    options.emplace_back("application_name", "weir-maintenance");
    options.emplace_back("target_session_attrs", "read-write");
    const auto timeout = std::chrono::ceil<seconds>(cluster.connect_timeout);
    options.emplace_back("connect_timeout", std::to_string(std::max<long>(timeout.count(), 2)));
    options.emplace_back("client_encoding", "UTF8");
    // What roles and databases may have set is not for maintenance: its statements are long, and
    // its own limits say how long. Even a question about the catalog waits for who has a table
    // locked: nothing waits without an end, as it would keep all other jobs waiting.
    options.emplace_back("options",
                         "-c statement_timeout=0 -c lock_timeout=30s "
                         "-c idle_in_transaction_session_timeout=0 "
                         "-c default_transaction_isolation=read\\ committed "
                         "-c DateStyle=ISO -c IntervalStyle=postgres "
                         "-c standard_conforming_strings=on -c bytea_output=hex");
    options.emplace_back("keepalives_idle", "30");
    options.emplace_back("keepalives_interval", "10");
    options.emplace_back("keepalives_count", "3");
    // Keepalives look at quiet connections alone: what was sent and never acknowledged is this
    // one's.
    options.emplace_back("tcp_user_timeout", "60000");
    return options;
}

}  // namespace weir::maintenance
