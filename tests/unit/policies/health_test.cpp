#include "policies/health.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

using weir::policies::Health;
using weir::policies::judge;
using weir::policies::Measurement;
using weir::policies::name_of;
using weir::policies::text_of;
using weir::policies::Unit;
using weir::policies::Verdict;
using weir::policies::worst_of;

namespace {

Measurement pool_usage(std::optional<double> value) {
    return {.name = "pool_usage", .unit = Unit::Ratio, .thresholds = {0.8, 0.95}, .value = value};
}

Measurement pool_wait(std::optional<double> value) {
    return {.name = "pool_wait", .unit = Unit::Seconds, .thresholds = {0.1, 1.0}, .value = value};
}

}  // namespace

TEST_SUITE("health") {
    TEST_CASE("health: changes exactly at the thresholds") {
        CHECK(judge(pool_usage(0.0)).health == Health::Healthy);
        CHECK(judge(pool_usage(0.7999)).health == Health::Healthy);
        CHECK(judge(pool_usage(0.8)).health == Health::Degraded);
        CHECK(judge(pool_usage(0.9499)).health == Health::Degraded);
        CHECK(judge(pool_usage(0.95)).health == Health::Critical);
        CHECK(judge(pool_usage(7.0)).health == Health::Critical);
        CHECK(judge(pool_usage(std::numeric_limits<double>::infinity())).health ==
              Health::Critical);
    }

    TEST_CASE("health: of some things too little is bad") {
        const auto hit_rate = [](std::optional<double> value) {
            return Measurement{.name = "cache_hit_rate",
                               .unit = Unit::Ratio,
                               .thresholds = {0.8, 0.7},
                               .value = value,
                               .bad = weir::policies::Bad::TooLittle};
        };
        CHECK(judge(hit_rate(1.0)).health == Health::Healthy);
        CHECK(judge(hit_rate(0.8)).health == Health::Healthy);
        CHECK(judge(hit_rate(0.75)).health == Health::Degraded);
        CHECK(judge(hit_rate(0.75)).reason == "cache_hit_rate is 75 %, degraded below 80 %");
        CHECK(judge(hit_rate(0.7)).health == Health::Degraded);
        CHECK(judge(hit_rate(0.0)).health == Health::Critical);
        CHECK(judge(hit_rate(std::nullopt)).health == Health::Healthy);
        Measurement off = hit_rate(0.0);
        off.thresholds = {0.8, 0};
        CHECK(judge(off).health == Health::Degraded);
        off.thresholds = {0, 0};
        CHECK(judge(off).health == Health::Healthy);
    }

    TEST_CASE("health: what was not measured is healthy") {
        CHECK(judge(pool_usage(std::nullopt)).health == Health::Healthy);
        CHECK(judge(pool_usage(std::nan(""))).health == Health::Healthy);
        CHECK(judge(pool_usage(std::nullopt)).reason.empty());
    }

    TEST_CASE("health: a threshold of zero is off, each by itself") {
        Measurement slow{.name = "slow", .unit = Unit::Seconds, .value = 100.0};
        CHECK(judge(slow).health == Health::Healthy);
        slow.thresholds = {5, 0};
        CHECK(judge(slow).health == Health::Degraded);
        slow.thresholds = {0, 10};
        CHECK(judge(slow).health == Health::Critical);
        slow.value = 9;
        CHECK(judge(slow).health == Health::Healthy);
        slow.thresholds = {0, 0};
        CHECK(judge(slow).health == Health::Healthy);
        slow.value = 0;
        CHECK(judge(slow).health == Health::Healthy);
    }

    TEST_CASE("health: the reason says what is how bad, with units") {
        CHECK(judge(pool_usage(0.97)).reason == "pool_usage is 97 %, critical from 95 %");
        CHECK(judge(pool_usage(0.85)).reason == "pool_usage is 85 %, degraded from 80 %");
        CHECK(judge(pool_wait(0.25)).reason == "pool_wait is 250 ms, degraded from 100 ms");
        CHECK(judge(pool_wait(90)).reason == "pool_wait is 1.5 min, critical from 1 s");
        CHECK(judge(pool_usage(0.1)).reason.empty());
    }

    TEST_CASE("health: the worst of several wins, with the reasons of all that are as bad") {
        CHECK(worst_of(std::vector<Verdict>{}).health == Health::Healthy);
        const std::array<Verdict, 3> mixed = {
            Verdict{}, Verdict{Health::Degraded, "a"}, Verdict{Health::Critical, "b"}};
        CHECK(worst_of(mixed).health == Health::Critical);
        CHECK(worst_of(mixed).reason == "b");
        const std::array<Verdict, 3> alike = {
            Verdict{Health::Degraded, "a"}, Verdict{}, Verdict{Health::Degraded, "b"}};
        CHECK(worst_of(alike).health == Health::Degraded);
        CHECK(worst_of(alike).reason == "a; b");
    }

    TEST_CASE("health: numbers are shown as people read them") {
        struct Row {
            double value;
            Unit unit;
            const char* text;
        };

        for (const Row& row : {Row{0.0, Unit::Seconds, "0 s"},
                               Row{0.00005, Unit::Seconds, "50 µs"},
                               Row{0.3, Unit::Seconds, "300 ms"},
                               Row{1.25, Unit::Seconds, "1.25 s"},
                               Row{3600, Unit::Seconds, "60 min"},
                               Row{0.0, Unit::Bytes, "0 B"},
                               Row{512, Unit::Bytes, "512 B"},
                               Row{1536, Unit::Bytes, "1.5 KiB"},
                               Row{16777216, Unit::Bytes, "16 MiB"},
                               Row{1234.56, Unit::Ratio, "123456 %"},
                               Row{0.015, Unit::Ratio, "1.5 %"}}) {
            CHECK(text_of(row.value, row.unit) == row.text);
        }
        CHECK_FALSE(text_of(std::numeric_limits<double>::infinity(), Unit::Bytes).empty());
        CHECK_FALSE(text_of(std::numeric_limits<double>::max(), Unit::Ratio).empty());
    }

    TEST_CASE("health: has three names") {
        CHECK(name_of(Health::Healthy) == "healthy");
        CHECK(name_of(Health::Degraded) == "degraded");
        CHECK(name_of(Health::Critical) == "critical");
    }
}
