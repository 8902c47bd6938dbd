#include "maintenance/jobs.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace weir::maintenance {

namespace {

std::vector<std::string> lines(const conf::Config& config) {
    std::vector<std::string> lines;
    for (const JobSpec& job : jobs_of(config)) {
        lines.push_back(job.name + " | " + job.kind + " | " + job.when.text);
    }
    return lines;
}

conf::Config sample() {
    conf::Config config;
    config.maintenance.enabled = true;
    config.maintenance.schedule = {
        .daily = "0 2 * * *", .vacuum = "0 3 * * 0", .retention = "0 4 1 * *"};
    config.partitions.resize(2);
    config.partitions[0].table = "public.events";
    config.partitions[1].table = "public.visits";
    config.partitions[1].retention.keep.span.months = 12;
    config.aggregates.resize(1);
    config.aggregates[0].target = "public.hourly";
    config.aggregates[0].every = std::chrono::minutes{1};
    config.materialized_views.resize(3);
    config.materialized_views[0].name = "public.v";
    config.materialized_views[1].name = "public.w";
    config.materialized_views[1].schedule = "0 5 * * *";
    config.materialized_views[2].name = "x";
    config.materialized_views[2].every = std::chrono::hours{1};
    config.tasks.resize(1);
    config.tasks[0].name = "sweep";
    config.tasks[0].schedule = "*/10 * * * *";
    return config;
}

}  // namespace

TEST_SUITE("jobs") {
    TEST_CASE("jobs: each thing that is configured is one, with its own time or that of its kind") {
        CHECK(lines(sample()) == std::vector<std::string>{
                                     "partition public.events | partition | 0 2 * * *",
                                     "partition public.visits | partition | 0 2 * * *",
                                     "retention public.visits | retention | 0 4 1 * *",
                                     "aggregate public.hourly | aggregate | every 1m",
                                     "view public.v | view | 0 2 * * *",
                                     "view public.w | view | 0 5 * * *",
                                     "view x | view | every 1h",
                                     "analyze | analyze | 0 2 * * *",
                                     "vacuum | vacuum | 0 3 * * 0",
                                     "reindex | reindex | 0 3 * * 0",
                                     "task sweep | task | */10 * * * *",
                                 });
    }

    TEST_CASE("jobs: what has no schedule is run by order, and what is not enabled is none") {
        conf::Config config = sample();
        config.maintenance.schedule.vacuum = "";
        const auto jobs = jobs_of(config);
        REQUIRE(jobs.size() == 11);
        CHECK(jobs[8].name == "vacuum");
        CHECK(jobs[8].when == When{.text = "by hand"});
        config.maintenance.enabled = false;
        CHECK(jobs_of(config).empty());
    }
}

}  // namespace weir::maintenance
