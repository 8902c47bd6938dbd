#include "conf/field.hpp"
#include "conf/schema.hpp"
#include "conf/schema_parts.hpp"

#include <array>
#include <vector>

namespace weir::conf {

namespace {

using detail::field;

// Bounds that keep numbers within their types and within what one process can serve.
constexpr std::uint64_t kMaxThreads = 64;
constexpr std::uint64_t kMaxClients = 1'000'000;
constexpr std::uint64_t kMaxConnections = 100'000;
/// What the kernel takes.
constexpr std::uint64_t kMaxProbes = 127;
constexpr std::uint64_t kMaxBacklog = 65'535;
constexpr std::uint64_t kMaxConnecting = 1'000;

constexpr std::array<std::string_view, 5> kProfiles{
    "development", "test", "staging", "production", "high-load"};
constexpr std::array<std::string_view, 2> kProxyProtocols{"off", "v2"};
constexpr std::array<std::string_view, 6> kAuthMethods{
    "trust", "password", "md5", "scram-sha-256", "cert", "hba"};

constexpr std::array kSections{
    SectionInfo{Section::Top, "", false, false, "Keys that stand before the first section."},
    SectionInfo{Section::Listen, "listen", false, false, "Where applications connect."},
    SectionInfo{Section::TlsClient,
                "tls.client",
                false,
                false,
                "TLS between applications and Weir (docs/tls.md)."},
    SectionInfo{Section::TlsServer,
                "tls.server",
                false,
                false,
                "TLS between Weir and PostgreSQL; never over a unix socket. [cluster.NAME.tls] "
                "takes the same keys for one cluster."},
    SectionInfo{Section::Auth, "auth", false, false, "How applications prove who they are."},
    SectionInfo{
        Section::Cluster,
        "cluster",
        true,
        false,
        "Where PostgreSQL is: one section per PostgreSQL system, under a name of your choice. "
        "[cluster.NAME.tls] takes the keys of [tls.server]."},
    SectionInfo{Section::Database,
                "database",
                true,
                true,
                "One section per database name that applications ask for. [database.\"*\"] serves "
                "every name that has "
                "no section of its own. [database.NAME.pool] takes the keys of [pool], "
                "[database.NAME.policy] those of [policy]."},
    SectionInfo{Section::User,
                "user",
                true,
                true,
                "One section per user. [user.NAME.pool] takes the keys of [pool], "
                "[user.NAME.policy] those of [policy]."},
    SectionInfo{Section::Pool,
                "pool",
                false,
                false,
                "How many connections to PostgreSQL a (database, user) pair gets, and for how "
                "long. The most specific "
                "place wins: [user.NAME.pool], then [database.NAME.pool], then [pool], then the "
                "profile. A max without "
                "a min beside it lowers an inherited min that is above it."},
    SectionInfo{Section::Limits, "limits", false, false, "What nobody may exceed."},
    SectionInfo{Section::Policy,
                "policy",
                false,
                false,
                "What a statement may do. The most specific place wins: [user.NAME.policy], then "
                "[database.NAME.policy], then [policy]; the user is the one who logged in to "
                "Weir."},
    SectionInfo{Section::Log, "log", false, false, "What is written about the work, and where."},
    SectionInfo{
        Section::Http, "http", false, false, "The port for /metrics, /healthz and /readyz."},
    SectionInfo{Section::Admin,
                "admin",
                false,
                false,
                "The database that answers SHOW commands instead of PostgreSQL."},
};

constexpr std::array kSettings{
    Setting{.key = "profile",
            .kind = Kind::Choice,
            .default_text = "production",
            .choices = kProfiles,
            .effect = Effect::Reload,
            .doc = "Presets of pool.min, pool.max and pool.idle_timeout.",
            .field = field<&Config::profile>()},
    Setting{
        .key = "watch",
        .kind = Kind::Boolean,
        .default_text = "false",
        .doc = "Reload by itself when this file or one it names changes (for mounted config maps).",
        .field = field<&Config::watch>()},
    Setting{.section = Section::Top,
            .key = "pid_file",
            .doc = "A file that gets the process id while Weir runs, and is locked: a second "
                   "process with the same one does not start. Empty: none.",
            .field = field<&Config::pid_file>()},

    Setting{.section = Section::Listen,
            .key = "addresses",
            .kind = Kind::ListenAddresses,
            .default_text = "127.0.0.1:6432",
            .doc =
                "Where to listen. \"*:6432\" is every IPv4 address. A unix socket is given by its "
                "folder, which gets "
                ".s.PGSQL.6432 (another port: \"unix:/run/weir:6433\"), or by its abstract name.",
            .field = field<&ListenSettings::addresses>()},
    Setting{.section = Section::Listen,
            .key = "threads",
            .kind = Kind::Threads,
            .default_text = "auto",
            .low = 1,
            .high = kMaxThreads,
            .doc = "Event-loop threads; auto is one for each core this process may use.",
            .field = field<&ListenSettings::threads>()},
    Setting{.section = Section::Listen,
            .key = "max_clients",
            .kind = Kind::Integer,
            .default_text = "10000",
            .low = 1,
            .high = kMaxClients,
            .effect = Effect::Reload,
            .doc = "Clients connected at once; one more is refused with 53300.",
            .field = field<&ListenSettings::max_clients>()},
    Setting{.section = Section::Listen,
            .key = "client_login_timeout",
            .kind = Kind::Duration,
            .default_text = "15s",
            .effect = Effect::Reload,
            .doc = "A client must have logged in this long after it connected.",
            .field = field<&ListenSettings::client_login_timeout>()},
    Setting{
        .section = Section::Listen,
        .key = "client_idle_timeout",
        .kind = Kind::Duration,
        .default_text = "0s",
        .effect = Effect::Reload,
        .doc = "A client that asks nothing for this long, outside a transaction, is disconnected.",
        .field = field<&ListenSettings::client_idle_timeout>()},
    Setting{.section = Section::Listen,
            .key = "backlog",
            .kind = Kind::Integer,
            .default_text = "1024",
            .low = 1,
            .high = kMaxBacklog,
            .doc = "Connections the kernel holds until they are accepted.",
            .field = field<&ListenSettings::backlog>()},
    Setting{.section = Section::Listen,
            .key = "unix_socket_mode",
            .kind = Kind::FileMode,
            .default_text = "0770",
            .doc = "Permissions of the unix sockets' files.",
            .field = field<&ListenSettings::unix_socket_mode>()},
    Setting{.section = Section::Listen,
            .key = "unix_socket_group",
            .doc = "Group of the unix sockets' files, by name; empty: that of the process.",
            .field = field<&ListenSettings::unix_socket_group>()},
    Setting{.section = Section::Listen,
            .key = "tcp_keepalive",
            .kind = Kind::Duration,
            .default_text = "300s",
            .effect = Effect::Reload,
            .doc = "A connection that was silent for this long is probed by the kernel. This and "
                   "the other tcp_ keys hold for clients and for servers, for connections made "
                   "from then on.",
            .field = field<&ListenSettings::tcp_keepalive>()},
    Setting{.section = Section::Listen,
            .key = "tcp_keepalive_interval",
            .kind = Kind::Duration,
            .default_text = "10s",
            .effect = Effect::Reload,
            .doc = "The time between two such probes.",
            .field = field<&ListenSettings::tcp_keepalive_interval>()},
    Setting{.section = Section::Listen,
            .key = "tcp_keepalive_count",
            .kind = Kind::Integer,
            .default_text = "3",
            .low = 1,
            .high = kMaxProbes,
            .effect = Effect::Reload,
            .doc = "A connection that has left this many probes unanswered is gone.",
            .field = field<&ListenSettings::tcp_keepalive_count>()},
    Setting{.section = Section::Listen,
            .key = "tcp_user_timeout",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "A connection whose other end has not confirmed what was sent for this long is "
                   "gone; off: the kernel decides.",
            .field = field<&ListenSettings::tcp_user_timeout>()},
    Setting{.section = Section::Listen,
            .key = "login_notice",
            .effect = Effect::Reload,
            .doc = "A NOTICE that each client gets when it has logged in; empty: none.",
            .field = field<&ListenSettings::login_notice>()},
    Setting{.section = Section::Listen,
            .key = "proxy_protocol",
            .kind = Kind::Choice,
            .default_text = "off",
            .choices = kProxyProtocols,
            .doc = "With v2, every TCP connection begins with a PROXY protocol header, version 2, "
                   "and the client's address is the one in it; a connection without one is "
                   "refused. Whoever can reach the port can then claim any address: let only the "
                   "load balancer reach it.",
            .field = field<&ListenSettings::proxy_protocol>()},
    Setting{.section = Section::Listen,
            .key = "application_name_add_host",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "Adds the client's address and port to the application_name it begins with: "
                   "\"app - 192.0.2.7:50000\". What it sets later stays as it is.",
            .field = field<&ListenSettings::application_name_add_host>()},

    Setting{.section = Section::Auth,
            .key = "method",
            .kind = Kind::Choice,
            .default_text = "scram-sha-256",
            .choices = kAuthMethods,
            .effect = Effect::Reload,
            .doc = "The proof every client must give. With trust, none; with cert, a certificate "
                   "that says its name; with hba, what auth.hba_file says for it.",
            .field = field<&AuthSettings::method>()},
    Setting{.section = Section::Auth,
            .key = "users_file",
            .effect = Effect::Reload,
            .doc = "A file of \"name\" \"secret\" lines as PgBouncer's userlist.txt; a secret is "
                   "plain, md5… or SCRAM-SHA-256$…. A password "
                   "in [user.NAME] comes before the one here. A relative path starts at the folder "
                   "of the configuration file.",
            .field = field<&AuthSettings::users_file>()},
    Setting{.section = Section::Auth,
            .key = "hba_file",
            .effect = Effect::Reload,
            .doc = "A file in pg_hba.conf's syntax that says who may come in from where and with "
                   "which proof; for method = \"hba\". The first line that fits counts.",
            .field = field<&AuthSettings::hba_file>()},
    Setting{.section = Section::Auth,
            .key = "ident_file",
            .effect = Effect::Reload,
            .doc = "A file in pg_ident.conf's syntax: which certificate's name, or which user of "
                   "the operating system, may be which user.",
            .field = field<&AuthSettings::ident_file>()},
    Setting{.section = Section::Auth,
            .key = "cert_map",
            .effect = Effect::Reload,
            .doc = "The map of auth.ident_file for method = \"cert\"; empty: a certificate's name "
                   "is the user's.",
            .field = field<&AuthSettings::cert_map>()},
    Setting{.section = Section::Auth,
            .key = "query",
            .effect = Effect::Reload,
            .doc = "SQL that looks up a user that is neither in [user.NAME] nor in "
                   "auth.users_file: $1 is its name, the answer at most one row of the name and "
                   "the secret. Such as SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL "
                   "ELSE rolpassword END FROM pg_authid WHERE rolname = $1 AND rolcanlogin. Runs "
                   "with search_path = pg_catalog, pg_temp: name the schema of your own functions.",
            .field = field<&AuthSettings::query>()},
    Setting{.section = Section::Auth,
            .key = "query_user",
            .effect = Effect::Reload,
            .doc = "Who runs auth.query; the secret comes from [user.NAME] or auth.users_file and "
                   "must be plain or md5….",
            .field = field<&AuthSettings::query_user>()},
    Setting{.section = Section::Auth,
            .key = "query_database",
            .effect = Effect::Reload,
            .doc = "Where auth.query runs: the NAME of a [database.NAME]; empty: in the database "
                   "the client asks for.",
            .field = field<&AuthSettings::query_database>()},
    Setting{.section = Section::Auth,
            .key = "query_timeout",
            .kind = Kind::Duration,
            .default_text = "5s",
            .effect = Effect::Reload,
            .doc = "auth.query must be answered after this long, the wait for a server connection "
                   "included; else the login fails.",
            .field = field<&AuthSettings::query_timeout>()},

    Setting{.section = Section::Cluster,
            .key = "servers",
            .kind = Kind::Servers,
            .effect = Effect::Reload,
            .doc = "Its PostgreSQL server: \"host:port\", \"unix:/folder\" (port 5432; another: "
                   "\"unix:/folder:5433\") or a table "
                   "{ address = \"…\" }. Exactly one in this version.",
            .field = field<&ClusterSettings::servers>(),
            .sample = R"(["127.0.0.1:5432"])"},
    Setting{.section = Section::Cluster,
            .key = "connect_timeout",
            .kind = Kind::Duration,
            .default_text = "5s",
            .effect = Effect::Reload,
            .doc = "A connection must be open and logged in after this long.",
            .field = field<&ClusterSettings::connect_timeout>()},
    Setting{.section = Section::Cluster,
            .key = "connect_concurrency",
            .kind = Kind::Integer,
            .default_text = "8",
            .low = 1,
            .high = kMaxConnecting,
            .effect = Effect::Reload,
            .doc = "Connections being opened at once, per server.",
            .field = field<&ClusterSettings::connect_concurrency>()},
    Setting{.section = Section::Cluster,
            .key = "login_retry",
            .kind = Kind::Duration,
            .default_text = "1s",
            .effect = Effect::Reload,
            .doc = "The longest pause between two attempts at a server that cannot be logged in "
                   "to; the first comes after 100 ms, each further one after twice as long.",
            .field = field<&ClusterSettings::login_retry>()},

    Setting{.section = Section::Database,
            .key = "cluster",
            .effect = Effect::Reload,
            .doc = "The NAME of a [cluster.NAME]. May be left out when there is only one.",
            .field = field<&DatabaseSettings::cluster>(),
            .sample = R"("main")"},
    Setting{.section = Section::Database,
            .key = "dbname",
            .effect = Effect::Reload,
            .doc = "Its name in PostgreSQL; empty: the same name.",
            .field = field<&DatabaseSettings::dbname>()},
    Setting{.section = Section::Database,
            .key = "user",
            .effect = Effect::Reload,
            .doc = "Log in to PostgreSQL as this user; empty: as the client's user.",
            .field = field<&DatabaseSettings::user>()},
    Setting{.section = Section::Database,
            .key = "password",
            .effect = Effect::Reload,
            .secrecy = Secrecy::Secret,
            .doc = "The password of that user.",
            .field = field<&DatabaseSettings::password>()},
    Setting{
        .section = Section::Database,
        .key = "set",
        .kind = Kind::Table,
        .effect = Effect::Reload,
        .doc = "Settings each server connection starts with, such as { search_path = \"app\" }.",
        .field = field<&DatabaseSettings::set>()},
    Setting{.section = Section::Database,
            .key = "connect_query",
            .effect = Effect::Reload,
            .doc = "SQL that each new server connection runs first, and again once its settings "
                   "have been reset.",
            .field = field<&DatabaseSettings::connect_query>()},
    Setting{.section = Section::Database,
            .key = "auth_query",
            .effect = Effect::Reload,
            .doc = "auth.query for this database; empty: that of [auth].",
            .field = field<&DatabaseSettings::auth_query>()},
    Setting{.section = Section::Database,
            .key = "auth_query_user",
            .effect = Effect::Reload,
            .doc = "auth.query_user for this database; empty: that of [auth].",
            .field = field<&DatabaseSettings::auth_query_user>()},
    Setting{.section = Section::Database,
            .key = "auth_query_database",
            .effect = Effect::Reload,
            .doc = "auth.query_database for this database; empty: that of [auth].",
            .field = field<&DatabaseSettings::auth_query_database>()},
    Setting{.section = Section::Database,
            .key = "max_clients",
            .kind = Kind::Integer,
            .default_text = "0",
            .high = kMaxClients,
            .effect = Effect::Reload,
            .doc = "Clients of this database connected at once; 0 = no limit of its own. Under "
                   "[database.\"*\"] it counts for each name by itself.",
            .field = field<&DatabaseSettings::max_clients>()},
    Setting{.section = Section::Database,
            .key = "max_connections",
            .kind = Kind::Integer,
            .default_text = "0",
            .high = kMaxConnections,
            .effect = Effect::Reload,
            .doc = "Server connections of this database, all users together; 0: as "
                   "limits.max_database_connections.",
            .field = field<&DatabaseSettings::max_connections>()},

    Setting{.section = Section::User,
            .key = "password",
            .effect = Effect::Reload,
            .secrecy = Secrecy::Secret,
            .doc = "What the client must prove to know: plain, md5… or SCRAM-SHA-256$…. Without "
                   "one (here or in auth.users_file) the user "
                   "can log in only with auth.method = \"trust\".",
            .field = field<&UserSettings::secret>(),
            .sample = R"("${APP_PASSWORD:-}")"},
    Setting{.section = Section::User,
            .key = "max_clients",
            .kind = Kind::Integer,
            .default_text = "0",
            .high = kMaxClients,
            .effect = Effect::Reload,
            .doc = "Clients of this user connected at once; 0 = no limit of its own.",
            .field = field<&UserSettings::max_clients>()},
    Setting{.section = Section::User,
            .key = "max_connections",
            .kind = Kind::Integer,
            .default_text = "0",
            .high = kMaxConnections,
            .effect = Effect::Reload,
            .doc = "Server connections that log in as this user, all databases together; 0: as "
                   "limits.max_user_connections.",
            .field = field<&UserSettings::max_connections>()},
    Setting{.section = Section::User,
            .key = "client_idle_timeout",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "As listen.client_idle_timeout, for this user; 0: as there.",
            .field = field<&UserSettings::client_idle_timeout>()},
};

}  // namespace

std::span<const Setting> settings() {
    static const std::vector<Setting> kAll = [] {
        std::vector<Setting> parts{kSettings.begin(), kSettings.end()};
        for (const auto part :
             {detail::pool_settings(), detail::process_settings(), detail::tls_settings()}) {
            parts.insert(parts.end(), part.begin(), part.end());
        }
        return parts;
    }();
    return kAll;
}

std::span<const SectionInfo> sections() {
    return kSections;
}

std::span<const std::string_view> profile_names() {
    return kProfiles;
}

}  // namespace weir::conf
