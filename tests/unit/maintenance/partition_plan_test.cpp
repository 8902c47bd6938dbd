#include "maintenance/partition_plan.hpp"

#include "maintenance/partition_comment.hpp"
#include "maintenance/partition_name.hpp"

#include <doctest/doctest.h>

using namespace weir;
using maintenance::KeyPoint;
using maintenance::Partition;
using maintenance::PartitionComment;
using maintenance::PartitionGrid;
using maintenance::PartitionSet;
using maintenance::PlannedPartition;

namespace {

PartitionSet set_of(const std::vector<std::pair<std::int64_t, std::int64_t>>& ranges) {
    PartitionSet set;
    for (const auto& [lo, hi] : ranges) {
        Partition partition;
        partition.has_range = true;
        partition.range.lo.at = lo;
        partition.range.hi.at = hi;
        set.partitions.push_back(std::move(partition));
    }
    return set;
}

/// Steps of ten from -100 to 200; now is 25, at least 60 and at most 95 are wished.
PartitionGrid grid_of_tens() {
    PartitionGrid grid;
    grid.now = 25;
    grid.min_until = 60;
    grid.max_until = 95;
    for (std::int64_t mark = -100; mark <= 200; mark += 10) {
        grid.marks.push_back(mark);
    }
    return grid;
}

std::vector<std::pair<std::int64_t, std::int64_t>> planned(
    const std::vector<std::pair<std::int64_t, std::int64_t>>& ranges) {
    std::vector<std::pair<std::int64_t, std::int64_t>> all;
    for (const PlannedPartition& one : maintenance::plan_ranges(set_of(ranges), grid_of_tens())) {
        all.emplace_back(one.range.lo.at, one.range.hi.at);
    }
    return all;
}

using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;

std::string name_of(const std::string& text, const std::string& table, const KeyPoint& lo) {
    const auto name =
        maintenance::partition_name(text, *conf::parse_key_step("1 month").value, table, lo);
    return name ? *name : name.error().line();
}

}  // namespace

TEST_CASE("An empty table begins with the interval that holds now") {
    CHECK(planned({}).front() == std::pair<std::int64_t, std::int64_t>{20, 30});
    CHECK(planned({}).back() == std::pair<std::int64_t, std::int64_t>{90, 100});
    CHECK(planned({}).size() == 8);
}

TEST_CASE("Nothing is made while ahead.min is left, and all up to ahead.max when it is not") {
    CHECK(planned({{20, 60}}).empty());
    CHECK(planned({{20, 59}}) == Ranges{{59, 60}, {60, 70}, {70, 80}, {80, 90}, {90, 100}});
}

TEST_CASE("It goes on from the last bound, though that is long ago") {
    CHECK(planned({{-40, -15}}).front() == std::pair<std::int64_t, std::int64_t>{-15, -10});
    CHECK(planned({{-40, -15}}).size() == 12);
}

TEST_CASE("Gaps from now on are filled, those behind are not") {
    CHECK(planned({{-30, -20}, {0, 35}, {52, 100}}) == Ranges{{35, 40}, {40, 50}, {50, 52}});
    CHECK(planned({{60, 100}}).front() == std::pair<std::int64_t, std::int64_t>{20, 30});
}

TEST_CASE("Bounds without an end leave nothing to be made") {
    using maintenance::PartitionBound;
    CHECK(planned({{PartitionBound::kMin, PartitionBound::kMax}}).empty());
    CHECK(planned({{PartitionBound::kMin, 55}}).front() ==
          std::pair<std::int64_t, std::int64_t>{55, 60});
}

TEST_CASE("What lies ahead across a boundary is a misfit") {
    const PartitionSet set = set_of({{0, 40}, {40, 50}, {50, 75}, {75, 80}});
    const auto misfits = maintenance::find_misfits(set, grid_of_tens());
    REQUIRE(misfits.size() == 1);
    CHECK(misfits.front()->range.lo.at == 50);
}

TEST_CASE("What is covered ends at the first gap") {
    const PartitionSet set = set_of({{0, 30}, {30, 40}, {50, 60}});
    CHECK(set.covered_until(25) == 40);
    CHECK(set.covered_until(45) == 45);
    CHECK(set.gaps().size() == 1);
    CHECK(set.find(40) == nullptr);
}

TEST_CASE("Names come of the lower bound") {
    const KeyPoint lo{"", "2026-07-09 08:05:00", false};
    CHECK(name_of("", "events", lo) == "events_p202607");
    CHECK(name_of("{table}_{YYYY}q{Q}", "events", lo) == "events_2026q3");
    CHECK(name_of("x_{table}_{YYYYMMDD_HH24MI}_y", "events", lo) == "x_events_20260709_0805_y");
    CHECK(name_of("{table}_{HH24}{MI}_{DD}{MM}", "events", lo) == "events_0805_0907");
    CHECK(name_of("{table}_{WEEK}", "events", lo).find("no part \"{WEEK}\"") != std::string::npos);
    CHECK(name_of("{table}_{YYYY", "events", lo).find("brace") != std::string::npos);
    CHECK(maintenance::finer_name("events_p202607", lo) == "events_p202607_20260709_0805");
}

TEST_CASE("The first of two equal hours has a name of its own") {
    const KeyPoint once{"", "2026-10-25 02:00:00", true};
    const KeyPoint again{"", "2026-10-25 02:00:00", false};
    CHECK(name_of("{table}_{YYYYMMDD_HH24MI}", "e", once) !=
          name_of("{table}_{YYYYMMDD_HH24MI}", "e", again));
}

TEST_CASE("Names that are too long differ all the same") {
    const KeyPoint lo{"", "2026-07-01 00:00:00", false};
    const std::string one = name_of("", std::string(60, 'a') + "1", lo);
    const std::string two = name_of("", std::string(60, 'a') + "2", lo);
    CHECK(one != two);
    CHECK(one.size() == 63);
    CHECK(one.ends_with("_p202607"));
}

TEST_CASE("A comment is read as it was written") {
    PartitionComment comment;
    comment.table = "public.we\"ird\\";
    comment.lo = "a";
    comment.hi = "b";
    comment.was = "two\nlines, \"quoted\", and {\"by\":\"weir\",";
    const PartitionComment read = PartitionComment::parse(comment.json());
    CHECK(read.table == comment.table);
    CHECK(read.was == comment.was);
    CHECK(read.detached.empty());
    CHECK(PartitionComment::parse("{\"by\":\"weir\",").table.empty());
    CHECK(PartitionComment::parse("{\"by\":\"weir\",\"table\":\"x\"").table.empty());
    CHECK(PartitionComment::parse("some text").table.empty());
}
