// The part of the table of settings about what is maintained: partitions, aggregates, views, tasks.

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

/// In milliseconds; more often would be load, not freshness.
constexpr std::uint64_t kMostOften = 1'000;

constexpr std::array<std::string_view, 3> kDefaultPartitions{"none", "keep", "guard"};
constexpr std::array<std::string_view, 2> kTrackings{"counters", "triggers"};
constexpr std::array<std::string_view, 5> kTemplates{"", "hourly", "url", "session", "error"};
constexpr std::array<std::string_view, 3> kConcurrently{"auto", "always", "never"};

/// Two members that are written as one table.
constexpr Field kAheadField{
    [](void* object, const Value& value) {
        auto& partition = *static_cast<PartitionSettings*>(object);
        const auto& ahead = std::get<AheadSettings>(value);
        partition.ahead_min = ahead.min;
        partition.ahead_max = ahead.max;
    },
    [](const void* object) {
        const auto& partition = *static_cast<const PartitionSettings*>(object);
        return std::optional<Value>{AheadSettings{partition.ahead_min, partition.ahead_max}};
    }};

constexpr std::array kSettings{
    Setting{.section = Section::Partition,
            .key = "table",
            .effect = Effect::Reload,
            .doc = "The partitioned table, as PostgreSQL reads it: \"orders\", \"public.orders\".",
            .field = field<&PartitionSettings::table>(),
            .sample = R"("public.analytics_events")"},
    Setting{.section = Section::Partition,
            .key = "key",
            .effect = Effect::Reload,
            .doc = "The column it is partitioned by: a time, a date or an integer.",
            .field = field<&PartitionSettings::key>(),
            .sample = R"("created_at")"},
    Setting{.section = Section::Partition,
            .key = "interval",
            .kind = Kind::KeyStep,
            .effect = Effect::Reload,
            .doc = "How much of the key one partition holds.",
            .field = field<&PartitionSettings::interval>(),
            .sample = R"("1 month")"},
    Setting{.section = Section::Partition,
            .key = "ahead",
            .kind = Kind::Ahead,
            .default_text = "min=6 months, max=12 months",
            .effect = Effect::Reload,
            .doc = "Once the partitions reach less than min beyond the present they are made up to "
                   "max. What the table leaves out has its default.",
            .field = kAheadField},
    Setting{.section = Section::Partition,
            .key = "default",
            .kind = Kind::Choice,
            .default_text = "none",
            .choices = kDefaultPartitions,
            .effect = Effect::Reload,
            .doc = "The DEFAULT partition: there is to be none; keep: one that is there is left; "
                   "guard: it is left too, and a CHECK proves what it does not hold before a new "
                   "partition is attached, which then need not wait for a scan.",
            .field = field<&PartitionSettings::default_partition>()},
    Setting{.section = Section::Partition,
            .key = "name",
            .default_text = "{table}_p{YYYYMM}",
            .effect = Effect::Reload,
            .doc = "What new partitions are called, by where they begin: {table}; of times {YYYY}, "
                   "{MM}, {DD}, {HH24}, {MI} and {SS}, or several in one as in {YYYYMMDD_HH24MI}; "
                   "of integers {lo}.",
            .field = field<&PartitionSettings::name>()},
    Setting{.section = Section::Partition,
            .key = "retention",
            .kind = Kind::PartitionRetention,
            .default_text = "keep=, action=detach, quarantine=7 days, archive_schema=, "
                            "max_drops_per_run=2, enforce=false",
            .effect = Effect::Reload,
            .doc = "A partition that ends longer than keep ago (\"\": never) is detached and stays "
                   "as a table, is moved to archive_schema (archive), or is detached and dropped "
                   "after the quarantine (drop), max_drops_per_run of them in one run. With "
                   "enforce = false it is only said what would go. What the table leaves out has "
                   "its default.",
            .field = field<&PartitionSettings::retention>(),
            .sample = R"({ keep = "12 months", action = "detach", quarantine = "7 days", )"
                      R"(archive_schema = "", max_drops_per_run = 2, enforce = false })"},
    Setting{.section = Section::Partition,
            .key = "heal",
            .kind = Kind::Boolean,
            .default_text = "true",
            .effect = Effect::Reload,
            .doc = "A partition that an INSERT through Weir misses is made at once.",
            .field = field<&PartitionSettings::heal>()},

    Setting{.section = Section::Aggregate,
            .key = "source",
            .effect = Effect::Reload,
            .doc = "The table whose rows are summed up, as PostgreSQL reads its name.",
            .field = field<&AggregateSettings::source>(),
            .sample = R"("public.analytics_events")"},
    Setting{.section = Section::Aggregate,
            .key = "target",
            .effect = Effect::Reload,
            .doc = "The table that gets the sums; it is made where it is not there.",
            .field = field<&AggregateSettings::target>(),
            .sample = R"("public.analytics_hourly")"},
    Setting{.section = Section::Aggregate,
            .key = "time",
            .effect = Effect::Reload,
            .doc = "The column of source that says when a row belongs.",
            .field = field<&AggregateSettings::time>(),
            .sample = R"("created_at")"},
    Setting{.section = Section::Aggregate,
            .key = "bucket",
            .kind = Kind::CalendarSpan,
            .effect = Effect::Reload,
            .doc = "How much time one row of target is about. A template has one of its own where "
                   "this is empty.",
            .field = field<&AggregateSettings::bucket>(),
            .sample = R"("1 hour")"},
    Setting{.section = Section::Aggregate,
            .key = "group_by",
            .kind = Kind::Expressions,
            .effect = Effect::Reload,
            .doc = "What else there is a row for each of: columns of source, or expressions with "
                   "the name they get in target.",
            .field = field<&AggregateSettings::group_by>(),
            .sample = R"(["app_id", "event_name"])"},
    Setting{.section = Section::Aggregate,
            .key = "columns",
            .kind = Kind::Table,
            .effect = Effect::Reload,
            .doc = "The other columns of target, and the aggregate that each is.",
            .field = field<&AggregateSettings::columns>(),
            .sample = R"toml({ events = "count(*)", users = "count(distinct user_id)", )toml"
                      R"toml(total = "sum(value)", )toml"
                      R"toml(p95 = "percentile_cont(0.95) within group (order by value)" })toml"},
    Setting{.section = Section::Aggregate,
            .key = "late",
            .kind = Kind::CalendarSpan,
            .default_text = "2 days",
            .effect = Effect::Reload,
            .doc = "Buckets this far back are computed again when rows arrive late.",
            .field = field<&AggregateSettings::late>()},
    Setting{.section = Section::Aggregate,
            .key = "delay",
            .kind = Kind::CalendarSpan,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "The newest buckets are left alone until they are over for this long.",
            .field = field<&AggregateSettings::delay>()},
    Setting{.section = Section::Aggregate,
            .key = "every",
            .kind = Kind::Duration,
            .default_text = "1m",
            .low = kMostOften,
            .effect = Effect::Reload,
            .doc = "How often target is brought up to date.",
            .field = field<&AggregateSettings::every>()},
    Setting{.section = Section::Aggregate,
            .key = "view",
            .effect = Effect::Reload,
            .doc = "A view that is made of target and of the rows not yet in it, such as "
                   "\"public.analytics_hourly_live\"; empty: none.",
            .field = field<&AggregateSettings::view>()},
    Setting{.section = Section::Aggregate,
            .key = "track",
            .kind = Kind::Choice,
            .default_text = "counters",
            .choices = kTrackings,
            .effect = Effect::Reload,
            .doc = "How late rows are found: by the server's statistics of the partitions, or by a "
                   "trigger on source that notes which buckets changed.",
            .field = field<&AggregateSettings::track>()},
    Setting{.section = Section::Aggregate,
            .key = "template",
            .kind = Kind::Choice,
            .choices = kTemplates,
            .effect = Effect::Reload,
            .doc = "A ready-made aggregate, which needs no columns; empty: none.",
            .field = field<&AggregateSettings::kind>()},
    Setting{.section = Section::Aggregate,
            .key = "map",
            .kind = Kind::Table,
            .effect = Effect::Reload,
            .doc = "What the columns of source are called that the template needs.",
            .field = field<&AggregateSettings::template_columns>()},

    Setting{.section = Section::MaterializedView,
            .key = "name",
            .effect = Effect::Reload,
            .doc = "The view, as PostgreSQL reads its name.",
            .field = field<&MaterializedViewSettings::name>(),
            .sample = R"("public.daily_analytics_summary")"},
    Setting{.section = Section::MaterializedView,
            .key = "every",
            .kind = Kind::Duration,
            .default_text = "1h",
            .effect = Effect::Reload,
            .doc = "How often it is refreshed. 0, or left out beside schedule: as schedule says, "
                   "and without one with the daily run.",
            .field = field<&MaterializedViewSettings::every>()},
    Setting{.section = Section::MaterializedView,
            .key = "schedule",
            .kind = Kind::CronLine,
            .effect = Effect::Reload,
            .doc = "When it is refreshed, instead of every.",
            .field = field<&MaterializedViewSettings::schedule>()},
    Setting{.section = Section::MaterializedView,
            .key = "concurrently",
            .kind = Kind::Choice,
            .default_text = "auto",
            .choices = kConcurrently,
            .effect = Effect::Reload,
            .doc = "Whether it can be read meanwhile (REFRESH … CONCURRENTLY), which needs a "
                   "unique index; auto: where it can be.",
            .field = field<&MaterializedViewSettings::concurrently>()},

    Setting{.section = Section::Task,
            .key = "name",
            .effect = Effect::Reload,
            .doc = "What the task is called; no two may be called the same.",
            .field = field<&TaskSettings::name>(),
            .sample = R"("expire-sessions")"},
    Setting{.section = Section::Task,
            .key = "schedule",
            .kind = Kind::CronLine,
            .effect = Effect::Reload,
            .doc = "When it runs; or every says so.",
            .field = field<&TaskSettings::schedule>(),
            .sample = R"("*/10 * * * *")"},
    Setting{.section = Section::Task,
            .key = "every",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "How often it runs, instead of schedule; at least 1s.",
            .field = field<&TaskSettings::every>()},
    Setting{.section = Section::Task,
            .key = "sql",
            .effect = Effect::Reload,
            .doc = "What it runs.",
            .field = field<&TaskSettings::sql>(),
            .sample = R"toml("DELETE FROM sessions WHERE expires_at < now()")toml"},
    Setting{.section = Section::Task,
            .key = "timeout",
            .kind = Kind::Duration,
            .default_text = "0s",
            .effect = Effect::Reload,
            .doc = "It is cancelled after this long; 0: after maintenance.max_run.",
            .field = field<&TaskSettings::timeout>()},
};

}  // namespace

std::span<const Setting> maintained_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
