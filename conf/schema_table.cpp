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
/// What the kernel takes.
constexpr std::uint64_t kMaxProbes = 127;
constexpr std::uint64_t kMaxBacklog = 65'535;

constexpr std::array<std::string_view, 5> kProfiles{
    "development", "test", "staging", "production", "high-load"};
constexpr std::array<std::string_view, 2> kProxyProtocols{"off", "v2"};
constexpr std::array<std::string_view, 6> kAuthMethods{
    "trust", "password", "md5", "scram-sha-256", "cert", "hba"};

constexpr std::array kSections{
    SectionInfo{Section::Top, "", Form::Single, "Keys that stand before the first section."},
    SectionInfo{Section::Listen, "listen", Form::Single, "Where applications connect."},
    SectionInfo{Section::TlsClient,
                "tls.client",
                Form::Single,
                "TLS between applications and Weir (docs/tls.md)."},
    SectionInfo{Section::TlsServer,
                "tls.server",
                Form::Single,
                "TLS between Weir and PostgreSQL; never over a unix socket. [cluster.NAME.tls] "
                "takes the same keys for one cluster."},
    SectionInfo{Section::Auth, "auth", Form::Single, "How applications prove who they are."},
    SectionInfo{
        Section::Cluster,
        "cluster",
        Form::Named,
        "Where PostgreSQL is: one section per PostgreSQL system, under a name of your choice. "
        "[cluster.NAME.tls] takes the keys of [tls.server]."},
    SectionInfo{Section::Database,
                "database",
                Form::Named,
                "One section per database name that applications ask for. [database.\"*\"] serves "
                "every name that has "
                "no section of its own. [database.NAME.pool] takes the keys of [pool], "
                "[database.NAME.pool.read] those of [pool.read], [database.NAME.policy] those of "
                "[policy] and [database.NAME.policy.retry] those of [policy.retry]."},
    SectionInfo{Section::User,
                "user",
                Form::Named,
                "One section per user. [user.NAME.pool] takes the keys of [pool], "
                "[user.NAME.pool.read] those of [pool.read], [user.NAME.policy] those of [policy] "
                "and [user.NAME.policy.retry] those of [policy.retry]."},
    SectionInfo{
        Section::Pool,
        "pool",
        Form::Single,
        "How many connections to PostgreSQL a (database, user) pair gets, and for how "
        "long. The most specific "
        "place wins: [user.NAME.pool], then [database.NAME.pool], then [pool], then the "
        "profile. A max without "
        "a min beside it lowers an inherited min that is above it. [pool.read] takes any of the "
        "keys but mode for the connections to replicas, such as min = 20 and max = 100: "
        "what all of the places above say holds for replicas too, and over it are laid "
        "[pool.read], [database.NAME.pool.read] and [user.NAME.pool.read]."},
    SectionInfo{Section::Limits, "limits", Form::Single, "What nobody may exceed."},
    SectionInfo{Section::Policy,
                "policy",
                Form::Single,
                "What a statement may do. The most specific place wins: [user.NAME.policy], then "
                "[database.NAME.policy], then [policy]; the user is the one who logged in to "
                "Weir. Rules are laid over it, and a comment in the statement over these as far as "
                "hints allows. EXPLAIN POLICY in the admin database tells what holds for a "
                "statement, and why (docs/policies.md)."},
    SectionInfo{Section::Retry,
                "policy.retry",
                Form::Single,
                "What is tried again instead of failing, how often and after which pauses: base, "
                "then each time multiplier times as long, at most max (0: without a limit), with "
                "jitter a random share of that. attempts counts all tries, the first one too: 1 "
                "tries nothing again. What a table leaves out has its default. May be set for one "
                "database or user as [policy] may."},
    SectionInfo{Section::Breaker,
                "policy.breaker",
                Form::Single,
                "Each member of a cluster has a circuit breaker: when too many calls to it fail, "
                "it gets none for open_for, then a few to see whether it is well again."},
    SectionInfo{Section::Rule,
                "rule",
                Form::Listed,
                "What holds for some statements only, as often as needed: [[rule]], then match = "
                "{ … } and set = { … } (or [rule.match] and [rule.set] below it). Rules are read "
                "in order, and each that matches adds what it sets, or overrules what an earlier "
                "one set."},
    SectionInfo{Section::RuleMatch,
                "rule.match",
                Form::Listed,
                "What a rule is about: all that is not empty must match, and a rule with nothing "
                "here is about every statement."},
    SectionInfo{Section::RuleSet, "rule.set", Form::Listed, "What then holds: at least one key."},
    SectionInfo{Section::Cache,
                "cache",
                Form::Single,
                "Results of reads that are kept in this process for reuse. Nothing is unless "
                "default_ttl, a rule's cache_ttl or a comment says so (docs/cache.md)."},
    SectionInfo{Section::WarmUp,
                "warm_up",
                Form::Listed,
                "Statements that are run when Weir starts, so that the first clients find their "
                "results in the cache, as often as needed: [[warm_up]]. They run in the order they "
                "stand in, one at a time, beside everything else (docs/cache.md)."},
    SectionInfo{Section::Ledger,
                "ledger",
                Form::Single,
                "What is remembered of the work, in an SQLite file: slow and failed statements, "
                "statistics of each statement, events."},
    SectionInfo{Section::Log, "log", Form::Single, "What is written about the work, and where."},
    SectionInfo{
        Section::Http, "http", Form::Single, "The port for /metrics, /healthz, /readyz and /api."},
    SectionInfo{Section::Admin,
                "admin",
                Form::Single,
                "The database that answers SHOW commands instead of PostgreSQL."},
    SectionInfo{Section::Health,
                "health",
                Form::Single,
                "From where on a pool is degraded and from where on critical, as [degraded, "
                "critical]; a value that reaches the number counts, and 0 in either place means "
                "never. Of what is about pools the worst is the pool's (SHOW HEALTH, /api/health, "
                "weir_pool_health; docs/admin.md)."},
    SectionInfo{Section::Alert,
                "alert",
                Form::Listed,
                "Who is told when something is wrong, as often as needed: [[alert]]. An alert "
                "begins with the first pool or member of which `when` has held, and ends when "
                "there has been none for 10 seconds; the log, the ledger, the metrics and its "
                "webhook are told both (docs/admin.md)."},
    SectionInfo{Section::Maintenance,
                "maintenance",
                Form::Single,
                "How one database behind Weir is kept in shape: partitions, aggregates, "
                "materialized views, VACUUM and ANALYZE, tasks of your own. Weir does it over "
                "connections of its own, never through a pool."},
    SectionInfo{Section::Partition,
                "partition",
                Form::Listed,
                "A table partitioned by ranges whose partitions are made ahead and taken away when "
                "they are old, as often as needed: [[partition]]. Which there are is read from the "
                "catalog each time."},
    SectionInfo{Section::Aggregate,
                "aggregate",
                Form::Listed,
                "Rows of source become one row per bucket of time and group in target, which is "
                "kept up to date, as often as needed: [[aggregate]]."},
    SectionInfo{Section::MaterializedView,
                "materialized_view",
                Form::Listed,
                "A materialized view that is refreshed, as often as needed: "
                "[[materialized_view]]."},
    SectionInfo{Section::Task,
                "task",
                Form::Listed,
                "SQL of your own that is run on a schedule, as often as needed: [[task]]."},
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
};

}  // namespace

std::span<const Setting> settings() {
    static const std::vector<Setting> kAll = [] {
        std::vector<Setting> parts{kSettings.begin(), kSettings.end()};
        for (const auto part : {detail::data_settings(),
                                detail::pool_settings(),
                                detail::policy_settings(),
                                detail::rule_settings(),
                                detail::cache_settings(),
                                detail::warm_up_settings(),
                                detail::process_settings(),
                                detail::tls_settings(),
                                detail::alert_settings(),
                                detail::maintenance_settings(),
                                detail::maintained_settings()}) {
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
