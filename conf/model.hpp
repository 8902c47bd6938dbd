#pragma once

#include "base/log.hpp"
#include "conf/alert_settings.hpp"
#include "conf/cache_settings.hpp"
#include "conf/cluster_settings.hpp"
#include "conf/hba.hpp"
#include "conf/health_settings.hpp"
#include "conf/ledger_settings.hpp"
#include "conf/maintenance_settings.hpp"
#include "conf/policy_settings.hpp"
#include "conf/warm_up_settings.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a person configured, checked and resolved: plain values, never changed after they were
/// loaded. Every default is in schema.cpp; the structs here only carry. Durations of zero mean "no
/// limit". Thread: any (read only).
namespace weir::conf {

enum class Profile : std::uint8_t { Development, Test, Staging, Production, HighLoad };
enum class PoolMode : std::uint8_t { Session, Transaction, Statement };

/// @return the word in the configuration: "session", "transaction" or "statement"
[[nodiscard]] std::string_view name_of(PoolMode mode);

/// What becomes of the state a client leaves in its session where server connections are shared.
enum class SessionState : std::uint8_t { Carry, Forget };

enum class AuthMethod : std::uint8_t { Trust, Password, Md5, ScramSha256, Cert, Hba };

/// Who says where a client comes from.
enum class ProxyProtocol : std::uint8_t { Off, V2 };

struct ListenSettings {
    std::vector<Address> addresses;
    unsigned threads = 0;  ///< "auto" is already resolved to the cores this process may use
    unsigned max_clients = 0;
    milliseconds client_login_timeout{};
    milliseconds client_idle_timeout{};
    int backlog = 0;
    unsigned unix_socket_mode = 0;
    std::string unix_socket_group;  ///< "" = the process's own
    milliseconds tcp_keepalive{};
    milliseconds tcp_keepalive_interval{};
    unsigned tcp_keepalive_count = 0;
    milliseconds tcp_user_timeout{};
    std::string login_notice;
    ProxyProtocol proxy_protocol = ProxyProtocol::Off;
    bool application_name_add_host = false;

    bool operator==(const ListenSettings&) const = default;
};

struct AuthSettings {
    AuthMethod method = AuthMethod::ScramSha256;
    std::string users_file;  ///< as written; "" = none
    std::string hba_file;
    std::string ident_file;
    std::string cert_map;  ///< for AuthMethod::Cert; "" = the names must be equal
    std::string query;
    std::string query_user;
    std::string query_database;  ///< "" = the one the client asks for
    milliseconds query_timeout{};

    bool operator==(const AuthSettings&) const = default;
};

/// How users that are configured nowhere are looked up for one database.
struct UserQuery {
    std::string query;  ///< "" = they are not
    std::string user;   ///< who asks
    std::string database;
};

/// libpq's sslmodes, weakest first.
enum class TlsMode : std::uint8_t { Disable, Allow, Prefer, Require, VerifyCa, VerifyFull };
enum class TlsVersion : std::uint8_t { V12, V13 };

/// One side's TLS. Paths are "" or as the process can open them.
struct TlsSettings {
    TlsMode mode = TlsMode::Disable;
    std::string ca_file;
    std::string cert_file;
    std::string key_file;
    TlsVersion min_version = TlsVersion::V12;
    std::string ciphers;
    std::string tls13_ciphers;
    std::string ecdh_curve;  ///< [tls.client] only

    bool operator==(const TlsSettings&) const = default;
};

/// The keys of [tls.server] somebody wrote for one cluster.
struct TlsOverrides {
    std::optional<TlsMode> mode;
    std::optional<std::string> ca_file;
    std::optional<std::string> cert_file;
    std::optional<std::string> key_file;
    std::optional<TlsVersion> min_version;
    std::optional<std::string> ciphers;
    std::optional<std::string> tls13_ciphers;

    bool operator==(const TlsOverrides&) const = default;
};

[[nodiscard]] TlsSettings merge(TlsSettings base, const TlsOverrides& overrides);

struct ClusterSettings {
    std::string name;
    std::vector<MemberSettings> members;  ///< at least one, at most one of them with role Primary
    milliseconds probe_interval{};
    milliseconds probe_timeout{};
    std::string probe_user;  ///< "" = the user of the pool
    milliseconds connect_timeout{};
    unsigned connect_concurrency = 0;  ///< per member
    Balance balance = Balance::LeastConnections;
    milliseconds max_replica_lag{};  ///< zero = no limit
    milliseconds failover_hold{};    ///< zero = writes fail at once
    TlsOverrides tls;

    bool operator==(const ClusterSettings&) const = default;
};

struct PoolSettings {
    PoolMode mode = PoolMode::Transaction;
    unsigned min = 0;
    unsigned max = 0;
    milliseconds idle_timeout{};
    milliseconds max_lifetime{};
    milliseconds acquire_timeout{};
    unsigned reserve = 0;
    milliseconds reserve_after{};
    unsigned application_max = 0;      ///< backends of one application_name; 0 = no limit
    unsigned prepared_statements = 0;  ///< remembered per backend; 0 = names pass through
    milliseconds check_after{};
    std::string check_query;  ///< "" = an empty query
    milliseconds notice_after{};
    bool round_robin = false;
    milliseconds idle_in_transaction_timeout{};
    milliseconds transaction_timeout{};
    SessionState state = SessionState::Carry;
    std::string reset_query;

    bool operator==(const PoolSettings&) const = default;
};

/// The pool keys somebody wrote in one place; what is empty comes from the next less specific
/// place.
struct PoolOverrides {
    std::optional<PoolMode> mode;
    std::optional<unsigned> min;
    std::optional<unsigned> max;
    std::optional<milliseconds> idle_timeout;
    std::optional<milliseconds> max_lifetime;
    std::optional<milliseconds> acquire_timeout;
    std::optional<unsigned> reserve;
    std::optional<milliseconds> reserve_after;
    std::optional<unsigned> application_max;
    std::optional<unsigned> prepared_statements;
    std::optional<milliseconds> check_after;
    std::optional<std::string> check_query;
    std::optional<milliseconds> notice_after;
    std::optional<bool> round_robin;
    std::optional<milliseconds> idle_in_transaction_timeout;
    std::optional<milliseconds> transaction_timeout;
    std::optional<SessionState> state;
    std::optional<std::string> reset_query;

    bool operator==(const PoolOverrides&) const = default;
};

/// Lays `overrides` over `base`. A `max` without a `min` beside it also lowers an inherited `min`
/// that is above it.
[[nodiscard]] PoolSettings merge(PoolSettings base, const PoolOverrides& overrides);

struct DatabaseSettings {
    std::string name;  ///< "*" = every name that has no section of its own
    std::string cluster;
    std::string dbname;    ///< its name in PostgreSQL; "" = the name the client asked for
    std::string user;      ///< who logs in to PostgreSQL; "" = the client's user
    std::string password;  ///< for `user`
    std::map<std::string, std::string> set;
    std::string connect_query;
    bool read_write_split = false;
    bool read_your_writes = false;
    std::string auth_query;  ///< these three: "" = as [auth] says
    std::string auth_query_user;
    std::string auth_query_database;
    unsigned max_clients = 0;      ///< 0 = no limit
    unsigned max_connections = 0;  ///< 0 = as limits.max_database_connections
    PoolOverrides pool;
    PoolOverrides read_pool;
    PolicyOverrides policy;

    bool operator==(const DatabaseSettings&) const = default;
};

struct UserSettings {
    std::string name;
    std::string secret;  ///< plain, md5…, SCRAM-SHA-256$…; from the TOML or from users_file
    bool has_secret = false;
    bool is_from_users_file = false;     ///< has no section of its own
    unsigned max_clients = 0;            ///< 0 = no limit
    unsigned max_connections = 0;        ///< 0 = as limits.max_user_connections
    milliseconds client_idle_timeout{};  ///< zero = as listen.client_idle_timeout
    int priority = 0;                    ///< -10..10: the higher is served first
    PoolOverrides pool;
    PoolOverrides read_pool;
    PolicyOverrides policy;

    bool operator==(const UserSettings&) const = default;
};

struct LimitSettings {
    std::uint64_t max_message = 0;
    std::uint64_t client_buffer = 0;
    unsigned max_database_connections = 0;  ///< 0 = no limit
    unsigned max_user_connections = 0;      ///< 0 = no limit
    bool simple_queries = true;

    bool operator==(const LimitSettings&) const = default;
};

struct HttpSettings {
    std::optional<Address> address;  ///< empty = off
    std::string user;
    std::string password;

    bool operator==(const HttpSettings&) const = default;
};

struct AdminSettings {
    std::string database;
    std::vector<std::string> admins;
    std::vector<std::string> viewers;
    milliseconds stats_period{};
    milliseconds suspend_timeout{};
    std::uint64_t statement_text = 0;  ///< bytes kept of a running statement; 0 = none

    bool operator==(const AdminSettings&) const = default;
};

/// The whole configuration of one moment. A reload makes another one; nobody changes this one.
struct Config {
    Profile profile = Profile::Production;
    bool watch = false;
    std::string pid_file;  ///< "" = none
    ListenSettings listen;
    TlsSettings tls_client;  ///< applications to Weir
    TlsSettings tls_server;  ///< Weir to PostgreSQL, where the cluster says nothing else
    AuthSettings auth;
    std::map<std::string, ClusterSettings> clusters;
    std::map<std::string, DatabaseSettings> databases;  ///< key "*" = the wildcard
    std::map<std::string, UserSettings> users;
    std::vector<HbaRule> hba;      ///< of auth.hba_file
    std::vector<IdentRule> ident;  ///< of auth.ident_file
    PoolSettings pool;
    PoolOverrides read_pool;  ///< [pool.read], without a mode
    LimitSettings limits;
    PolicySettings policy;
    BreakerSettings breaker;          ///< of every cluster's members
    std::vector<RuleSettings> rules;  ///< in order
    CacheSettings cache;
    std::vector<WarmUpSettings> warm_ups;  ///< in order
    HealthSettings health;
    std::vector<AlertSettings> alerts;  ///< in order
    LedgerSettings ledger;
    MaintenanceSettings maintenance;
    std::vector<PartitionSettings> partitions;  ///< in order, as these three
    std::vector<AggregateSettings> aggregates;
    std::vector<MaterializedViewSettings> materialized_views;
    std::vector<TaskSettings> tasks;
    log::Options log;
    HttpSettings http;
    AdminSettings admin;

    /// @return the database of that name, else the wildcard, else null
    [[nodiscard]] const DatabaseSettings* find_database(std::string_view name) const;
    /// @return null for a user that has neither a section nor a line in users_file
    [[nodiscard]] const UserSettings* find_user(std::string_view name) const;
    /// @param database one of this configuration's own (its cluster was checked when it was loaded)
    [[nodiscard]] const ClusterSettings& cluster_of(const DatabaseSettings& database) const;
    /// @param name the database the client asks for; need not be configured
    /// @return how a user unknown here is looked up; no query where that cannot be
    [[nodiscard]] UserQuery user_query_for(std::string_view name) const;
    /// @return how to connect to that cluster
    [[nodiscard]] TlsSettings tls_for(const ClusterSettings& cluster) const;
    /// @return what holds for that pair: user over database over [pool] over the profile
    [[nodiscard]] PoolSettings pool_for(std::string_view database, std::string_view user) const;
    /// @return the same for the connections to replicas: [pool.read], then those of the database
    /// and of the user, over pool_for()
    [[nodiscard]] PoolSettings read_pool_for(std::string_view database,
                                             std::string_view user) const;
    /// @return what that client may do: user over database over [policy]
    /// @param user who the client is, not who logs in to PostgreSQL for it
    [[nodiscard]] PolicySettings policy_for(std::string_view database, std::string_view user) const;
};

using ConfigPtr = std::shared_ptr<const Config>;

}  // namespace weir::conf
