#include "admin/alerts.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace weir::admin {

using namespace std::chrono_literals;

namespace {

struct Noted : events::Sink {
    std::vector<events::Event> all;

    void note(events::Event event) override { all.push_back(std::move(event)); }

    void note(events::Deed /*deed*/) override {}
};

/// A process with one pool and one replica, whose alerts are looked at second by second.
struct Fixture {
    Noted noted;
    Alerts alerts{&noted, "1.2.3"};
    StatsHistory history;
    conf::Config config;
    status::Snapshot snapshot;
    TimePoint now = Clock::now();

    Fixture() {
        status::Pool& pool = snapshot.pools.emplace_back();
        pool.database = "shop";
        pool.user = "app";
        pool.size_max = 10;
        status::Member& member = snapshot.members.emplace_back();
        member.cluster = "main";
        member.name = "db2:5432";
        member.role = "replica";
        member.breaker = "closed";
    }

    status::Pool& pool() { return snapshot.pools.front(); }

    status::Member& member() { return snapshot.members.front(); }

    void pass(std::chrono::seconds time) {
        for (auto second = 0s; second < time; ++second) {
            now += 1s;
            alerts.on_sample({snapshot, config, history, "1.2.3"}, now);
        }
    }

    [[nodiscard]] std::vector<status::Alert> rows() const {
        status::Snapshot gathered;
        alerts.add_to(gathered);
        return gathered.alerts;
    }
};

}  // namespace

TEST_SUITE("alerts") {
    TEST_CASE("alerts: what fires and is resolved are events with what is known of it") {
        Fixture f;
        f.config.alerts = {{"full", "pool_usage > 0.8 for 2s", ""}};
        f.pool().backends_active = 9;
        f.pass(2s);
        CHECK(f.noted.all.empty());
        REQUIRE(f.rows().size() == 1);
        CHECK(f.rows()[0].state == "pending");
        CHECK(f.rows()[0].since_unix_ms > 0);
        f.pass(1s);
        REQUIRE(f.noted.all.size() == 1);
        const events::Event& fired = f.noted.all[0];
        CHECK(fired.kind == "alert");
        CHECK(fired.object == "shop/app");
        CHECK(fired.severity == events::Severity::Warning);
        CHECK(fired.what.starts_with("full fires: pool_usage is 90 %, > 80 % since 20"));
        const auto data = nlohmann::json::parse(fired.data);
        CHECK(data["alert"] == "full");
        CHECK(data["state"] == "firing");
        CHECK(data["value"] == 0.9);
        CHECK(data["threshold"] == 0.8);
        CHECK_FALSE(data.contains("weir"));
        CHECK(f.rows()[0].state == "firing");
        CHECK(f.rows()[0].fired == 1);
        f.pool().backends_active = 1;
        f.pass(20s);
        REQUIRE(f.noted.all.size() == 2);
        CHECK(f.noted.all[1].severity == events::Severity::Info);
        CHECK(f.noted.all[1].what.starts_with(
            "full is resolved: pool_usage is 10 %; it was > 80 % since 20"));
        CHECK(f.rows()[0].state == "quiet");
        CHECK(f.rows()[0].fired == 1);
    }

    TEST_CASE("alerts: every value is read where it is measured") {
        Fixture f;
        f.config.alerts = {{"", "pool_usage >= 0.5", ""},
                           {"", "pool_wait >= 250ms", ""},
                           {"", "error_rate >= 0.5", ""},
                           {"", "average_response >= 100ms", ""},
                           {"", "waiting_clients >= 3", ""},
                           {"", "replication_lag >= 5s", ""},
                           {"", "breaker_open >= 1", ""},
                           {"", "ledger_dropped >= 1", ""}};
        f.member().lag_us = -1;
        f.pass(1s);
        CHECK(f.noted.all.empty());
        const auto before = f.rows();
        REQUIRE(before.size() == 8);
        CHECK_FALSE(before[2].value);  // of too few statements
        CHECK_FALSE(before[5].value);  // not known
        CHECK(before[6].value == 0);
        CHECK(before[7].value == 0);
        CHECK(before[0].since_unix_ms == 0);
        f.pool().backends_active = 5;
        f.pool().longest_wait_us = 250'000;
        f.pool().statements = 100;
        f.pool().failures = 50;
        f.pool().statement_us = 10'000'000;
        f.pool().clients_waiting = 3;
        f.member().lag_us = 5'000'000;
        f.member().breaker = "open";
        f.pass(1s);
        const auto after = f.rows();
        const std::vector<double> values{0.5, 0.25, 0.5, 0.1, 3, 5, 1};
        for (std::size_t i = 0; i < values.size(); ++i) {
            CAPTURE(after[i].when);
            CHECK(after[i].state == "firing");
            CHECK(after[i].value == values[i]);
            CHECK(after[i].object == (i < 5 ? "shop/app" : "db2:5432"));
            CHECK(after[i].name == f.config.alerts[i].when);
        }
        CHECK(after[7].state == "quiet");
        CHECK(f.noted.all.size() == 7);
    }

    TEST_CASE("alerts: a reload keeps what is pending or fires, and ends what is gone") {
        Fixture f;
        f.config.alerts = {{"full", "pool_usage > 0.8 for 5s", ""},
                           {"waiting", "waiting_clients > 0", ""}};
        f.pool().backends_active = 9;
        f.pool().clients_waiting = 1;
        f.pass(3s);
        REQUIRE(f.noted.all.size() == 1);
        // Another order, and one more.
        f.config.alerts = {{"waiting", "waiting_clients > 0", ""},
                           {"more", "waiting_clients > 5", ""},
                           {"full", "pool_usage > 0.8 for 5s", ""}};
        f.pass(3s);
        REQUIRE(f.noted.all.size() == 2);
        CHECK(f.noted.all[1].what.starts_with("full fires: "));
        CHECK(f.rows()[0].fired == 1);
        CHECK(f.rows()[2].fired == 1);
        // One is gone, and one has another condition.
        f.config.alerts = {{"full", "pool_usage > 0.95 for 5s", ""}};
        f.pass(1s);
        REQUIRE(f.noted.all.size() == 4);
        CHECK(f.noted.all[2].what.starts_with("waiting is no longer configured: "));
        CHECK(f.noted.all[3].what.starts_with("full is no longer configured: pool_usage is 90 %"));
        CHECK(f.noted.all[3].severity == events::Severity::Info);
        REQUIRE(f.rows().size() == 1);
        CHECK(f.rows()[0].state == "quiet");
        CHECK(f.rows()[0].fired == 0);
        f.config.alerts.clear();
        f.pass(1s);
        CHECK(f.noted.all.size() == 4);
        CHECK(f.rows().empty());
    }

    TEST_CASE("alerts: of a webhook no more is shown than its host") {
        Fixture f;
        f.config.alerts = {
            {"full", "pool_usage >= 0", "http://u:secret@127.0.0.1:1/secret?secret"}};
        f.pass(1s);
        REQUIRE(f.rows().size() == 1);
        CHECK(f.rows()[0].webhook == "http://127.0.0.1:1");
        CHECK_FALSE(f.rows()[0].webhook_outcome.empty());
        CHECK(f.noted.all[0].what.find("secret") == std::string::npos);
        CHECK(f.noted.all[0].data.find("secret") == std::string::npos);
    }

    TEST_CASE("alerts: without a ledger they go on, and a name may be anything") {
        Alerts alerts{/*sink=*/nullptr, "1"};
        const StatsHistory history;
        conf::Config config;
        config.alerts = {{"a\"\n\xff{}", "pool_usage >= 0", ""}};
        status::Snapshot snapshot;
        snapshot.pools.emplace_back().database = "\xff\"\n";
        alerts.on_sample({snapshot, config, history, "1"}, Clock::now());
        status::Snapshot gathered;
        alerts.add_to(gathered);
        CHECK(gathered.alerts[0].state == "firing");
    }
}

}  // namespace weir::admin
