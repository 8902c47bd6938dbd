#include "conf/partition_name.hpp"
#include "conf/sql_name.hpp"
#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace weir::conf;
using namespace weir::conf::test;

namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// @return what is said of one [[partition]] with these lines
std::string of_lines(const std::string& lines) {
    return only_text(load_with_base("[[partition]]\n" + lines));
}

/// The same beside a table and a key; line 9 is the first.
std::string of_more(const std::string& lines) {
    return of_lines("table = \"events\"\nkey = \"at\"\n" + lines);
}

/// @return what is said of a name of partitions of that width
std::string of_name(const std::string& interval, const std::string& name) {
    const bool is_number = interval.find_first_not_of("0123456789") == std::string::npos;
    return of_more("interval = \"" + interval + "\"\nname = \"" + name + "\"\nahead = { min = \"" +
                   (is_number ? "5\", max = \"9000" : "1 day\", max = \"9 years") + "\" }\n");
}

const std::string kAggregate = R"toml([[aggregate]]
source = "public.events"
target = "hourly"
time = "at"
bucket = "1 hour"
columns = { n = "count(*)" }
)toml";

/// @return what is said of an [[aggregate]] whose line `instead_of` is another
std::string of_aggregate(std::string_view instead_of, std::string_view line) {
    std::string text = kAggregate;
    const std::size_t at = text.find(instead_of);
    REQUIRE(at != std::string::npos);
    text.replace(at, text.find('\n', at) - at, line);
    return only_text(load_with_base(text));
}

/// @return what is said of an [[aggregate]] with one more line, the 12th
std::string of_aggregate_with(const std::string& line) {
    return only_text(load_with_base(kAggregate + line + "\n"));
}

}  // namespace

TEST_CASE("partitions: what must be there is asked for") {
    CHECK(of_lines("key = \"at\"\ninterval = \"1 month\"\n") ==
          "weir.toml:6:1: partition.1: has no table; accepted: table = \"public.events\" and the "
          "like");
    CHECK(
        has(of_lines("table = \"events\"\ninterval = \"1 month\"\n"), "partition.1: has no key;"));
    CHECK(has(of_more(""), "partition.1: has no interval; accepted: interval = \"1 month\""));
    CHECK(of_more("interval = \"1 month\"\n").empty());
    CHECK(has(of_lines("table = \"events e\"\nkey = \"at\"\ninterval = \"1 month\"\n"),
              "partition.1.table: \"events e\" is no table's name;"));
    CHECK(has(of_lines("table = \"events\"\nkey = \"date(at)\"\ninterval = \"1 month\"\n"),
              "partition.1.key: \"date(at)\" is no column's name;"));
    CHECK(of_more("interval = \"1 moon\"\n")
              .starts_with("weir.toml:9:12: partition.1.interval: \"1 moon\" is no span of the "
                           "calendar; accepted: "));
    CHECK(has(of_more("interval = 0\n"), "and whole numbers above 0 for keys that are integers"));
    CHECK(has(of_more("interval = -5\n"), "partition.1.interval: -5 is no span of the calendar;"));
    CHECK(has(of_more("interval = true\n"), "partition.1.interval: true is not accepted;"));
    const std::string one =
        "[[partition]]\ntable = \"events\"\nkey = \"at\"\ninterval = \"1 month\"\n";
    CHECK(only_text(load_with_base(one + "[[partition]]\ntable = \"PUBLIC.events\"\nkey = \"at\"\n"
                                         "interval = \"1 month\"\n")) ==
          "weir.toml:11:9: partition.2.table: \"PUBLIC.events\" is that of partition.1 too; "
          "accepted: each table once");
}

TEST_CASE("partitions: numbers and spans are not mixed") {
    CHECK(has(of_more("interval = 1000\nname = \"{table}_{lo}\"\n"),
              "weir.toml:6:1: partition.1.ahead.min: \"6 months\" is no number, and the interval "
              "\"1000\" is; accepted: a whole number, as the key is an integer"));
    CHECK(
        of_more("interval = \"1 month\"\nahead = { min = \"1 month\", max = 10 }\n") ==
        "weir.toml:10:34: partition.1.ahead.max: \"10\" is a number, and the interval \"1 month\" "
        "is none; accepted: a span of the calendar, as the key is a time");
    CHECK(has(of_more("interval = \"1 month\"\nretention = { keep = 10 }\n"),
              "weir.toml:10:22: partition.1.retention.keep: \"10\" is a number, "));
}

TEST_CASE("partitions: ahead is far enough, and in order") {
    CHECK(
        of_more("interval = \"1 month\"\nahead = { min = \"2 years\" }\n") ==
        "weir.toml:10:17: partition.1.ahead.min: \"2 years\" is more than the max, \"12 months\"; "
        "accepted: at most that");
    CHECK(has(of_more("interval = \"1 month\"\nahead = { min = \"1 day\", max = \"45 days\" }\n"),
              "partition.1.ahead.max: \"45 days\" is less than two intervals of \"1 month\"; "));
    CHECK(of_more("interval = \"1 month\"\nahead = { min = \"1 day\", max = \"2 months\" }\n")
              .empty());
    CHECK(has(of_more("interval = \"yearly\"\n"), "partition.1.ahead.max: \"12 months\" is less"));
    CHECK(has(of_more("interval = \"1 month\"\nahead = { min = \"\" }\n"),
              "partition.1.ahead.min: \"\" is no span of the calendar;"));
    CHECK(has(of_more("interval = \"1 month\"\nahead = \"6 months\"\n"),
              "accepted: a table such as"));
}

TEST_CASE("partitions: retention has a place, and takes whole partitions") {
    const std::string month = "interval = \"1 month\"\n";
    CHECK(of_more(month + "retention = { keep = \"1 year\", action = \"archive\" }\n") ==
          "weir.toml:10:41: partition.1.retention.action: \"archive\" needs a place; accepted: "
          "archive_schema = \"archive\" and the like beside it");
    CHECK(of_more(month + "retention = { keep = \"1 year\", action = \"archive\", archive_schema = "
                          "\"old\" }\n")
              .empty());
    CHECK(has(of_more(month + "retention = { archive_schema = \"a.b;\" }\n"),
              "is no schema's name;"));
    CHECK(of_more(month + "retention = { keep = \"3 weeks\" }\n") ==
          "weir.toml:10:22: partition.1.retention.keep: \"3 weeks\" is less than the interval, \"1 "
          "month\"; accepted: at least that, as whole partitions go");
    CHECK(has(of_more(month + "retention = { action = \"delete\" }\n"),
              "partition.1.retention.action: \"delete\" is not accepted; accepted: \"detach\", "
              "\"archive\", \"drop\" or \"archive-schema\""));
    CHECK(has(of_more(month + "retention = { max_drops_per_run = 0 }\n"),
              "a whole number from 1 to"));
    CHECK(has(of_more(month + "retention = { quarantine = \"soon\" }\n"),
              "partition.1.retention.quarantine: \"soon\" is no span of the calendar;"));
    CHECK(has(of_more(month + "retention = { kept = \"1 year\" }\n"),
              "unknown key; accepted here: keep"));
}

TEST_CASE("partitions: names tell them apart") {
    for (const auto& [interval, name] : {std::pair{"1 month", "{table}_p{YYYYMM}"},
                                         std::pair{"1 month", "{table}_{YYYY}_{MM}"},
                                         std::pair{"quarterly", "{table}_{YYYYMMDD_HH24MI}"},
                                         std::pair{"2 years", "{table}_{YYYY}"},
                                         std::pair{"weekly", "{table}_{YYYYMMDD}"},
                                         std::pair{"hourly", "e{YYYYMMDD_HH24}"},
                                         std::pair{"90 minutes", "e{YYYYMMDD}_{HH24MI}"},
                                         std::pair{"15 minutes 30 seconds", "e{YYYYMMDDHH24MISS}"},
                                         std::pair{"1000", "{table}_{lo}"}}) {
        CHECK(of_name(interval, name) == "");
    }
    CHECK(
        of_name("1 month", "{table}_p{YYYY}") ==
        "weir.toml:10:8: partition.1.name: \"{table}_p{YYYY}\" does not tell partitions apart that "
        "are \"1 month\" wide; accepted: one with {MM} in it too");
    CHECK(has(of_name("1 month", "{table}"), "one with {YYYY}, {MM} in it too"));
    CHECK(has(of_name("3 months", "{table}_p{YYYY}"), "with {MM} in it too"));
    CHECK(has(of_name("1 week", "{table}_p{YYYYMM}"), "with {DD} in it too"));
    CHECK(has(of_name("1 month 1 day", "{table}_p{YYYYMM}"), "with {DD} in it too"));
    CHECK(has(of_name("1 hour", "{table}_p{YYYYMMDD}"), "with {HH24} in it too"));
    CHECK(has(of_name("90 minutes", "{table}_p{YYYYMMDD_HH24}"), "with {MI} in it too"));
    CHECK(has(of_name("90 seconds", "{table}_p{YYYYMMDD_HH24MI}"), "with {SS} in it too"));
    CHECK(has(of_name("1000", "{table}_p{YYYY}"), "with {lo} in it too"));
    CHECK(has(of_name("1000", "{table}_p{YYYY}_{lo}"), "mixes times and integers;"));
    CHECK(has(of_name("1 year", "{table}_p{YYYY}_{lo}"), "mixes times and integers;"));
    CHECK(of_name("1 month", "{table}_{YY}") ==
          "weir.toml:10:8: partition.1.name: \"{table}_{YY}\" has no part \"{YY}\" to fill in; "
          "accepted: {table}, {YYYY}, {MM}, {DD}, {HH24}, {MI} and {SS}, several in one as in "
          "{YYYYMM}, and {lo} for integers");
    for (const char* name :
         {"{}", "{TABLE}", "{ table}", "{YYYY-MM}", "{_YYYY}", "{YYYYtable}", "{yyyy}"}) {
        CAPTURE(name);
        CHECK(has(of_name("1 year", name), "to fill in; accepted: {table}"));
    }
    for (const char* name : {"{table", "table}", "a}{YYYY}", "{YYYY}}", "{"}) {
        CAPTURE(name);
        CHECK(has(of_name("1 year", name), "has a brace without its other half;"));
    }
    CHECK(has(of_name("1 year", "{{YYYY}}"), "has no part \"{{YYYY}\" to fill in;"));
}

TEST_CASE("partitions: a name is taken apart") {
    using Kind = NamePart::Kind;
    CHECK(parse_partition_name("{table}_p{YYYYMMDD_HH24MI}x{lo}{SS}").value ==
          std::vector<NamePart>{{Kind::Table, ""},
                                {Kind::Text, "_p"},
                                {Kind::Year, ""},
                                {Kind::Month, ""},
                                {Kind::Day, ""},
                                {Kind::Text, "_"},
                                {Kind::Hour, ""},
                                {Kind::Minute, ""},
                                {Kind::Text, "x"},
                                {Kind::Low, ""},
                                {Kind::Second, ""}});
    CHECK(parse_partition_name("").value == std::vector<NamePart>{});
}

TEST_CASE("aggregates: what must be there is asked for, and is what it says") {
    CHECK(only_text(load_with_base(kAggregate)).empty());
    CHECK(of_aggregate("source", "") ==
          "weir.toml:6:1: aggregate.1: has no source; accepted: source = \"public.events\" and the "
          "like");
    CHECK(has(of_aggregate("target", ""), "aggregate.1: has no target;"));
    CHECK(has(of_aggregate("time", ""), "aggregate.1: has no time;"));
    CHECK(has(of_aggregate("bucket", ""), "aggregate.1: has no bucket;"));
    CHECK(has(of_aggregate("columns", ""),
              "aggregate.1: has no columns; accepted: columns = { events "
              "= \"count(*)\" } and the like, or a template"));
    CHECK(of_aggregate("bucket", "bucket = \"0 hours\"") ==
          "weir.toml:10:10: aggregate.1.bucket: is no time at all; accepted: \"1 hour\" and the "
          "like");
    CHECK(has(of_aggregate("bucket", "bucket = 60"), "aggregate.1.bucket: 60 is no span of"));
    CHECK(has(of_aggregate("time", "time = \"date_trunc('hour', at)\""),
              "is no column's name; accepted: a column of the source"));
    CHECK(has(of_aggregate("source", "source = \"(select 1)\""), "is no table's name;"));
    CHECK(has(of_aggregate("target", "target = \"events\""), "is the source itself;"));
    CHECK(has(of_aggregate_with("view = \"public.hourly\""), "is a table's name here;"));
    CHECK(of_aggregate_with("view = \"hourly_live\"").empty());
    CHECK(has(of_aggregate_with("every = \"500ms\""),
              "aggregate.1.every: \"500ms\" is not accepted; accepted: a duration such as \"1s\" "
              "(ms, s, m, h, d), at least 1s"));
    CHECK(has(of_aggregate_with("late = \"\""),
              "aggregate.1.late: \"\" is no span of the calendar;"));
    CHECK(of_aggregate_with("late = 0").empty());
    CHECK(has(only_text(load_with_base(kAggregate + kAggregate)),
              "weir.toml:14:10: aggregate.2.target: \"hourly\" is that of aggregate.1 too;"));
}

TEST_CASE("aggregates: columns have names, and are there once") {
    CHECK(
        of_aggregate_with("group_by = [\"app_id\", \"lower(url) AS url\", \"a, b as c\"]").empty());
    CHECK(of_aggregate_with("group_by = [\"lower(url)\"]") ==
          "weir.toml:12:12: aggregate.1.group_by: \"lower(url)\" is no column's name; accepted: a "
          "column, or an expression with a name, as in \"lower(url) AS url\"");
    CHECK(has(of_aggregate_with("group_by = [\"a; b AS c\"]"), "is no column's name;"));
    CHECK(has(of_aggregate_with("group_by = [\" AS c\"]"), "is no column's name;"));
    CHECK(has(of_aggregate_with("group_by = [\"lower(a) AS (b)\"]"), "is no column's name;"));
    CHECK(has(of_aggregate_with("group_by = [\"a\", \"b AS a\"]"), "\"a\" is there twice;"));
    CHECK(has(of_aggregate_with("group_by = [\"n\"]"),
              "aggregate.1.columns.n: \"n\" is in group_by too;"));
    CHECK(of_aggregate("columns", "columns = { n = \"count(*)\", \"count(x)\" = \"count(x)\" }")
              .starts_with("weir.toml:11:42: aggregate.1.columns.\"count(x)\": \"count(x)\" is no "
                           "column's name;"));
    CHECK(has(of_aggregate("columns", "columns = { n = \"\" }"),
              "aggregate.1.columns.n: \"\" is no "
              "aggregate;"));
    CHECK(
        has(of_aggregate("columns", "columns = { n = \"1; DROP TABLE x\" }"), "is no aggregate;"));
    CHECK(has(of_aggregate("columns", "columns = { n = 1 }"),
              "aggregate.1.columns.n: 1 is not accepted"));
}

TEST_CASE("aggregates: templates bring their columns, and take a map") {
    const std::string session =
        "[[aggregate]]\ntemplate = \"session\"\nsource = \"r\"\ntarget = \"s\"\ntime = \"ts\"\n";
    CHECK(only_text(load_with_base(session)).empty());
    CHECK(only_text(load_with_base(session + "map = { session = \"sid\" }\n")).empty());
    CHECK(has(only_text(load_with_base(session + "map = { session = \"f(sid)\" }\n")),
              "weir.toml:11:19: aggregate.1.map.session: \"f(sid)\" is no column's name;"));
    CHECK(has(of_aggregate_with("map = { url = \"path\" }"),
              "aggregate.1.map: is for a template, and there is none;"));
    CHECK(
        has(of_aggregate_with("template = \"daily\""),
            "aggregate.1.template: \"daily\" is not accepted; accepted: \"\", \"hourly\", \"url\", "
            "\"session\" or \"error\""));
}

TEST_CASE("aggregates: their source must live as long as they look back") {
    const auto with_keep = [](const std::string& keep, const std::string& more = {}) {
        return only_text(
            load_with_base("[[partition]]\ntable = \"events\"\nkey = \"at\"\ninterval = "
                           "\"1 day\"\nname = \"{table}_{YYYYMMDD}\"\nretention = { "
                           "keep = \"" +
                           keep + "\" }\n" + kAggregate + more));
    };
    CHECK(
        with_keep("2 days") ==
        "weir.toml:11:22: partition.1.retention.keep: \"2 days\" is less than aggregate.1 looks "
        "back, \"2 days\" and two buckets of \"1 hour\": it would lose what retention takes away; "
        "accepted: a longer keep, or a shorter aggregate.1.late");
    CHECK(with_keep("2 days 2 hours").empty());
    CHECK(with_keep("2 days", "late = \"1 day\"\n").empty());
    CHECK(has(with_keep("2 days", "late = \"1 hour\"\ndelay = \"3 days\"\n"),
              "or a shorter aggregate.1.delay"));
    CHECK(with_keep("").empty());
}

TEST_CASE("names: as PostgreSQL reads them") {
    CHECK(relation_name("orders") == R"("public"."orders")");
    CHECK(relation_name("App.Orders$1") == R"("app"."orders$1")");
    CHECK(relation_name(R"("Odd ""Name""".x)") == R"("Odd "Name""."x")");
    CHECK(relation_name("größe") == R"("public"."größe")");
    for (const char* text :
         {"", ".", "a.", ".a", "a.b.c", "1a", "a b", "a-b", "\"\"", "\"a", "a\"b\"", "a;"}) {
        CAPTURE(text);
        CHECK(relation_name(text).empty());
    }
    CHECK(relation_name(std::string(64, 'a')).empty());
    CHECK(is_column_name("created_at"));
    CHECK(is_column_name("Created At"));
    for (const char* text :
         {"", " a", "a ", "1a", "f(a)", "a.b,c", "a::text", "'a'", "\"a\"", "a\n"}) {
        CAPTURE(text);
        CHECK_FALSE(is_column_name(text));
    }
    CHECK(name_of_expression("lower(a) aS b") == "b");
    CHECK(name_of_expression("a") == "a");
    CHECK(name_of_expression("cast(a as int)").empty());
    CHECK(name_of_expression("cast(a as int) as b") == "b");
}
