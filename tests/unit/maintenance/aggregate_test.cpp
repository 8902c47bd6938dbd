#include "maintenance/aggregate_calendar.hpp"
#include "maintenance/aggregate_chunk.hpp"
#include "maintenance/aggregate_definition.hpp"
#include "maintenance/aggregate_sql.hpp"
#include "maintenance/aggregate_template.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

namespace weir::maintenance {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

conf::CalendarSpan span(std::int64_t months,
                        std::int64_t days,
                        std::chrono::microseconds time = {}) {
    return {months, days, time};
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST_SUITE("aggregates") {
    TEST_CASE("labels: are written as PostgreSQL reads them") {
        CHECK(text_of(0) == "1970-01-01 00:00:00+00");
        CHECK(text_of(951'782'400) == "2000-02-29 00:00:00+00");
        CHECK(text_of(1'795'392'000 + 3661) == "2026-11-23 01:01:01+00");
        CHECK(text_of(-1) == "1969-12-31 23:59:59+00");
        CHECK(text_of(-62'135'596'800) == "0001-01-01 00:00:00+00");
        CHECK(text_of(-62'135'596'801) == "0001-12-31 23:59:59+00 BC");
        CHECK(text_of(kEarliest) == "-infinity");
        CHECK(text_of(kLatest) == "infinity");
    }

    TEST_CASE("buckets: are of months, of days or of time, one of them") {
        CHECK(BucketCalendar::why_not(TimeType::Timestamptz, span(0, 0, hours{1})).empty());
        CHECK(BucketCalendar::why_not(TimeType::Date, span(0, 7)).empty());
        CHECK_FALSE(BucketCalendar::why_not(TimeType::Date, span(0, 0, hours{1})).empty());
        CHECK_FALSE(BucketCalendar::why_not(TimeType::Timestamp, span(1, 1)).empty());
        CHECK_FALSE(BucketCalendar::why_not(TimeType::Timestamp, span(0, 0)).empty());
        CHECK_FALSE(
            BucketCalendar::why_not(TimeType::Timestamptz, span(0, 0, milliseconds{1500})).empty());
    }

    TEST_CASE("buckets: hours are of UTC, days of the zone, and what has no zone has none") {
        const BucketCalendar hour{TimeType::Timestamptz, span(0, 0, hours{1}), "Europe/Berlin"};
        CHECK(hour.bucket_of("t") ==
              "(date_trunc('hour', (t AT TIME ZONE 'UTC')) AT TIME ZONE 'UTC')");
        const BucketCalendar week{TimeType::Timestamptz, span(0, 7), "Europe/Berlin"};
        CHECK(
            week.bucket_of("t") ==
            "(date_trunc('week', (t AT TIME ZONE 'Europe/Berlin')) AT TIME ZONE 'Europe/Berlin')");
        const BucketCalendar plain{TimeType::Timestamp, span(3, 0), "Europe/Berlin"};
        CHECK(plain.bucket_of("t") == "date_trunc('quarter', t)");
    }

    TEST_CASE("ranges: look at the bucket as well where days differ in length") {
        const BucketCalendar utc{TimeType::Timestamptz, span(0, 1), "UTC"};
        CHECK(utc.in_buckets("t", 0, 86'400) ==
              "(isfinite(t) AND t >= '1970-01-01 00:00:00+00'::timestamptz AND t < '1970-01-02 "
              "00:00:00+00'::timestamptz)");
        const BucketCalendar zoned{TimeType::Timestamptz, span(0, 1), "America/Havana"};
        CHECK(has(zoned.in_buckets("t", 0, 86'400), "date_trunc('day'"));
        const BucketCalendar date{TimeType::Date, span(0, 1), "UTC"};
        CHECK(date.literal(86'400) == "'1970-01-02'::date");
        CHECK(date.literal(-62'135'596'800 - 86'400) == "'0001-12-31 BC'::date");
    }

    TEST_CASE("group_by: a column, or an expression with a name") {
        CHECK(parse_group("app_id").name == "app_id");
        CHECK(parse_group("App").name == "app");
        CHECK(parse_group("\"App Id\"").name == "App Id");
        CHECK(parse_group("lower(url) AS url").name == "url");
        CHECK(parse_group("lower(url) AS url").sql == "lower(url)");
        CHECK(parse_group("cast(x as int) as n").sql == "cast(x as int)");
        CHECK(parse_group("lower(url)").name.empty());
        CHECK(parse_group("cast(x as int)").name.empty());
    }

    TEST_CASE("stretches: without holes, the latest first") {
        CHECK(without({0, 10}, {}) == std::vector<BucketRange>{{0, 10}});
        CHECK(without({0, 10}, {{3, 5}, {8, 20}}) == std::vector<BucketRange>{{5, 8}, {0, 3}});
        CHECK(without({0, 10}, {{kEarliest, 4}}) == std::vector<BucketRange>{{4, 10}});
        CHECK(without({0, 10}, {{0, 10}}).empty());
    }

    TEST_CASE("chunks: double while they are quick, and halve when they are slow") {
        ChunkSize size;
        size.took(milliseconds{100});
        size.took(milliseconds{100});
        CHECK(size.buckets() == 4);
        size.took(milliseconds{3000});
        CHECK(size.buckets() == 4);
        size.took(milliseconds{6000});
        size.took(milliseconds{6000});
        size.took(milliseconds{6000});
        CHECK(size.buckets() == 1);
    }

    TEST_CASE("templates: use the columns there are, and say which they need") {
        conf::AggregateSettings settings;
        settings.time = "at";
        settings.kind = conf::AggregateTemplate::Url;
        CHECK(has(expand_template(settings, {"at"}).problem, "needs a column url"));
        settings.template_columns = {{"url", "path"}};
        const AggregateRecipe recipe = expand_template(settings, {"at", "path", "status"});
        CHECK(recipe.problem.empty());
        REQUIRE(recipe.columns.size() == 2);
        CHECK(recipe.columns[1].sql == "count(*) FILTER (WHERE \"status\" >= 500)");
        settings.template_columns["nonsense"] = "path";
        CHECK(has(expand_template(settings, {"at", "path"}).problem, "map.nonsense"));
    }

    TEST_CASE("names: are quoted wherever they stand") {
        conf::AggregateSettings settings;
        const AggregateDefinition definition{
            settings,
            Relation{1, "odd \"schema", "o'dd", 'r'},
            TargetName{"public", "t'arget"},
            "\"a t\"",
            BucketCalendar{TimeType::Timestamptz, span(0, 0, minutes{1}), "UTC"},
            {{"g\"1", "g"}},
            {{"n", "count(*)"}}};
        const AggregateSql sql{definition, definition.target.sql()};
        CHECK(has(sql.query({}), "FROM \"odd \"\"schema\".\"o'dd\""));
        CHECK(has(sql.query({}), "g AS \"g\"\"1\""));
        CHECK(has(sql.create_index("i", 150'000), "NULLS NOT DISTINCT"));
        CHECK_FALSE(has(sql.create_index("i", 140'000), "NULLS NOT DISTINCT"));
        CHECK(has(sql.create_marker("weir.f"), "''public.t''''arget''"));
    }
}

}  // namespace
}  // namespace weir::maintenance
