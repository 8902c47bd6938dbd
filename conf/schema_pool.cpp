// The part of the table of settings about pools, limits and policies.

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
/// What one process can serve.
constexpr std::uint64_t kMaxConnections = 100'000;
constexpr std::uint64_t kMaxPreparedStatements = 100'000;
/// A message's length is a signed 32-bit number (PostgreSQL manual, "Message Formats").
constexpr std::uint64_t kMaxMessage = 0x7fffffff;
constexpr std::array<std::string_view, 3> kPoolModes{"session", "transaction", "statement"};
constexpr std::array<std::string_view, 2> kSessionStates{"carry", "forget"};

constexpr std::array kSettings{
    Setting{.section = Section::Pool,
            .key = "mode",
            .kind = Kind::Choice,
            .default_text = "transaction",
            .choices = kPoolModes,
            .effect = Effect::Reload,
            .doc = "For how long a client keeps a server connection: until it leaves, to the end "
                   "of its transaction, "
                   "or of its statement (then transactions are refused).",
            .field = field<&PoolSettings::mode>(),
            .override_field = field<&PoolOverrides::mode>()},
    Setting{.section = Section::Pool,
            .key = "min",
            .kind = Kind::Integer,
            .high = kMaxConnections,
            .effect = Effect::Reload,
            .doc = "Server connections kept open once the pool is in use.",
            .field = field<&PoolSettings::min>(),
            .override_field = field<&PoolOverrides::min>()},
    Setting{.section = Section::Pool,
            .key = "max",
            .kind = Kind::Integer,
            .low = 1,
            .high = kMaxConnections,
            .effect = Effect::Reload,
            .doc = "Server connections per (database, user), all threads together.",
            .field = field<&PoolSettings::max>(),
            .override_field = field<&PoolOverrides::max>()},
    Setting{.section = Section::Pool,
            .key = "idle_timeout",
            .kind = Kind::Duration,
            .effect = Effect::Reload,
            .doc = "A server connection above min that nobody used for this long is closed.",
            .field = field<&PoolSettings::idle_timeout>(),
            .override_field = field<&PoolOverrides::idle_timeout>()},
    Setting{.section = Section::Pool,
            .key = "max_lifetime",
            .kind = Kind::Duration,
            .default_text = "1h",
            .effect = Effect::Reload,
            .doc = "A server connection this old is replaced when it is next free.",
            .field = field<&PoolSettings::max_lifetime>(),
            .override_field = field<&PoolOverrides::max_lifetime>()},
    Setting{.section = Section::Pool,
            .key = "acquire_timeout",
            .kind = Kind::Duration,
            .default_text = "10s",
            .effect = Effect::Reload,
            .doc = "A client waits this long for a server connection, then gets an error.",
            .field = field<&PoolSettings::acquire_timeout>(),
            .override_field = field<&PoolOverrides::acquire_timeout>()},
    Setting{.section = Section::Pool,
            .key = "reserve",
            .kind = Kind::Integer,
            .default_text = "0",
            .high = kMaxConnections,
            .effect = Effect::Reload,
            .doc = "Connections on top of max for when somebody waits too long.",
            .field = field<&PoolSettings::reserve>(),
            .override_field = field<&PoolOverrides::reserve>()},
    Setting{.section = Section::Pool,
            .key = "reserve_after",
            .kind = Kind::Duration,
            .default_text = "5s",
            .effect = Effect::Reload,
            .doc = "How long somebody must have waited before the reserve is opened.",
            .field = field<&PoolSettings::reserve_after>(),
            .override_field = field<&PoolOverrides::reserve_after>()},
    Setting{.section = Section::Pool,
            .key = "prepared_statements",
            .kind = Kind::Integer,
            .default_text = "200",
            .high = kMaxPreparedStatements,
            .effect = Effect::Reload,
            .doc = "Named prepared statements remembered per server connection (transaction and "
                   "statement mode); 0 = names pass through untouched.",
            .field = field<&PoolSettings::prepared_statements>(),
            .override_field = field<&PoolOverrides::prepared_statements>()},
    Setting{.section = Section::Pool,
            .key = "check_after",
            .kind = Kind::Duration,
            .default_text = "30s",
            .effect = Effect::Reload,
            .doc = "A connection idle for this long is checked before it is used.",
            .field = field<&PoolSettings::check_after>(),
            .override_field = field<&PoolOverrides::check_after>()},
    Setting{.section = Section::Pool,
            .key = "check_query",
            .effect = Effect::Reload,
            .doc = "What it is checked with; empty: an empty query, which costs the server least.",
            .field = field<&PoolSettings::check_query>(),
            .override_field = field<&PoolOverrides::check_query>()},
    Setting{.section = Section::Pool,
            .key = "notice_after",
            .kind = Kind::Duration,
            .default_text = "5s",
            .effect = Effect::Reload,
            .doc = "A client that has waited this long for a server connection gets a NOTICE that "
                   "says so.",
            .field = field<&PoolSettings::notice_after>(),
            .override_field = field<&PoolOverrides::notice_after>()},
    Setting{.section = Section::Pool,
            .key = "round_robin",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "Lends the server connection that has rested longest, so that all are used "
                   "alike; else the one used last, so that those not needed can go.",
            .field = field<&PoolSettings::round_robin>(),
            .override_field = field<&PoolOverrides::round_robin>()},
    Setting{.section = Section::Pool,
            .key = "idle_in_transaction_timeout",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "A client silent for this long inside a transaction is disconnected with 25P03.",
            .field = field<&PoolSettings::idle_in_transaction_timeout>(),
            .override_field = field<&PoolOverrides::idle_in_transaction_timeout>()},
    Setting{.section = Section::Pool,
            .key = "transaction_timeout",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "A transaction that lasts longer is ended with 25P04.",
            .field = field<&PoolSettings::transaction_timeout>(),
            .override_field = field<&PoolOverrides::transaction_timeout>()},
    Setting{.section = Section::Pool,
            .key = "state",
            .kind = Kind::Choice,
            .default_text = "carry",
            .choices = kSessionStates,
            .effect = Effect::Reload,
            .doc = "What a client sets in its session, in transaction and statement mode. carry: "
                   "it goes with the client from server connection to server connection; what "
                   "cannot keeps the connection for this client until it is gone (SHOW PINS). "
                   "forget: as PgBouncer, it stays on the server connection.",
            .field = field<&PoolSettings::state>(),
            .override_field = field<&PoolOverrides::state>()},
    Setting{.section = Section::Pool,
            .key = "reset_query",
            .default_text = "DISCARD ALL",
            .effect = Effect::Reload,
            .doc = "Makes a connection as new: in session mode between clients, and wherever its "
                   "state is unknown.",
            .field = field<&PoolSettings::reset_query>(),
            .override_field = field<&PoolOverrides::reset_query>()},

    Setting{.section = Section::Limits,
            .key = "max_database_connections",
            .kind = Kind::Integer,
            .default_text = "0",
            .high = kMaxConnections,
            .effect = Effect::Reload,
            .doc = "Server connections per database, all users together; 0 = no limit.",
            .field = field<&LimitSettings::max_database_connections>()},
    Setting{.section = Section::Limits,
            .key = "max_user_connections",
            .kind = Kind::Integer,
            .default_text = "0",
            .high = kMaxConnections,
            .effect = Effect::Reload,
            .doc = "Server connections per user, all databases together; 0 = no limit.",
            .field = field<&LimitSettings::max_user_connections>()},
    Setting{.section = Section::Limits,
            .key = "simple_queries",
            .kind = Kind::Boolean,
            .default_text = "true",
            .effect = Effect::Reload,
            .doc = "Whether clients may use the simple query protocol, the one that lets several "
                   "statements into one string; one that does against a false is disconnected.",
            .field = field<&LimitSettings::simple_queries>()},
    Setting{.section = Section::Limits,
            .key = "max_message",
            .kind = Kind::Size,
            .default_text = "256MiB",
            .low = kKiB,
            .high = kMaxMessage,
            .effect = Effect::Reload,
            .doc = "The largest message a client may send.",
            .field = field<&LimitSettings::max_message>()},
    Setting{.section = Section::Limits,
            .key = "client_buffer",
            .kind = Kind::Size,
            .default_text = "256KiB",
            .low = 4 * kKiB,
            .high = 1024 * kMiB,
            .effect = Effect::Reload,
            .doc = "Unsent bytes per client before its server connection is paused.",
            .field = field<&LimitSettings::client_buffer>()},

    Setting{
        .section = Section::Policy,
        .key = "statement_timeout",
        .kind = Kind::Duration,
        .default_text = "0s",
        .effect = Effect::Reload,
        .doc =
            "A statement that runs longer on the server is cancelled there; its client gets "
            "57014 and stays connected. Each statement of a pipeline has its own time; one query "
            "string with several statements counts as one. A server that does not answer the "
            "cancel loses the "
            "connection.",
        .field = field<&PolicySettings::statement_timeout>(),
        .override_field = field<&PolicyOverrides::statement_timeout>()},
};

}  // namespace

std::span<const Setting> pool_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
