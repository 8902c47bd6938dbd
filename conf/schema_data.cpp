// The part of the table of settings about where the data is, and who asks for it.

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

constexpr std::uint64_t kMaxClients = 1'000'000;
/// What one process can serve.
constexpr std::uint64_t kMaxConnections = 100'000;
constexpr std::uint64_t kMaxConnecting = 1'000;
constexpr std::uint64_t kMaxPriority = 10;
/// In milliseconds; more often would be load, not knowledge.
constexpr std::uint64_t kShortestProbe = 10;
constexpr std::array<std::string_view, 4> kBalances{
    "least-connections", "round-robin", "random", "latency"};

constexpr std::array kSettings{
    Setting{.section = Section::Cluster,
            .key = "servers",
            .kind = Kind::Servers,
            .effect = Effect::Reload,
            .doc = "Its PostgreSQL servers, the cluster's members: each is \"host:port\", "
                   "\"unix:/folder\" (port 5432; another: \"unix:/folder:5433\") or a table { "
                   "address = \"…\", weight = 1, role = \"auto\" }. A replica's weight, 1 to "
                   "1000, is its share of the reads. A role of auto is found out by asking the "
                   "server, and again and again; primary or replica says it once and for all, "
                   "primary for one at most.",
            .field = field<&ClusterSettings::members>(),
            .sample = R"(["127.0.0.1:5432"])"},
    Setting{.section = Section::Cluster,
            .key = "probe_interval",
            .kind = Kind::Duration,
            .default_text = "1s",
            .low = kShortestProbe,
            .effect = Effect::Reload,
            .doc = "How often each member is asked whether it is there, whether it is the primary, "
                   "and how far it has replayed.",
            .field = field<&ClusterSettings::probe_interval>()},
    Setting{.section = Section::Cluster,
            .key = "probe_timeout",
            .kind = Kind::Duration,
            .default_text = "2s",
            .low = kShortestProbe,
            .effect = Effect::Reload,
            .doc = "A member that has not answered after this long counts as unreachable.",
            .field = field<&ClusterSettings::probe_timeout>()},
    Setting{.section = Section::Cluster,
            .key = "probe_user",
            .effect = Effect::Reload,
            .doc = "Who asks; the password comes from [user.NAME] or auth.users_file. Empty: the "
                   "user of the pool the member is asked for.",
            .field = field<&ClusterSettings::probe_user>()},
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
            .doc = "Connections being opened at once, per member.",
            .field = field<&ClusterSettings::connect_concurrency>()},
    Setting{.section = Section::Cluster,
            .key = "balance",
            .kind = Kind::Choice,
            .default_text = "least-connections",
            .choices = kBalances,
            .effect = Effect::Reload,
            .doc = "Which replica gets the next read, by weight: the one with the fewest "
                   "connections in use, each in turn, any, or the one that answers fastest.",
            .field = field<&ClusterSettings::balance>()},
    Setting{.section = Section::Cluster,
            .key = "max_replica_lag",
            .kind = Kind::Duration,
            .default_text = "10s",
            .effect = Effect::Reload,
            .doc = "A replica further behind the primary than this gets no reads; 0 = no limit.",
            .field = field<&ClusterSettings::max_replica_lag>()},
    Setting{.section = Section::Cluster,
            .key = "failover_hold",
            .kind = Kind::Duration,
            .default_text = "30s",
            .effect = Effect::Reload,
            .doc = "While there is no primary, what needs one waits this long for one, then fails "
                   "with 57P03; 0 = it fails at once.",
            .field = field<&ClusterSettings::failover_hold>()},

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
            .key = "read_write_split",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "Sends reads to replicas when that is safe: statements that are surely reads, "
                   "outside a transaction or in one that is read only. Needs a pool.mode of "
                   "transaction or statement.",
            .field = field<&DatabaseSettings::read_write_split>()},
    Setting{.section = Section::Database,
            .key = "read_your_writes",
            .kind = Kind::Boolean,
            .default_text = "true",
            .effect = Effect::Reload,
            .doc = "A client's reads see its own committed writes wherever they run: after a write "
                   "only replicas that have replayed it get its reads, else the primary.",
            .field = field<&DatabaseSettings::read_your_writes>()},
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
    Setting{.section = Section::User,
            .key = "priority",
            .kind = Kind::Level,
            .default_text = "0",
            .high = kMaxPriority,
            .effect = Effect::Reload,
            .doc = "Who is served first where clients wait: the higher. Each step counts as much "
                   "as having waited a second longer (where pool.acquire_timeout is below 40s: a "
                   "fortieth of it), so that nobody waits in vain. Users meet where a database "
                   "has a user of its own, and in limits.max_database_connections.",
            .field = field<&UserSettings::priority>()},
};

}  // namespace

std::span<const Setting> data_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
