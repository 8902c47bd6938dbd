// The part of the table of settings about the process itself: its memory of the work, its log, its
// HTTP port, its admin database.

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

constexpr std::array<std::string_view, 5> kLogLevels{"trace", "debug", "info", "warn", "error"};
/// PostgreSQL's own track_activity_query_size is 1 KiB.
constexpr std::uint64_t kStatementTextMax = std::uint64_t{64} * 1024;
constexpr std::array<std::string_view, 2> kLogFormats{"text", "json"};

/// Room for years; an SQLite file may be larger still.
constexpr std::uint64_t kLedgerBytesMax = std::uint64_t{1} << 40U;

constexpr std::array kSettings{
    Setting{.section = Section::Ledger,
            .key = "path",
            .default_text = "weir-ledger.db",
            .doc = "The SQLite file; a relative path starts at the folder the process runs in. "
                   "\":memory:\": all is forgotten when it ends. Empty: nothing is remembered.",
            .field = field<&LedgerSettings::path>()},
    Setting{.section = Section::Ledger,
            .key = "sample_rate",
            .kind = Kind::Number,
            .default_text = "0.1",
            .low = 0,
            .high = 1,
            .effect = Effect::Reload,
            .doc = "The share of the statements that are neither slow nor failed that is kept one "
                   "by one. The slow and the failed ones always are, and the statistics count "
                   "every statement.",
            .field = field<&LedgerSettings::sample_rate>()},
    Setting{.section = Section::Ledger,
            .key = "retention",
            .kind = Kind::Retention,
            .default_text = "statements=14d, hourly=400d, events=90d",
            .effect = Effect::Reload,
            .doc = "How long single statements, the statistics of each hour and events are kept "
                   "(what pools tell of a minute in which nothing failed at most 7 days). "
                   "0: until there is no room. What the table leaves out has its default.",
            .field = field<&LedgerSettings::retention>()},
    Setting{.section = Section::Ledger,
            .key = "max_size",
            .kind = Kind::Size,
            .default_text = "2GiB",
            .high = kLedgerBytesMax,
            .effect = Effect::Reload,
            .doc = "A larger file loses its oldest samples first, then other kinds in the order of "
                   "docs/ledger.md; the audit has a quarter of it. 0 = no limit. SQLite's log and "
                   "the ballast beside the file come on top.",
            .field = field<&LedgerSettings::max_size>()},
    Setting{.section = Section::Log,
            .key = "level",
            .kind = Kind::Choice,
            .default_text = "info",
            .choices = kLogLevels,
            .effect = Effect::Reload,
            .doc = "The least important line that is still written.",
            .field = field<&log::Options::level>()},
    Setting{.section = Section::Log,
            .key = "format",
            .kind = Kind::Choice,
            .default_text = "text",
            .choices = kLogFormats,
            .doc = "One line per event, as text or as JSON.",
            .field = field<&log::Options::format>()},
    Setting{.section = Section::Log,
            .key = "file",
            .doc = "Empty: standard error.",
            .field = field<&log::Options::file>()},
    Setting{.section = Section::Log,
            .key = "connections",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "A line for each client that has logged in.",
            .field = field<&log::Options::connections>()},
    Setting{.section = Section::Log,
            .key = "disconnections",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "A line for each of them that leaves.",
            .field = field<&log::Options::disconnections>()},
    Setting{.section = Section::Log,
            .key = "pooler_errors",
            .kind = Kind::Boolean,
            .default_text = "true",
            .effect = Effect::Reload,
            .doc = "A line for each error of Weir's own that a client is told, at most 100 a "
                   "second and thread.",
            .field = field<&log::Options::pooler_errors>()},
    Setting{.section = Section::Log,
            .key = "stats_every",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "How often a line says how much was done since the one before.",
            .field = field<&log::Options::stats_every>()},

    Setting{.section = Section::Http,
            .key = "address",
            .kind = Kind::TcpAddress,
            .default_text = "127.0.0.1:9127",
            .doc = "Empty: off.",
            .field = field<&HttpSettings::address>()},
    Setting{
        .section = Section::Http,
        .key = "user",
        .doc = "With password: HTTP basic authentication for everything but /healthz and /readyz.",
        .field = field<&HttpSettings::user>()},
    Setting{.section = Section::Http,
            .key = "password",
            .secrecy = Secrecy::Secret,
            .doc = "For that user.",
            .field = field<&HttpSettings::password>()},

    Setting{.section = Section::Admin,
            .key = "database",
            .default_text = "weir",
            .doc = "Its name; \"pgbouncer\" answers too.",
            .field = field<&AdminSettings::database>()},
    Setting{.section = Section::Admin,
            .key = "admins",
            .kind = Kind::Names,
            .doc = "Users who may change things.",
            .field = field<&AdminSettings::admins>()},
    Setting{.section = Section::Admin,
            .key = "viewers",
            .kind = Kind::Names,
            .doc = "Users who may look.",
            .field = field<&AdminSettings::viewers>()},
    Setting{.section = Section::Admin,
            .key = "stats_period",
            .kind = Kind::Duration,
            .default_text = "60s",
            .effect = Effect::Reload,
            .doc =
                "The averages of SHOW STATS, and those that [health] judges, are over this long; "
                "looked at every second.",
            .field = field<&AdminSettings::stats_period>()},
    Setting{.section = Section::Admin,
            .key = "suspend_timeout",
            .kind = Kind::Duration,
            .default_text = "10s",
            .effect = Effect::Reload,
            .doc = "A connection that has not taken what was sent to it this long after SUSPEND is "
                   "closed; 0 = waits as long as it takes.",
            .field = field<&AdminSettings::suspend_timeout>()},
    Setting{.section = Section::Admin,
            .key = "statement_text",
            .kind = Kind::Size,
            .default_text = "0",
            .high = kStatementTextMax,
            .effect = Effect::Reload,
            .doc = "How much of the statement a client is running SHOW ACTIVITY can show; 0 = its "
                   "text is not kept. It may contain personal data.",
            .field = field<&AdminSettings::statement_text>()},

    Setting{.section = Section::Health,
            .key = "pool_usage",
            .kind = Kind::SharePair,
            .default_text = "0.8, 0.95",
            .effect = Effect::Reload,
            .doc = "The share of pool.max that is in use at the moment: server connections that "
                   "serve a client, are made ready for the next one or are being cancelled.",
            .field = field<&HealthSettings::pool_usage>()},
    Setting{.section = Section::Health,
            .key = "pool_wait",
            .kind = Kind::DurationPair,
            .default_text = "100ms, 1s",
            .effect = Effect::Reload,
            .doc = "Waiting for a server connection: how long the client has waited by now that "
                   "waits longest, or what all waited on average in the last admin.stats_period, "
                   "whichever is more.",
            .field = field<&HealthSettings::pool_wait>()},
    Setting{.section = Section::Health,
            .key = "error_rate",
            .kind = Kind::SharePair,
            .default_text = "0.01, 0.05",
            .effect = Effect::Reload,
            .doc = "The share of statements in the last admin.stats_period that got no server "
                   "connection, lost it, or failed through no fault of their own: SQLSTATE class "
                   "08, 53, 57 (not 57014, which may be a client's own cancel), 58 or XX.",
            .field = field<&HealthSettings::error_rate>()},
    Setting{.section = Section::Health,
            .key = "cache_hit_rate",
            .kind = Kind::FloorPair,
            .default_text = "0.8, 0.7",
            .effect = Effect::Reload,
            .doc = "The share of the reads meant for the cache that PostgreSQL had nothing to do "
                   "for, in the last admin.stats_period, from 100 reads on; too little is bad. It "
                   "degrades the whole at most.",
            .field = field<&HealthSettings::cache_hit_rate>()},
    Setting{.section = Section::Health,
            .key = "average_response",
            .kind = Kind::DurationPair,
            .default_text = "100ms, 2s",
            .effect = Effect::Reload,
            .doc = "How long the server took for a statement, on average of the last "
                   "admin.stats_period. Averages and shares count from 20 statements on.",
            .field = field<&HealthSettings::average_response>()},
};

}  // namespace

std::span<const Setting> process_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
