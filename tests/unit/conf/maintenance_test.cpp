#include "conf/change.hpp"
#include "conf/reference.hpp"
#include "conf/reload.hpp"
#include "conf/time_zone.hpp"
#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace weir::conf;
using namespace weir::conf::test;
using namespace std::chrono_literals;

namespace {

/// What the contract shows of maintenance, to the letter.
constexpr std::string_view kContract = R"toml([maintenance]
enabled   = false
database  = "shop"              # example: a [database.NAME]
user      = ""                  # connects directly as this user, never through a pool
timezone  = "UTC"
schedule  = { daily = "0 2 * * *", vacuum = "0 3 * * 0", retention = "0 4 1 * *" }
max_run   = "5m"                # a job stops at the next chunk border and resumes later
batch     = 1000
lock_timeout    = "200ms"       # per attempt; attempts follow a ladder
max_blocker_age = "30s"         # a step is put off while an older transaction holds the table

[[partition]]                   # example
table     = "public.analytics_events"
key       = "created_at"
interval  = "1 month"           # any PostgreSQL interval, or a number for integer keys
ahead     = { min = "6 months", max = "12 months" }
default   = "none"              # none | keep | guard
name      = "{table}_p{YYYYMM}"
retention = { keep = "12 months", action = "detach", quarantine = "7 days", archive_schema = "", max_drops_per_run = 2, enforce = false }

[[aggregate]]                   # example: rows of source -> one row per bucket and group in target, kept up to date
source   = "public.analytics_events"
target   = "public.analytics_hourly"
time     = "created_at"
bucket   = "1 hour"
group_by = ["app_id", "event_name"]
columns  = { events = "count(*)", users = "count(distinct user_id)", total = "sum(value)", p95 = "percentile_cont(0.95) within group (order by value)" }
late     = "2 days"             # buckets this far back are recomputed when rows arrive late
every    = "1m"
view     = ""                   # example "public.analytics_hourly_live": target plus the tail not yet rolled up

[[materialized_view]]           # example
name         = "public.daily_analytics_summary"
every        = "1h"
concurrently = "auto"

[[task]]                        # example: any SQL of yours on a schedule
name     = "expire-sessions"
schedule = "*/10 * * * *"
sql      = "DELETE FROM sessions WHERE expires_at < now()"
)toml";

CalendarSpan days(std::int64_t count) {
    return {0, count, {}};
}

/// @return what is said of a file with these lines below [maintenance]
std::string of_maintenance(const std::string& lines) {
    return only_text(load_with_base("[maintenance]\n" + lines));
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("maintenance: what the contract shows is read, and is the default") {
    const LoadResult result = load_with_base(kContract);
    REQUIRE(only_text(result) == "");
    const Config& config = *result.config;
    const MaintenanceSettings& maintenance = config.maintenance;
    CHECK_FALSE(maintenance.enabled);
    CHECK(maintenance.database == "shop");
    CHECK(maintenance.timezone == "UTC");
    CHECK(maintenance.schedule == MaintenanceSchedule{"0 2 * * *", "0 3 * * 0", "0 4 1 * *"});
    CHECK(maintenance.windows.empty());
    CHECK(maintenance.jitter == 0ms);
    CHECK(maintenance.max_run == 5min);
    CHECK(maintenance.batch == 1000);
    CHECK(maintenance.lock_timeout == 200ms);
    CHECK(maintenance.max_blocker_age == 30s);
    CHECK(maintenance.care == CareSettings{0.2, 0.1, 1000, 150'000'000, 0});
    CHECK(maintenance.governor == GovernorSettings{1.5, 30s, 0.8});

    REQUIRE(config.partitions.size() == 1);
    const PartitionSettings& partition = config.partitions[0];
    CHECK(partition.table == "public.analytics_events");
    CHECK(partition.key == "created_at");
    CHECK(partition.interval == KeyStep{{1, 0, {}}, 0, "1 month"});
    CHECK(partition.ahead_min.span == CalendarSpan{6, 0, {}});
    CHECK(partition.ahead_max.span == CalendarSpan{12, 0, {}});
    CHECK(partition.default_partition == DefaultPartition::None);
    CHECK(partition.name == "{table}_p{YYYYMM}");
    CHECK(partition.retention ==
          RetentionSettings{
              {{12, 0, {}}, 0, "12 months"}, RetentionAction::Detach, days(7), "", 2, false});
    CHECK(partition.heal);

    REQUIRE(config.aggregates.size() == 1);
    const AggregateSettings& aggregate = config.aggregates[0];
    CHECK(aggregate.bucket == CalendarSpan{0, 0, 1h});
    CHECK(aggregate.group_by == std::vector<std::string>{"app_id", "event_name"});
    CHECK(aggregate.columns.size() == 4);
    CHECK(aggregate.columns.at("p95") == "percentile_cont(0.95) within group (order by value)");
    CHECK(aggregate.late == days(2));
    CHECK(aggregate.delay.is_zero());
    CHECK(aggregate.every == 1min);
    CHECK(aggregate.track == LateTracking::Counters);
    CHECK(aggregate.kind == AggregateTemplate::None);

    REQUIRE(config.materialized_views.size() == 1);
    CHECK(config.materialized_views[0] ==
          MaterializedViewSettings{"public.daily_analytics_summary", 1h, "", Concurrently::Auto});
    REQUIRE(config.tasks.size() == 1);
    CHECK(config.tasks[0].schedule == "*/10 * * * *");
    CHECK(config.tasks[0].every == 0ms);
    CHECK(config.tasks[0].timeout == 0ms);

    // Without what is an example the rest is the default.
    const LoadResult bare = load_with_base("[maintenance]\ndatabase = \"shop\"\n");
    REQUIRE(bare.config);
    CHECK(bare.config->maintenance == maintenance);
}

TEST_CASE("maintenance: entries have defaults, and their tables as well") {
    const LoadResult result = load_with_base(R"(
[[partition]]
table = "events"
key = "id"
interval = 1000000
ahead = { min = 2000000, max = "3000000" }
default = "guard"
name = "{table}_{lo}"
retention = { keep = 5000000, action = "archive-schema", archive_schema = "old", quarantine = "0s" }
heal = false
[[partition]]
table = "logs"
key = "at"
interval = "daily"
name = "{table}_{YYYYMMDD}"
[[aggregate]]
template = "session"
source = "requests"
target = "sessions"
time = "ts"
track = "triggers"
delay = "5 minutes"
map = { session = "session_id" }
[[materialized_view]]
name = "totals"
schedule = "@daily"
concurrently = "never"
[[materialized_view]]
name = "others"
every = "0s"
[[task]]
name = "t"
every = "10s"
timeout = "1m"
sql = "SELECT 1; SELECT 2"
)");
    REQUIRE(only_text(result) == "");
    const Config& config = *result.config;
    const PartitionSettings& numbers = config.partitions[0];
    CHECK(numbers.interval == KeyStep{{}, 1'000'000, "1000000"});
    CHECK(numbers.ahead_min.number == 2'000'000);
    CHECK(numbers.ahead_max.number == 3'000'000);
    CHECK(numbers.default_partition == DefaultPartition::Guard);
    CHECK(numbers.retention ==
          RetentionSettings{
              {{}, 5'000'000, "5000000"}, RetentionAction::Archive, {}, "old", 2, false});
    CHECK_FALSE(numbers.heal);
    const PartitionSettings& times = config.partitions[1];
    CHECK(times.ahead_min.text == "6 months");
    CHECK(times.retention == RetentionSettings{{}, RetentionAction::Detach, days(7), "", 2, false});
    CHECK(times.heal);
    const AggregateSettings& aggregate = config.aggregates[0];
    CHECK(aggregate.kind == AggregateTemplate::Session);
    CHECK(aggregate.track == LateTracking::Triggers);
    CHECK(aggregate.delay == CalendarSpan{0, 0, 5min});
    CHECK(aggregate.template_columns ==
          std::map<std::string, std::string>{{"session", "session_id"}});
    CHECK(config.materialized_views[0] ==
          MaterializedViewSettings{"totals", 0ms, "@daily", Concurrently::Never});
    CHECK(config.materialized_views[1].every == 0ms);
    CHECK(config.tasks[0] == TaskSettings{"t", "", 10s, "SELECT 1; SELECT 2", 1min});

    const LoadResult again = load_whole(config_toml(config));
    REQUIRE(only_text(again) == "");
    CHECK(again.config->maintenance == config.maintenance);
    CHECK(again.config->partitions == config.partitions);
    CHECK(again.config->aggregates == config.aggregates);
    CHECK(again.config->materialized_views == config.materialized_views);
    CHECK(again.config->tasks == config.tasks);
}

TEST_CASE("maintenance: the database must be one with a section of its own") {
    CHECK(of_maintenance("enabled = true\n") ==
          "weir.toml:7:11: maintenance.enabled: needs a database; accepted: maintenance.database = "
          "\"shop\" and the like, the NAME of a [database.NAME]");
    CHECK(of_maintenance("enabled = true\ndatabase = \"shop\"\n").empty());
    CHECK(of_maintenance("database = \"shp\"\n") ==
          "weir.toml:7:12: maintenance.database: \"shp\" is no [database.NAME], did you mean "
          "\"shop\"? accepted: the NAME of one that has a section of its own");
    CHECK(has(of_maintenance("database = \"weir\"\n"),
              "maintenance.database: \"weir\" is the admin database;"));
    CHECK(has(of_maintenance("database = \"pgbouncer\"\n"), "is the admin database;"));
    const std::string wild = "[database.\"*\"]\ncluster = \"main\"\n[maintenance]\n";
    CHECK(
        has(only_text(load_with_base(wild + "database = \"other\"\n")), "is no [database.NAME];"));
    CHECK(has(only_text(load_with_base(wild + "database = \"*\"\n")), "is no [database.NAME]; "));
}

TEST_CASE("maintenance: time zones are files of the system's") {
    for (const char* zone :
         {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"}) {
        CAPTURE(zone);
        CHECK(problem_of_time_zone(zone).empty());
    }
    for (const char* zone : {"",
                             "Europe/Berln",
                             "Europe",
                             "Europe/",
                             "/etc/passwd",
                             "../zoneinfo/UTC",
                             "tzdata.zi",
                             "zone.tab",
                             "UTC\n",
                             "Europe/../UTC",
                             "+02:00"}) {
        CAPTURE(zone);
        CHECK(problem_of_time_zone(zone) ==
              "is no time zone; accepted: an IANA name such as \"UTC\" or \"Europe/Berlin\"");
    }
    CHECK(problem_of_time_zone("Mars/Olympus_Mons", "/nowhere/at/all").empty());
    CHECK(has(problem_of_time_zone("../Mars", "/nowhere/at/all"), "is no time zone;"));
    CHECK(of_maintenance("timezone = \"Europe/Berln\"\n")
              .starts_with(
                  "weir.toml:7:12: maintenance.timezone: \"Europe/Berln\" is no time zone;"));
}

TEST_CASE("maintenance: what is wrong in a table is named where it stands") {
    CHECK(of_maintenance("schedule = { daily = \"0 25 * * *\" }\n")
              .starts_with("weir.toml:7:22: maintenance.schedule.daily: \"0 25 * * *\" has no hour "
                           "in \"25\"; accepted: "));
    CHECK(has(of_maintenance("schedule = { weekly = \"0 2 * * *\" }\n"),
              "maintenance.schedule.weekly: unknown key; accepted here: daily, vacuum, retention"));
    CHECK(
        has(of_maintenance("schedule = \"@daily\"\n"),
            "maintenance.schedule: \"@daily\" is not accepted; accepted: a table such as { daily"));
    CHECK(
        of_maintenance("windows = [\"02:00-05:00\", \"2-3\"]\n")
            .starts_with("weir.toml:7:27: maintenance.windows: \"2-3\" is no window; accepted: "));
    CHECK(
        has(of_maintenance("windows = \"02:00-05:00\"\n"), "accepted: a list of times of the day"));
    CHECK(has(of_maintenance("care = { dead_rows = 0.0 }\n"),
              "maintenance.care.dead_rows: 0.0 is not accepted; accepted: a number above 0"));
    CHECK(has(of_maintenance("care = { modified_rows = 1.5 }\n"),
              "maintenance.care.modified_rows: "));
    CHECK(has(of_maintenance("care = { freeze_age = 3000000000 }\n"),
              "accepted: a whole number from 1 to 2000000000"));
    CHECK(has(of_maintenance("care = { index_bloat = 2 }\n"), "accepted: a number from 0 to 1"));
    CHECK(has(of_maintenance("governor = { max_p95_ratio = 0.5 }\n"),
              "maintenance.governor: a table has a max_p95_ratio that any hour like those before "
              "exceeds; accepted: at least 1, or 0 for no limit"));
    CHECK(
        has(of_maintenance("governor = { max_replica_lag = \"64MB\" }\n"), "has an unknown unit"));
    CHECK(has(of_maintenance("governor = { max_pool_usage = 80 }\n"), "accepted: a number from 0"));
    CHECK(of_maintenance("governor = { max_p95_ratio = 0, max_pool_usage = 0.0 }\n").empty());
    CHECK(has(of_maintenance("lock_timeout = \"0s\"\n"), "at least 1ms"));
    CHECK(has(of_maintenance("batch = 0\n"), "accepted: a whole number from 1 to 1000000"));
    CHECK(has(of_maintenance("role = \"x\"\n"), "maintenance.role: unknown key"));
    CHECK(has(only_text(load_with_base("[partition]\ntable = \"x\"\n")),
              "partition: is no list of tables; accepted: [[partition]] with table, key and"));
}

TEST_CASE("maintenance: views and tasks are told apart and run at some time") {
    const auto said = [](const std::string& lines) { return only_text(load_with_base(lines)); };
    CHECK(said("[[materialized_view]]\nevery = \"1m\"\n") ==
          "weir.toml:6:1: materialized_view.1: has no name; accepted: name = \"public.totals\" and "
          "the like");
    CHECK(has(said("[[materialized_view]]\nname = \"a.b.c\"\n"),
              "materialized_view.1.name: \"a.b.c\" is no view's name;"));
    CHECK(said("[[materialized_view]]\nname = \"totals\"\n[[materialized_view]]\nname = "
               "\"public.Totals\"\n") ==
          "weir.toml:9:8: materialized_view.2.name: \"public.Totals\" is that of "
          "materialized_view.1 too; accepted: each view once");
    CHECK(said("[[materialized_view]]\nname = \"a\"\n[[materialized_view]]\nname = '\"A\"'\n")
              .empty());
    CHECK(said("[[materialized_view]]\nname = \"a\"\nevery = \"500ms\"\n") ==
          "weir.toml:8:9: materialized_view.1.every: \"500ms\" is too often; accepted: \"1s\" and "
          "longer");
    CHECK(has(said("[[materialized_view]]\nname = \"a\"\nevery = \"1h\"\nschedule = \"@daily\"\n"),
              "materialized_view.1.schedule: says when, and every says it too;"));
    CHECK(has(said("[[materialized_view]]\nname = \"a\"\nschedule = \"daily\"\n"),
              "materialized_view.1.schedule: \"daily\" is no cron line;"));

    const std::string sql = "sql = \"SELECT 1\"\n";
    CHECK(said("[[task]]\nevery = \"1m\"\n" + sql) ==
          "weir.toml:6:1: task.1: has no name; accepted: name = \"expire-sessions\" and the like");
    CHECK(said("[[task]]\nname = \"a\"\n" + sql) ==
          "weir.toml:6:1: task.1: never runs; accepted: schedule = \"*/10 * * * *\" and the like, "
          "or every = \"10m\"");
    CHECK(has(said("[[task]]\nname = \"a\"\nevery = \"1m\"\nschedule = \"@daily\"\n" + sql),
              "task.1.every: says when, and schedule says it too;"));
    CHECK(
        has(said("[[task]]\nname = \"a\"\nevery = \"1m\"\nsql = \" ;\"\n"), "task.1: has no sql;"));
    CHECK(has(said("[[task]]\nname = \"a\"\nevery = \"999ms\"\n" + sql),
              "task.1.every: \"999ms\" is too"));
    CHECK(said("[[task]]\nname = \"a\"\nschedule = \"61 * * * *\"\n" + sql)
              .starts_with("weir.toml:8:12: task.1.schedule: \"61 * * * *\" has no minute in"));
    const std::string task = "[[task]]\nname = \"a\"\nevery = \"1m\"\n" + sql;
    CHECK(said(task + task) ==
          "weir.toml:11:8: task.2.name: \"a\" is that of task.1 too; accepted: a name of its own");
    CHECK(has(said("[[task]]\nname = \"" + std::string(129, 'x') + "\"\nevery = \"1m\"\n" + sql),
              "task.1.name: is too long;"));
}

TEST_CASE("maintenance: it changes at a reload, and by hand") {
    const LoadResult result = load_with_base(kContract);
    REQUIRE(result.config);
    const auto changed = [&](std::string_view key, std::string_view value) {
        const Change done = change(*result.config, key, value);
        CAPTURE(done.problem);
        REQUIRE(done.config);
        const ReloadPlan plan = compare(*result.config, *done.config);
        CHECK(plan.changed == std::vector<std::string>{std::string{key}});
        CHECK(plan.needs_restart.empty());
        return done.config;
    };
    CHECK(changed("maintenance.enabled", "true")->maintenance.enabled);
    // A cron line has commas of its own.
    CHECK(changed("maintenance.schedule", "vacuum=0 3 * * 1,3,5, daily=@daily")
              ->maintenance.schedule ==
          MaintenanceSchedule{"@daily", "0 3 * * 1,3,5", "0 4 1 * *"});
    CHECK(changed("maintenance.windows", "22:00-04:00, 12:00-13:00")->maintenance.windows ==
          std::vector<std::string>{"22:00-04:00", "12:00-13:00"});
    CHECK(changed("maintenance.governor", "max_p95_ratio=2")->maintenance.governor ==
          GovernorSettings{2, 30s, 0.8});
    CHECK(changed("partition.1.ahead", "max=2 years")->partitions[0].ahead_max.text == "2 years");
    CHECK(
        changed("partition.1.retention", "keep=400 days, enforce=true")->partitions[0].retention ==
        RetentionSettings{
            {days(400), 0, "400 days"}, RetentionAction::Detach, days(7), "", 2, true});
    CHECK(changed("aggregate.1.late", "36h")->aggregates[0].late == CalendarSpan{0, 0, 36h});
    CHECK(changed("aggregate.1.group_by", "coalesce(a, b) AS c; d")->aggregates[0].group_by ==
          std::vector<std::string>{"coalesce(a, b) AS c", "d"});
    CHECK(changed("materialized_view.1.every", "5m")->materialized_views[0].every == 5min);
    CHECK(changed("task.1.schedule", "@hourly")->tasks[0].schedule == "@hourly");
    for (const auto& [key, value] : {std::pair{"maintenance.timezone", "nowhere"},
                                     std::pair{"maintenance.schedule", "daily=1"},
                                     std::pair{"maintenance.schedule", "0 3 * * 1"},
                                     std::pair{"maintenance.windows", "9-5"},
                                     std::pair{"partition.1.interval", "5"},
                                     std::pair{"partition.1.interval", ""},
                                     std::pair{"partition.1.retention", "keep=1 day"},
                                     std::pair{"partition.2.heal", "false"},
                                     std::pair{"aggregate.1.bucket", "0s"},
                                     std::pair{"aggregate.1.columns", "n=count(*)"},
                                     std::pair{"task.1.schedule", ""},
                                     std::pair{"materialized_view.1.schedule", "@daily"}}) {
        const std::string_view shown = key;
        CAPTURE(shown);
        CHECK(change(*result.config, key, value).config == nullptr);
    }
    for (const SettingRow& row : rows(*result.config)) {
        if (row.key == "maintenance.schedule") {
            CHECK(row.value == "daily=0 2 * * *, vacuum=0 3 * * 0, retention=0 4 1 * *");
        }
        if (row.key == "partition.1.ahead") {
            CHECK(row.value == "min=6 months, max=12 months");
            CHECK(row.reloadable);
        }
    }
}

TEST_CASE("maintenance: the environment sets it too") {
    const LoadResult result = load_with_base("",
                                             {{"WEIR_MAINTENANCE_DATABASE", "shop"},
                                              {"WEIR_MAINTENANCE_ENABLED", "true"},
                                              {"WEIR_MAINTENANCE_WINDOWS", "01:00-02:00"},
                                              {"WEIR_MAINTENANCE_CARE", "min_rows=5"}});
    REQUIRE(only_text(result) == "");
    CHECK(result.config->maintenance.enabled);
    CHECK(result.config->maintenance.windows == std::vector<std::string>{"01:00-02:00"});
    CHECK(result.config->maintenance.care.min_rows == 5);
    CHECK(result.config->maintenance.care.dead_rows == 0.2);
}
