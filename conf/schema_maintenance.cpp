// The part of the table of settings about maintenance as such, and what the tables in it hold.

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

constexpr std::uint64_t kMaxBatch = 1'000'000;
constexpr std::uint64_t kMaxRows = 1'000'000'000'000;
/// Transaction ids wrap around before the next round number.
constexpr std::uint64_t kMaxFreezeAge = 2'000'000'000;
constexpr std::uint64_t kMaxRatio = 1'000;
constexpr std::uint64_t kMaxDrops = 1'000;

constexpr std::array kRunTimes{
    Setting{.key = "daily", .kind = Kind::CronLine, .field = field<&MaintenanceSchedule::daily>()},
    Setting{
        .key = "vacuum", .kind = Kind::CronLine, .field = field<&MaintenanceSchedule::vacuum>()},
    Setting{.key = "retention",
            .kind = Kind::CronLine,
            .field = field<&MaintenanceSchedule::retention>()}};

constexpr std::array kCareKeys{
    Setting{.key = "dead_rows", .kind = Kind::Share, .field = field<&CareSettings::dead_rows>()},
    Setting{.key = "modified_rows",
            .kind = Kind::Share,
            .field = field<&CareSettings::modified_rows>()},
    Setting{.key = "min_rows",
            .kind = Kind::Integer,
            .high = kMaxRows,
            .field = field<&CareSettings::min_rows>()},
    Setting{.key = "freeze_age",
            .kind = Kind::Integer,
            .low = 1,
            .high = kMaxFreezeAge,
            .field = field<&CareSettings::freeze_age>()},
    Setting{.key = "index_bloat",
            .kind = Kind::Number,
            .high = 1,
            .field = field<&CareSettings::index_bloat>()}};

constexpr std::array kGovernorKeys{Setting{.key = "max_p95_ratio",
                                           .kind = Kind::Number,
                                           .high = kMaxRatio,
                                           .field = field<&GovernorSettings::max_p95_ratio>()},
                                   Setting{.key = "max_replica_lag",
                                           .kind = Kind::Duration,
                                           .field = field<&GovernorSettings::max_replica_lag>()},
                                   Setting{.key = "max_pool_usage",
                                           .kind = Kind::Number,
                                           .high = 1,
                                           .field = field<&GovernorSettings::max_pool_usage>()}};

constexpr std::array kAheadKeys{Setting{.key = "min",
                                        .kind = Kind::KeyStep,
                                        .default_text = "6 months",
                                        .field = field<&AheadSettings::min>()},
                                Setting{.key = "max",
                                        .kind = Kind::KeyStep,
                                        .default_text = "12 months",
                                        .field = field<&AheadSettings::max>()}};

/// The last one is another word for the second.
constexpr std::array<std::string_view, 4> kRetentionActions{
    "detach", "archive", "drop", "archive-schema"};

constexpr Field kActionField{
    [](void* object, const Value& value) {
        const auto index = std::get<std::uint64_t>(value);
        static_cast<RetentionSettings*>(object)->action = index + 1 == kRetentionActions.size()
                                                              ? RetentionAction::Archive
                                                              : static_cast<RetentionAction>(index);
    },
    [](const void* object) {
        return to_value(static_cast<const RetentionSettings*>(object)->action);
    }};

constexpr std::array kRetentionKeys{
    Setting{.key = "keep", .kind = Kind::KeyStep, .field = field<&RetentionSettings::keep>()},
    Setting{.key = "action",
            .kind = Kind::Choice,
            .default_text = "detach",
            .choices = kRetentionActions,
            .field = kActionField},
    Setting{.key = "quarantine",
            .kind = Kind::CalendarSpan,
            .default_text = "7 days",
            .field = field<&RetentionSettings::quarantine>()},
    Setting{.key = "archive_schema", .field = field<&RetentionSettings::archive_schema>()},
    Setting{.key = "max_drops_per_run",
            .kind = Kind::Integer,
            .low = 1,
            .high = kMaxDrops,
            .field = field<&RetentionSettings::max_drops_per_run>()},
    Setting{
        .key = "enforce", .kind = Kind::Boolean, .field = field<&RetentionSettings::enforce>()}};

constexpr std::array kSettings{
    Setting{.section = Section::Maintenance,
            .key = "enabled",
            .kind = Kind::Boolean,
            .default_text = "false",
            .effect = Effect::Reload,
            .doc = "Whether Weir does by itself what the schedules say. What is configured can be "
                   "run by hand either way.",
            .field = field<&MaintenanceSettings::enabled>()},
    Setting{.section = Section::Maintenance,
            .key = "database",
            .effect = Effect::Reload,
            .doc = "The NAME of the [database.NAME] that is maintained.",
            .field = field<&MaintenanceSettings::database>(),
            .sample = R"("shop")"},
    Setting{.section = Section::Maintenance,
            .key = "user",
            .effect = Effect::Reload,
            .doc = "Who does it, over connections of its own, never through a pool; must own the "
                   "tables. Empty: the user of that database's section.",
            .field = field<&MaintenanceSettings::user>()},
    Setting{.section = Section::Maintenance,
            .key = "timezone",
            .default_text = "UTC",
            .effect = Effect::Reload,
            .doc = "The time zone of schedules and windows, and of where days and months begin in "
                   "partitions and buckets: an IANA name such as \"Europe/Berlin\".",
            .field = field<&MaintenanceSettings::timezone>()},
    Setting{.section = Section::Maintenance,
            .key = "schedule",
            .kind = Kind::RunTimes,
            .default_text = "daily=0 2 * * *, vacuum=0 3 * * 0, retention=0 4 1 * *",
            .effect = Effect::Reload,
            .doc = "When the standing jobs run, as cron lines, \"\" for never. daily: partitions, "
                   "views, ANALYZE; vacuum: VACUUM, REINDEX, freezing; retention: old partitions. "
                   "What the table leaves out has its default.",
            .field = field<&MaintenanceSettings::schedule>()},
    Setting{.section = Section::Maintenance,
            .key = "windows",
            .kind = Kind::Windows,
            .effect = Effect::Reload,
            .doc = "Times of the day in which jobs may run; one that ends before it begins passes "
                   "midnight. Empty: at any time.",
            .field = field<&MaintenanceSettings::windows>()},
    Setting{.section = Section::Maintenance,
            .key = "jitter",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "Each job starts up to this much later than its schedule says, so that many "
                   "instances do not start at once.",
            .field = field<&MaintenanceSettings::jitter>()},
    Setting{.section = Section::Maintenance,
            .key = "max_run",
            .kind = Kind::Duration,
            .default_text = "5m",
            .effect = Effect::Reload,
            .doc = "A job that has run for this long stops at its next step and goes on at its "
                   "next run.",
            .field = field<&MaintenanceSettings::max_run>()},
    Setting{.section = Section::Maintenance,
            .key = "batch",
            .kind = Kind::Integer,
            .default_text = "1000",
            .low = 1,
            .high = kMaxBatch,
            .effect = Effect::Reload,
            .doc = "How many rows are moved in one transaction.",
            .field = field<&MaintenanceSettings::batch>()},
    Setting{.section = Section::Maintenance,
            .key = "lock_timeout",
            .kind = Kind::Duration,
            .default_text = "200ms",
            .low = 1,
            .effect = Effect::Reload,
            .doc = "How long a step waits for a lock while others queue behind it; then it lets "
                   "them pass and tries again, on a ladder of longer waits and pauses.",
            .field = field<&MaintenanceSettings::lock_timeout>()},
    Setting{.section = Section::Maintenance,
            .key = "max_blocker_age",
            .kind = Kind::Duration,
            .default_text = "30s",
            .effect = Effect::Reload,
            .doc = "A step is put off while a transaction older than this holds a lock on the "
                   "table.",
            .field = field<&MaintenanceSettings::max_blocker_age>()},
    Setting{.section = Section::Maintenance,
            .key = "care",
            .kind = Kind::Care,
            .default_text = "dead_rows=0.2, modified_rows=0.1, min_rows=1000, "
                            "freeze_age=150000000, index_bloat=0",
            .effect = Effect::Reload,
            .doc = "What of a table calls for care: VACUUM from dead_rows on, the share of its "
                   "rows that are dead; ANALYZE from modified_rows on, the share that has changed "
                   "since the last; neither where that is fewer than min_rows; VACUUM (FREEZE) "
                   "from the age freeze_age on; REINDEX CONCURRENTLY of an index from the share "
                   "index_bloat on, 0 for never. What the table leaves out has its default.",
            .field = field<&MaintenanceSettings::care>()},
    Setting{.section = Section::Maintenance,
            .key = "governor",
            .kind = Kind::Governor,
            .default_text = "max_p95_ratio=1.5, max_replica_lag=30s, max_pool_usage=0.8",
            .effect = Effect::Reload,
            .doc = "Jobs wait while the database is busy: while the 95th percentile of the "
                   "clients' statements is this many times that of the hours before, while a "
                   "replica is this far behind, while this share of a pool is in use; 0 in any "
                   "place: that is not looked at. What the table leaves out has its default.",
            .field = field<&MaintenanceSettings::governor>()},
};

}  // namespace

std::span<const Setting> maintenance_settings() {
    return kSettings;
}

std::span<const Setting> maintenance_record_keys(Kind kind) {
    switch (kind) {
        case Kind::RunTimes: return kRunTimes;
        case Kind::Ahead: return kAheadKeys;
        case Kind::PartitionRetention: return kRetentionKeys;
        case Kind::Care: return kCareKeys;
        case Kind::Governor: return kGovernorKeys;
        default: return {};
    }
}

}  // namespace weir::conf::detail
