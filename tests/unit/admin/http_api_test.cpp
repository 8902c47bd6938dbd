#include "admin/http_api.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "fake_status.hpp"

namespace weir::admin {

namespace {

using Json = nlohmann::json;

struct Process {
    status::Snapshot now = test::sample_snapshot();
    conf::Config config;
    StatsHistory history;

    [[nodiscard]] CommandInput input() const { return {now, config, history, "1.2.3"}; }

    [[nodiscard]] Json list(std::string_view command,
                            const std::vector<HttpParameter>& parameters = {}) const {
        const ApiAnswer answer = list_json(command, input(), parameters);
        REQUIRE_MESSAGE(answer.problem.empty(), answer.problem);
        return Json::parse(answer.json);
    }

    [[nodiscard]] std::string problem(const std::vector<HttpParameter>& parameters) const {
        return list_json("pools", input(), parameters).problem;
    }
};

status::Member sample_member(std::string cluster, std::string name) {
    status::Member member;
    member.cluster = std::move(cluster);
    member.name = std::move(name);
    member.role = "replica";
    member.is_up = member.is_read = true;
    member.breaker = "closed";
    member.lag_bytes = 5;
    return member;
}

}  // namespace

TEST_SUITE("http api") {
    TEST_CASE("api: health has what the whole, its checks and its databases are") {
        Process process;
        process.now.paused = true;
        process.now.pools[1].clients_waiting = 3;
        const Json all = Json::parse(health_json(process.input()));
        CHECK(all["overall"] == "degraded");
        CHECK(all["checks"][0] == Json{{"check", "process"},
                                       {"subject", nullptr},
                                       {"status", "degraded"},
                                       {"detail", "is paused"},
                                       {"recommendation", "RESUME"}});
        CHECK(all["recommendations"] == Json::array({"process: RESUME"}));
        const status::Pool& pool = process.now.pools[0];
        const status::Pool& other = process.now.pools[1];
        REQUIRE(all["databases"].size() == 1);
        CHECK(all["databases"][0] ==
              Json{{"database", "shop"},
                   {"write", "healthy"},
                   {"read", "healthy"},
                   {"writePoolSize", pool.open + other.open},
                   {"readPoolSize", 0},
                   {"writeIdleCount", pool.backends_idle + other.backends_idle},
                   {"readIdleCount", 0},
                   {"writeWaitingCount", pool.clients_waiting + other.clients_waiting},
                   {"readWaitingCount", 0}});
    }

    TEST_CASE("api: the cache is the row of SHOW CACHE, with the rows of SHOW CACHE_RULES") {
        Process process;
        const Json cache = Json::parse(cache_json(process.input()));
        CHECK(cache["enabled"] == 1);
        CHECK(cache["hits"] == 70);
        CHECK(cache["hit_rate"] == 0.8);
        CHECK(cache.size() == find_command("cache")->columns.size() + 1);
        CHECK(cache["rules"] == Json::array({{{"source", "default_ttl"},
                                              {"hits", 60},
                                              {"misses", 20},
                                              {"hit_rate", 0.75},
                                              {"saved_us", 7}},
                                             {{"source", "rule 2"},
                                              {"hits", 0},
                                              {"misses", 0},
                                              {"hit_rate", nullptr},
                                              {"saved_us", 0}}}));
        process.now.cache = {};
        CHECK(Json::parse(cache_json(process.input()))["hit_rate"].is_null());
        CHECK(Json::parse(cache_json(process.input()))["rules"] == Json::array());
    }

    TEST_CASE("api: rows have the columns of SHOW as keys, with their types") {
        Process process;
        process.now.members = {sample_member("main", "10.0.0.2:5432")};
        const Json members = process.list("members");
        REQUIRE(members["items"].size() == 1);
        CHECK(members["next"].is_null());
        const Json& member = members["items"][0];
        CHECK(member.size() == find_command("members")->columns.size());
        CHECK(member["member"] == "10.0.0.2:5432");
        CHECK(member["reads"] == 1);
        CHECK(member["lag_bytes"] == 5);
        CHECK(member["lag_us"].is_null());
        CHECK(member["health"] == "healthy");
        const Json pools = process.list("pools");
        CHECK(pools["items"].size() == 2);
        CHECK(pools["items"][0].size() == find_command("pools")->columns.size());
        CHECK(pools["items"][0]["max"].is_number_integer());
    }

    TEST_CASE("api: pages put together are the whole list, each row once") {
        Process process;
        process.now.members.clear();
        for (const char* cluster : {"main", "a", "\xc3\xa4/?+", ""}) {
            for (const char* name : {"z:1", "b:2", "a:3"}) {
                process.now.members.push_back(sample_member(cluster, name));
            }
        }
        const Json all = process.list("members")["items"];
        REQUIRE(all.size() == 12);
        for (const std::size_t limit : {1U, 5U, 6U, 12U, 13U}) {
            CAPTURE(limit);
            Json found = Json::array();
            std::vector<HttpParameter> parameters = {{"limit", std::to_string(limit)}};
            for (Json page; !page.contains("next") || !page["next"].is_null();) {
                page = process.list("members", parameters);
                REQUIRE(page["items"].size() <= limit);
                REQUIRE_FALSE(page["items"].empty());
                found.insert(found.end(), page["items"].begin(), page["items"].end());
                if (page["next"].is_string()) {
                    const std::string cursor = page["next"];
                    CHECK(cursor.find_first_of("+/=&%") == std::string::npos);
                    parameters = {{"cursor", cursor}, {"limit", std::to_string(limit)}};
                }
            }
            CHECK(found == all);
        }
    }

    TEST_CASE("api: rows that come and go between pages neither repeat nor hide others") {
        Process process;
        process.now.members = {
            sample_member("m", "b"), sample_member("m", "d"), sample_member("m", "f")};
        const std::string cursor = process.list("members", {{"limit", "2"}})["next"];
        process.now.members = {sample_member("m", "a"),
                               sample_member("m", "b"),
                               sample_member("m", "e"),
                               sample_member("m", "f")};
        const Json rest = process.list("members", {{"cursor", cursor}})["items"];
        REQUIRE(rest.size() == 2);
        CHECK(rest[0]["member"] == "e");
        CHECK(rest[1]["member"] == "f");
        process.now.members.clear();
        const Json none = process.list("members", {{"cursor", cursor}});
        CHECK(none["items"].empty());
        CHECK(none["next"].is_null());
    }

    TEST_CASE("api: bad parameters are told in words") {
        const Process process;
        CHECK(process.problem({{"limit", "0"}}) ==
              "limit: \"0\" is not accepted; accepted: a whole number from 1 to 1000");
        CHECK(process.problem({{"limit", "1"}, {"limit", "1"}}) ==
              "limit: is given twice; accepted: once");
        CHECK(process.problem({{"offset", "1"}}) ==
              "\"offset\": unknown parameter; accepted: limit, cursor");
        CHECK(process.problem({{"cursor", "!"}}) ==
              "cursor: \"!\" is not accepted; accepted: what \"next\" of the page before says");
        CHECK(process.problem({{"limit", "1000"}}).empty());
    }

    TEST_CASE("api: names that are no UTF-8 do no harm") {
        Process process;
        process.now.pools[0].database = "bad\xff";
        const Json pools = process.list("pools");
        CHECK(pools["items"][0]["database"] == "bad\xef\xbf\xbd");
        const std::string cursor = process.list("pools", {{"limit", "1"}})["next"];
        CHECK(process.list("pools", {{"cursor", cursor}})["items"].size() == 1);
        CHECK_FALSE(Json::parse(health_json(process.input())).empty());
    }

    TEST_CASE("api: only some commands are lists") {
        CHECK(is_listed("pools"));
        CHECK(is_listed("members"));
        CHECK(is_listed("jobs"));
        CHECK(is_listed("partitions"));
        CHECK_FALSE(is_listed("fds"));
        CHECK_FALSE(is_listed(""));
    }
}

}  // namespace weir::admin
