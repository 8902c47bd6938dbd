#include "admin/health.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace weir::admin {

using namespace std::chrono_literals;

namespace {

conf::Config sample_config() {
    conf::Config config;
    config.health = {.pool_usage = {0.8, 0.95},
                     .pool_wait = {100ms, 1s},
                     .error_rate = {0.01, 0.05},
                     .cache_hit_rate = {0.8, 0.7},
                     .average_response = {100ms, 2s}};
    conf::ClusterSettings cluster;
    cluster.name = "main";
    cluster.members.resize(3);
    config.clusters["main"] = cluster;
    conf::DatabaseSettings database;
    database.name = "shop";
    database.cluster = "main";
    database.read_write_split = true;
    config.databases["shop"] = database;
    return config;
}

status::Pool sample_pool() {
    status::Pool pool;
    pool.database = "shop";
    pool.user = "app";
    pool.size_max = 100;
    return pool;
}

status::Member sample_member(std::string name, std::string role) {
    status::Member member;
    member.cluster = "main";
    member.name = std::move(name);
    member.role = std::move(role);
    member.is_up = true;
    member.is_primary = member.role == "primary";
    member.is_read = member.role == "replica";
    member.lag_bytes = member.is_read ? 0 : -1;
    member.breaker = "closed";
    return member;
}

/// A primary, two replicas, one database and one pool of it.
struct Process {
    status::Snapshot now;
    conf::Config config = sample_config();
    StatsHistory history;

    Process() {
        now.members = {sample_member("a:1", "primary"),
                       sample_member("b:2", "replica"),
                       sample_member("c:3", "replica")};
        now.databases.emplace_back().name = "shop";
        now.pools = {sample_pool()};
        now.clients_max = 10;
    }

    status::Pool& pool() { return now.pools[0]; }

    [[nodiscard]] HealthReport report() const {
        return report_health({now, config, history, "1.2.3"});
    }

    [[nodiscard]] HealthCheck pool_check() const {
        return check_pool(now.pools[0], {now, config, history, "1.2.3"});
    }

    [[nodiscard]] HealthCheck find(std::string_view check, std::string_view subject) const {
        for (const HealthCheck& one : report().checks) {
            if (one.check == check && one.subject == subject) {
                return one;
            }
        }
        FAIL("no such check: " << subject);
        return {};
    }
};

void go_down(status::Member& member) {
    member.is_up = member.is_primary = member.is_read = false;
    member.problem = "connection refused";
}

}  // namespace

TEST_SUITE("admin health") {
    TEST_CASE("health: a pool changes exactly at its thresholds") {
        Process process;
        const auto health = [&process](std::uint64_t active, std::int64_t wait_us) {
            process.pool().backends_active = active;
            process.pool().longest_wait_us = wait_us;
            return process.pool_check().health;
        };
        CHECK(health(0, 0) == Health::Healthy);
        CHECK(health(79, 99'999) == Health::Healthy);
        CHECK(health(80, 0) == Health::Degraded);
        CHECK(health(0, 100'000) == Health::Degraded);
        CHECK(health(94, 999'999) == Health::Degraded);
        CHECK(health(95, 0) == Health::Critical);
        CHECK(health(0, 1'000'000) == Health::Critical);
        process.config.health = {};
        CHECK(health(100, 1'000'000) == Health::Healthy);
    }

    TEST_CASE("health: what was done in the last period is judged from 20 statements on") {
        Process process;
        status::Pool& pool = process.pool();
        pool.statements = 19;
        pool.failures = 19;
        pool.statement_us = 190'000'000;
        pool.assignments = 19;
        pool.wait_us = 190'000'000;
        CHECK(process.pool_check().health == Health::Healthy);
        SUBCASE("errors") {
            pool.statements = 100;
            pool.statement_us = 0;
            pool.failures = 0;
            CHECK(process.pool_check().health == Health::Healthy);
            pool.failures = 1;
            CHECK(process.pool_check().health == Health::Degraded);
            pool.failures = 5;
            const HealthCheck check = process.pool_check();
            CHECK(check.health == Health::Critical);
            CHECK(check.detail ==
                  "error_rate is 5 %, critical from 5 %; 0 clients wait, 0 of 100 server "
                  "connections open");
            CHECK(check.recommendation == "see Weir's log and PostgreSQL's");
        }
        SUBCASE("response") {
            pool.failures = 0;
            pool.statements = 20;
            pool.statement_us = 20 * 99'999;
            CHECK(process.pool_check().health == Health::Healthy);
            pool.statement_us = 20 * 100'000;
            CHECK(process.pool_check().health == Health::Degraded);
            pool.statement_us = 20 * 2'000'000;
            CHECK(process.pool_check().health == Health::Critical);
        }
        SUBCASE("wait") {
            pool.assignments = 20;
            pool.wait_us = 20 * 100'000;
            CHECK(process.pool_check().health == Health::Degraded);
            CHECK(process.pool_check().detail.starts_with("pool_wait is 100 ms, degraded from "));
        }
    }

    TEST_CASE("health: what was done before the last period is not judged") {
        Process process;
        status::Pool& pool = process.pool();
        pool.statements = 100;
        pool.failures = 50;
        process.history.sample(status::Snapshot{}, TimePoint{});
        CHECK(process.pool_check().health == Health::Critical);
        process.history.sample(process.now, TimePoint{} + StatsHistory::kPeriod);
        process.history.sample(process.now, TimePoint{} + 2 * StatsHistory::kPeriod);
        CHECK(process.pool_check().health == Health::Healthy);
    }

    TEST_CASE("health: all is well") {
        const Process process;
        const HealthReport report = process.report();
        CHECK(report.overall.health == Health::Healthy);
        CHECK(report.overall.detail.empty());
        REQUIRE(report.databases.size() == 1);
        CHECK(report.databases[0].write == Health::Healthy);
        CHECK(report.databases[0].read == Health::Healthy);
        CHECK(process.find("cluster", "main").detail == "3 members");
    }

    TEST_CASE("health: a replica that is down is critical, and the whole degraded") {
        Process process;
        go_down(process.now.members[1]);
        const HealthReport report = process.report();
        CHECK(process.find("member", "b:2").health == Health::Critical);
        CHECK(process.find("cluster", "main").health == Health::Degraded);
        CHECK(report.overall.health == Health::Degraded);
        CHECK(report.overall.detail == "cluster main: b:2 is down: connection refused");
        CHECK(report.databases[0].write == Health::Healthy);
        CHECK(report.databases[0].read == Health::Degraded);
        go_down(process.now.members[2]);
        CHECK(process.report().overall.health == Health::Degraded);
        CHECK(process.report().databases[0].write == Health::Healthy);
        CHECK(process.report().databases[0].read == Health::Degraded);  // the primary serves
    }

    TEST_CASE("health: without a primary a cluster is critical, and reads go on") {
        Process process;
        go_down(process.now.members[0]);
        process.now.not_ready = {"shop: no primary"};
        const HealthReport report = process.report();
        CHECK(report.overall.health == Health::Critical);
        const HealthCheck cluster = process.find("cluster", "main");
        CHECK(cluster.health == Health::Critical);
        CHECK(cluster.detail ==
              "has no primary: what needs one waits for it; a:1 is down: connection refused");
        CHECK(cluster.recommendation == "start the primary, or promote a replica");
        CHECK(process.find("database", "shop").detail == "no primary");
        CHECK(report.databases[0].write == Health::Critical);
        CHECK(report.databases[0].read == Health::Healthy);
        process.config.databases["shop"].read_write_split = false;
        CHECK(process.report().databases[0].read == Health::Critical);
    }

    TEST_CASE("health: nobody misses a primary where all are replicas by configuration") {
        Process process;
        process.now.members.erase(process.now.members.begin());
        for (conf::MemberSettings& member : process.config.clusters["main"].members) {
            member.role = conf::MemberRole::Replica;
        }
        CHECK(process.report().overall.health == Health::Healthy);
        for (status::Member& member : process.now.members) {
            go_down(member);
        }
        CHECK(process.report().overall.health == Health::Critical);
    }

    TEST_CASE("health: a second primary is critical for all") {
        Process process;
        status::Member& second = process.now.members[1];
        second.role = "split_brain";
        second.is_read = false;
        CHECK(process.find("member", "b:2").health == Health::Critical);
        CHECK(process.report().overall.health == Health::Critical);
        CHECK(process.report().overall.detail ==
              "cluster main: b:2 is a second primary, and not used");
    }

    TEST_CASE("health: members by what they are good for") {
        const auto health = [](auto change) {
            status::Member member = sample_member("b:2", "replica");
            change(member);
            return check_member(member);
        };
        CHECK(health([](status::Member&) {}).health == Health::Healthy);
        const HealthCheck late = health([](status::Member& member) {
            member.is_read = false;
            member.lag_bytes = 3 << 20;
            member.lag_us = 12'000'000;
        });
        CHECK(late.health == Health::Degraded);
        CHECK(late.detail == "is not read from: 3 MiB behind, by 12 s");
        CHECK(health([](status::Member& member) { member.breaker = "open"; }).health ==
              Health::Critical);
        CHECK(health([](status::Member& member) { member.breaker = "half-open"; }).health ==
              Health::Degraded);
        CHECK(health([](status::Member& member) { member.role = "unknown"; }).health ==
              Health::Degraded);
        CHECK(health([](status::Member& member) { member.is_up = false; }).health ==
              Health::Degraded);  // not asked yet
        CHECK(health(go_down).health == Health::Critical);
    }

    TEST_CASE("health: an open breaker is as bad as the member's part in its cluster") {
        Process process;
        process.now.members[0].breaker = "open";
        CHECK(process.report().overall.health == Health::Critical);
        CHECK(process.report().databases[0].write == Health::Critical);
        process.now.members[0].breaker = "closed";
        process.now.members[2].breaker = "open";
        CHECK(process.report().overall.health == Health::Degraded);
        CHECK(process.report().databases[0].read == Health::Degraded);
    }

    TEST_CASE("health: pools for reads are counted apart") {
        Process process;
        process.pool().open = 7;
        process.pool().backends_idle = 3;
        status::Pool reads = sample_pool();
        reads.member = "b:2";
        reads.size_max = 10;
        reads.open = 10;
        reads.backends_active = 10;
        reads.clients_waiting = 4;
        process.now.pools.push_back(reads);
        const DatabaseHealth row = process.report().databases.at(0);
        CHECK(row.write == Health::Healthy);
        CHECK(row.read == Health::Critical);
        CHECK(row.write_open == 7);
        CHECK(row.write_idle == 3);
        CHECK(row.write_waiting == 0);
        CHECK(row.read_open == 10);
        CHECK(row.read_idle == 0);
        CHECK(row.read_waiting == 4);
        CHECK(process.find("pool", "shop/app on b:2").health == Health::Critical);
        CHECK(process.report().overall.health == Health::Critical);
    }

    TEST_CASE("health: orders of an operator show") {
        Process process;
        process.now.databases[0].is_paused = true;
        CHECK(process.find("database", "shop").recommendation == "RESUME shop");
        CHECK(process.report().databases[0].write == Health::Degraded);
        CHECK(process.report().databases[0].read == Health::Degraded);
        process.now.databases[0].is_paused = false;
        process.now.suspended = true;
        CHECK(process.report().overall.health == Health::Critical);
        CHECK(process.report().overall.detail == "process: is suspended");
    }

    TEST_CASE("health: who waits for RESUME does not make a pool critical") {
        Process process;
        process.pool().clients_waiting = 1;
        process.pool().longest_wait_us = 5'000'000;
        CHECK(process.report().overall.health == Health::Critical);
        SUBCASE("of one database") {
            process.now.databases[0].is_paused = true;
        }
        SUBCASE("of all") {
            process.now.paused = true;
        }
        const HealthCheck check = process.pool_check();
        CHECK(check.health == Health::Degraded);
        CHECK(check.detail ==
              "pool_wait is 5 s: waits for RESUME; 1 clients wait, 0 of 100 server connections "
              "open");
        CHECK(check.recommendation.empty());
        CHECK(process.report().overall.health == Health::Degraded);
        CHECK(process.report().databases[0].write == Health::Degraded);
        process.now.suspended = true;
        CHECK(process.pool_check().health == Health::Degraded);
        process.pool().longest_wait_us = 0;
        CHECK(process.pool_check().health == Health::Healthy);
    }

    TEST_CASE("health: a pool that is paused is as bad as its other numbers") {
        Process process;
        process.now.paused = true;
        process.pool().longest_wait_us = 5'000'000;
        process.pool().statements = 100;
        process.pool().failures = 5;
        const HealthCheck check = process.pool_check();
        CHECK(check.health == Health::Critical);
        CHECK(check.detail.starts_with("error_rate is 5 %, critical from 5 %; 0 clients"));
        CHECK(check.recommendation == "see Weir's log and PostgreSQL's");
    }

    TEST_CASE("health: of a lost primary the cluster speaks, not the pools that wait for it") {
        Process process;
        process.pool().longest_wait_us = 5'000'000;
        status::Pool reads = process.pool();
        reads.member = "b:2";
        process.now.pools.push_back(reads);
        go_down(process.now.members[0]);
        const HealthCheck check = process.pool_check();
        CHECK(check.health == Health::Degraded);
        CHECK(check.detail.starts_with("pool_wait is 5 s: waits for a primary; "));
        CHECK(check.recommendation.empty());
        CHECK(process.report().overall.health == Health::Critical);
        CHECK(process.report().overall.detail.starts_with("cluster main: has no primary"));
        CHECK(process.find("pool", "shop/app on b:2").health == Health::Critical);
        SUBCASE("nobody waits for one that there should not be") {
            for (conf::MemberSettings& member : process.config.clusters["main"].members) {
                member.role = conf::MemberRole::Replica;
            }
            CHECK(process.pool_check().health == Health::Critical);
        }
        SUBCASE("of a cluster of one nothing is known") {
            process.now.members.clear();
            CHECK(process.pool_check().health == Health::Critical);
        }
    }

    TEST_CASE("health: what the wildcard's server lacks, its databases lack") {
        Process process;
        process.now.members.clear();
        process.config.databases.clear();
        conf::DatabaseSettings wildcard;
        wildcard.name = "*";
        wildcard.cluster = "main";
        process.config.databases["*"] = wildcard;
        process.now.not_ready = {"*: refused"};
        CHECK(process.find("database", "shop").detail == "refused");
        CHECK(process.find("database", "*").detail == "refused");
        process.now.not_ready = {"shopping: refused"};
        CHECK(process.find("database", "shop").health == Health::Healthy);
    }

    TEST_CASE("health: a cache that is no use degrades the whole") {
        Process process;
        process.now.cache.hits = 1000;  // of a period before
        process.history.sample(process.now, Clock::now());
        for (const HealthCheck& check : process.report().checks) {
            CHECK(check.check != "cache");
        }
        process.now.cache.enabled = true;
        process.now.cache.entries = 7;
        process.now.cache.misses = 99;
        CHECK(process.find("cache", "").health == Health::Healthy);  // too few to tell
        CHECK(process.find("cache", "").detail == "7 results");
        process.now.cache.misses = 100;
        CHECK(process.find("cache", "").health == Health::Critical);
        CHECK(process.find("cache", "").detail ==
              "cache_hit_rate is 0 %, critical below 70 %; 7 results");
        CHECK(process.report().overall.health == Health::Degraded);
        CHECK(process.report().overall.detail.starts_with("cache: cache_hit_rate is 0 %"));
        process.now.cache.hits += 100;
        process.now.cache.stale = 100;
        process.now.cache.coalesced = 100;
        CHECK(process.find("cache", "").health == Health::Degraded);
        process.now.cache.hits += 100;
        CHECK(process.find("cache", "").health == Health::Healthy);
        CHECK(process.report().overall.health == Health::Healthy);
        process.now.cache.bypassed = 100'000;  // were not meant to be answered from it just then
        CHECK(process.find("cache", "").health == Health::Healthy);
    }

    TEST_CASE("health: the whole names five reasons and counts the others") {
        Process process;
        process.pool().backends_active = 100;
        for (int i = 0; i < 6; ++i) {
            process.now.pools.push_back(process.pool());
        }
        CHECK(process.report().overall.detail.ends_with("; and 2 more"));
    }
}

}  // namespace weir::admin
