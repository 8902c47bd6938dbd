#include "conf/change.hpp"
#include "conf/reference.hpp"
#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace std::chrono_literals;
using namespace weir::conf;
using namespace weir::conf::test;

namespace {

constexpr std::string_view kRest = "[database.d]\n[user.u]\npassword = \"x\"\n";

/// @param servers TOML; stands in line 2 from column 11 on
LoadResult load_servers(const std::string& servers) {
    return load_whole("[cluster.a]\nservers = " + servers + "\n" + std::string{kRest});
}

std::vector<std::string> shown_members(const ConfigPtr& config) {
    std::vector<std::string> all;
    for (const MemberSettings& member : config->clusters.at("a").members) {
        all.push_back(member.address.text() + " " + std::to_string(member.weight) + " " +
                      std::string{name_of(member.role)});
    }
    return all;
}

std::string shown(const Config& config, std::string_view key) {
    const auto all = rows(config);
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const SettingRow& row) { return row.key == key; });
    return found == all.end() ? "none" : found->value;
}

}  // namespace

TEST_SUITE_BEGIN("members");

TEST_CASE("members: texts and tables stand side by side") {
    const LoadResult result = load_servers(
        R"(["10.0.0.1:5432", { address = "10.0.0.2:5432", weight = 2, role = "primary" },
  { address = "unix:/var/run/postgresql", role = "replica" }, "[::1]:5433"])");
    REQUIRE(only_text(result).empty());
    CHECK(shown_members(result.config) ==
          std::vector<std::string>{"10.0.0.1:5432 1 auto",
                                   "10.0.0.2:5432 2 primary",
                                   "unix:/var/run/postgresql/.s.PGSQL.5432 1 replica",
                                   "[::1]:5433 1 auto"});
    CHECK(shown(*result.config, "cluster.a.servers") ==
          "10.0.0.1:5432, 10.0.0.2:5432 weight=2 role=primary, "
          "unix:/var/run/postgresql/.s.PGSQL.5432 role=replica, [::1]:5433");
    const LoadResult again = load_whole(config_toml(*result.config));
    REQUIRE(only_text(again).empty());
    CHECK(again.config->clusters == result.config->clusters);
}

TEST_CASE("members: what cannot be a member is said at its place") {
    struct Case {
        const char* servers;
        const char* text;
    };

    for (
        const Case& c : {
            Case{"[]",
                 "2:11: cluster.a.servers: names no server; accepted: at least one, such as "
                 "[\"127.0.0.1:5432\"]"},
            Case{"[{}]",
                 "2:12: cluster.a.servers: a table has no address; accepted: { address = "
                 "\"host:port\" }"},
            Case{R"(["*:1"])",
                 "2:12: cluster.a.servers: \"*:1\" is no address one can connect to; accepted: a "
                 "host name or an address"},
            Case{R"(["h:1", "i:1", "h:1"])",
                 "2:26: cluster.a.servers: \"h:1\" is there twice; accepted: each server once"},
            Case{
                R"([{ address = "h:1", role = "primary" }, { address = "i:1", role = "primary" }])",
                "2:51: cluster.a.servers: a second server with the role \"primary\"; accepted: "
                "one at most"},
            Case{R"([{ address = "h:1", weights = 2 }])",
                 "2:31: cluster.a.servers.weights: unknown key; accepted here: address, weight, "
                 "role"},
            Case{R"([{ address = "h:1", weight = 0 }])",
                 "2:40: cluster.a.servers.weight: 0 is not accepted; accepted: a whole number "
                 "from 1 to 1000"},
            Case{R"([{ address = "h:1", weight = 1001 }])",
                 "2:40: cluster.a.servers.weight: 1001 is not accepted; accepted: a whole number "
                 "from 1 to 1000"},
            Case{R"([{ address = "h:1", weight = "2" }])",
                 "2:40: cluster.a.servers.weight: \"2\" is not accepted; accepted: a whole number "
                 "from 1 to 1000"},
            Case{R"([{ address = "h:1", role = "standby" }])",
                 "2:38: cluster.a.servers.role: \"standby\" is not accepted; accepted: \"auto\", "
                 "\"primary\" or \"replica\""},
            Case{R"([{ address = 5 }])",
                 "2:24: cluster.a.servers: 5 is not accepted; accepted: a list of \"host:port\", "
                 "\"[::1]:port\", \"unix:/folder\" or { address = \"…\", weight = 1, role = "
                 "\"auto\" }"},
        }) {
        CAPTURE(c.servers);
        CHECK(only_text(load_servers(c.servers)) == "weir.toml:" + std::string{c.text});
    }
    CHECK(only_text(load_whole("[cluster.a]\n" + std::string{kRest})) ==
          "weir.toml:1:10: cluster.a.servers: names no server; accepted: at least one, such as "
          "[\"127.0.0.1:5432\"]");
}

TEST_CASE("members: there is a limit to how many") {
    std::string servers = "[";
    for (std::size_t i = 0; i < kMaxMembers; ++i) {
        servers += "\"h:" + std::to_string(i + 1) + "\", ";
    }
    CHECK(only_text(load_servers(servers + "]")).empty());
    CHECK(only_text(load_servers(servers + "\"i:1\"]")).find("accepted: at most 64") !=
          std::string::npos);
}

TEST_CASE("members: none of them is where Weir listens") {
    CHECK(only_text(load_servers(R"(["h:1", "127.0.0.1:6432"])"))
              .find("is where Weir itself listens") != std::string::npos);
}

TEST_CASE("members: a cluster of replicas alone is worth a note") {
    const LoadResult result = load_servers(R"([{ address = "h:1", role = "replica" }])");
    REQUIRE(result.config);
    CHECK(notes_text(result).find("cluster.a.servers: all have the role \"replica\"") == 0);
}

TEST_CASE("members: every key of a cluster has its default and arrives") {
    const LoadResult bare = load_with_base("");
    REQUIRE(bare.config);
    const ClusterSettings& cluster = bare.config->clusters.at("main");
    CHECK(cluster.probe_interval == 1s);
    CHECK(cluster.probe_timeout == 2s);
    CHECK(cluster.probe_user.empty());
    CHECK(cluster.balance == Balance::LeastConnections);
    CHECK(cluster.max_replica_lag == 10s);
    CHECK(cluster.failover_hold == 30s);
    const LoadResult full = load_servers(
        "[\"h:1\"]\nprobe_interval = \"250ms\"\nprobe_timeout = \"1s\"\nprobe_user = \"u\"\n"
        "balance = \"latency\"\nmax_replica_lag = 0\nfailover_hold = \"0s\"");
    REQUIRE(only_text(full).empty());
    const ClusterSettings& set = full.config->clusters.at("a");
    CHECK(set.probe_interval == 250ms);
    CHECK(set.probe_timeout == 1s);
    CHECK(set.probe_user == "u");
    CHECK(name_of(set.balance) == "latency");
    CHECK(set.max_replica_lag == 0s);
    CHECK(set.failover_hold == 0s);
}

TEST_CASE("members: a probe without a pause or without an end is refused") {
    CHECK(only_text(load_servers("[\"h:1\"]\nprobe_interval = \"0s\"")) ==
          "weir.toml:3:18: cluster.a.probe_interval: \"0s\" is not accepted; accepted: a duration "
          "such as \"1s\" (ms, s, m, h, d), at least 10ms");
    CHECK_FALSE(only_text(load_servers("[\"h:1\"]\nprobe_timeout = 0")).empty());
    CHECK(only_text(load_servers("[\"h:1\"]\nprobe_interval = \"10ms\"")).empty());
    CHECK(
        only_text(load_servers("[\"h:1\"]\nbalance = \"best\""))
            .find("accepted: \"least-connections\", \"round-robin\", \"random\" or \"latency\"") !=
        std::string::npos);
}

TEST_CASE("members: whoever probes can log in to PostgreSQL with what is known of him") {
    const std::string secret(43, 'A');
    const LoadResult result = load_whole(
        "[cluster.a]\nservers = [\"h:1\"]\nprobe_user = \"p\"\n[database.d]\n[user.p]\npassword = "
        "\"SCRAM-SHA-256$4096:" +
        secret.substr(0, 24) + "$" + secret + "=:" + secret + "=\"\n");
    CHECK(only_text(result).find(
              "weir.toml:3:14: cluster.a.probe_user: \"p\" has a SCRAM verifier for a secret") ==
          0);
}

TEST_CASE("members: SET gives a cluster other members") {
    const LoadResult result = load_servers(R"(["h:1"])");
    REQUIRE(result.config);
    const Change good =
        change(*result.config, "cluster.a.servers", "i:1, j:2 role=replica weight=3");
    REQUIRE(good.config);
    CHECK(shown_members(good.config) == std::vector<std::string>{"i:1 1 auto", "j:2 3 replica"});
    for (const char* wrong : {"",
                              "i:1, i:1",
                              "i:1 weight=0",
                              "i:1 weights=1",
                              "i",
                              "*:1",
                              "i:1 role=primary, j:1 role=primary"}) {
        CAPTURE(wrong);
        CHECK(change(*result.config, "cluster.a.servers", wrong).config == nullptr);
    }
    REQUIRE(change(*result.config, "cluster.a.balance", "random").config);
    CHECK(change(*result.config, "cluster.a.probe_interval", "0s").config == nullptr);
}

TEST_SUITE_END();
