#include "conf/change.hpp"
#include "conf/reference.hpp"
#include "conf/reload.hpp"
#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace std::chrono_literals;
using namespace weir::conf;
using namespace weir::conf::test;

TEST_SUITE_BEGIN("reads");

TEST_CASE("reads: pools for replicas are those for writes unless something is said") {
    const LoadResult result = load_with_base("[database.shop.pool]\nmax = 7\n");
    REQUIRE(result.config);
    CHECK(result.config->read_pool_for("shop", "app") == result.config->pool_for("shop", "app"));
}

TEST_CASE("reads: what is written for reads is laid over everything written for both") {
    const LoadResult result = load_with_base(R"([pool]
max = 10
min = 4
[pool.read]
max = 100
min = 20
idle_timeout = "1m"
[database.shop.pool]
max = 11
acquire_timeout = "2s"
[database.shop.pool.read]
max = 50
reserve = 1
[database.other]
pool = { max = 12, read = { min = 1 } }
[user.app.pool]
max = 3
min = 1
[user.app.pool.read]
reserve = 2
)");
    REQUIRE(only_text(result).empty());
    const Config& config = *result.config;
    const PoolSettings shop = config.read_pool_for("shop", "app");
    CHECK(shop.max == 50);
    CHECK(shop.min == 20);
    CHECK(shop.idle_timeout == 1min);
    CHECK(shop.acquire_timeout == 2s);
    CHECK(shop.reserve == 2);
    CHECK(config.read_pool_for("shop", "nobody").reserve == 1);
    CHECK(config.pool_for("shop", "app").max == 3);
    CHECK(config.pool_for("shop", "app").idle_timeout == 5min);
    CHECK(config.read_pool_for("other", "nobody").max == 100);
    CHECK(config.read_pool_for("other", "nobody").min == 1);
    CHECK(config.read_pool_for("unheard-of", "nobody").max == 100);
}

TEST_CASE("reads: a max for reads lowers an inherited min") {
    const LoadResult result = load_with_base("[pool.read]\nmax = 2\n");
    REQUIRE(only_text(result).empty());
    CHECK(result.config->read_pool_for("shop", "app").min == 2);
    CHECK(result.config->pool_for("shop", "app").min == 10);
}

TEST_CASE("reads: a min for reads above its max is a mistake where it stands") {
    CHECK(only_text(load_with_base("[pool.read]\nmin = 31\n")) ==
          "weir.toml:7:7: pool.read.min: 31 is more than the max that goes with it, 30; accepted: "
          "at most that, or a larger max");
    CHECK(only_text(load_with_base("[database.shop.pool.read]\nmin = 31\n"))
              .find("weir.toml:7:7: database.shop.pool.read.min: 31 is more") == 0);
    CHECK(only_text(load_with_base("[user.app.pool.read]\nmin = 9\n[pool.read]\nmax = 8\n"))
              .find("weir.toml:7:7: user.app.pool.read.min: 9 is more") == 0);
    // The pool for writes of one user is too small for what all reads want.
    CHECK(only_text(load_with_base("[pool.read]\nmin = 9\n[user.app.pool]\nmax = 8\n"))
              .find("weir.toml:7:7: pool.read.min: 9 is more") == 0);
    CHECK(only_text(load_with_base("[pool.read]\nmin = 50\nmax = 100\n")).empty());
}

TEST_CASE("reads: the mode is not one for reads") {
    for (const char* section : {"pool.read", "database.shop.pool.read", "user.app.pool.read"}) {
        const LoadResult result =
            load_with_base("[" + std::string{section} + "]\nmode = \"transaction\"\n");
        CHECK(only_text(result) ==
              "weir.toml:7:8: " + std::string{section} +
                  ".mode: is the same for reads and writes; accepted: a mode in the section "
                  "without .read");
    }
    CHECK(only_text(load_with_base("[pool.read]\nmaxx = 1\n"))
              .find("weir.toml:7:1: pool.read.maxx: unknown key, did you mean \"max\"?") == 0);
    CHECK(only_text(load_with_base("[pool.write]\nmax = 1\n"))
              .find("weir.toml:6:7: pool.write: unknown key") == 0);
    CHECK(only_text(load_with_base("[pool]\nread = 1\n")) ==
          "weir.toml:7:8: pool.read: is no section; accepted: [pool.read] with keys below it");
}

TEST_CASE("reads: no database sends reads elsewhere unless it says so") {
    const LoadResult result =
        load_with_base("[database.split]\nread_write_split = true\nread_your_writes = false\n");
    REQUIRE(only_text(result).empty());
    CHECK_FALSE(result.config->databases.at("shop").read_write_split);
    CHECK(result.config->databases.at("shop").read_your_writes);
    CHECK(result.config->databases.at("split").read_write_split);
    CHECK_FALSE(result.config->databases.at("split").read_your_writes);
}

TEST_CASE("reads: in session mode reads cannot be sent elsewhere") {
    const std::string what =
        "pool.mode is \"session\", and reads cannot be sent elsewhere where a session keeps its "
        "server connection; accepted: a pool.mode of \"transaction\" or \"statement\", or false";
    CHECK(only_text(load_with_base(
              "[database.d]\nread_write_split = true\npool = { mode = \"session\" }\n")) ==
          "weir.toml:7:20: database.d.read_write_split: " + what);
    CHECK(only_text(load_with_base(
              "[pool]\nmode = \"session\"\n[database.\"*\"]\nread_write_split = true\n")) ==
          "weir.toml:9:20: database.\"*\".read_write_split: " + what);
    CHECK(only_text(load_with_base("[pool]\nmode = \"session\"\n[database.d]\nread_write_split = "
                                   "true\npool = { mode = \"statement\" }\n"))
              .empty());
    const LoadResult user = load_with_base(
        "[user.app.pool]\nmode = \"session\"\n[database.d]\nread_write_split = true\n");
    CHECK(only_text(user).empty());
    CHECK(notes_text(user) ==
          "user.app.pool.mode is \"session\": this user's reads of database.d are not sent to "
          "replicas");
}

TEST_CASE("reads: the settings in force load again, and SET changes them") {
    const LoadResult result = load_with_base(
        "[pool.read]\nmax = 100\n[database.shop.pool.read]\nmin = 3\n[database.d]\n"
        "read_write_split = true\n");
    REQUIRE(only_text(result).empty());
    const Config& config = *result.config;
    const LoadResult again = load_whole(config_toml(config));
    REQUIRE(only_text(again).empty());
    CHECK(compare(config, *again.config).changed == std::vector<std::string>{"user.app.password"});
    const auto all = rows(config);
    CHECK(std::any_of(all.begin(), all.end(), [](const SettingRow& row) {
        return row.key == "pool.read.max" && row.value == "100" && row.reloadable;
    }));

    const Change wider = change(config, "pool.read.max", "200");
    REQUIRE(wider.config);
    CHECK(wider.config->read_pool_for("d", "x").max == 200);
    CHECK(compare(config, *wider.config).changed == std::vector<std::string>{"pool.read.max"});
    const Change own = change(config, "user.app.pool.read.max", "5");
    REQUIRE(own.config);
    CHECK(own.config->read_pool_for("d", "app").max == 5);
    CHECK(change(config, "pool.read.mode", "session").config == nullptr);
    CHECK(change(config, "pool.read.min", "101").config == nullptr);
    CHECK(change(config, "pool.read.nothing", "1").config == nullptr);
    CHECK(change(config, "pool.mode", "session").config == nullptr);
    CHECK(change(config, "database.shop.pool.mode", "session").config);
    CHECK(change(config, "database.shop.read_write_split", "true").config);
}

TEST_CASE("reads: DB_READ_HOST adds a replica and sends reads there") {
    const LoadResult result = load("",
                                   Environment{{{"DATABASE_URL", "postgres://u:p@db:5433/shop"},
                                                {"DB_READ_HOST", "replica"},
                                                {"DB_READ_POOL_MIN", "2"},
                                                {"DB_READ_POOL_MAX", "60"}}});
    REQUIRE(only_text(result).empty());
    CHECK(notes_text(result).empty());
    const auto& members = result.config->clusters.at("environment").members;
    REQUIRE(members.size() == 2);
    CHECK(members[0] == MemberSettings{Address{Address::Kind::Tcp, "db", 5433, ""}});
    CHECK(members[1] ==
          MemberSettings{Address{Address::Kind::Tcp, "replica", 5433, ""}, 1, MemberRole::Replica});
    CHECK(result.config->databases.at("shop").read_write_split);
    CHECK(result.config->read_pool_for("shop", "u").max == 60);
    CHECK(result.config->read_pool_for("shop", "u").min == 2);
    CHECK(result.config->pool_for("shop", "u").max == 30);
}

TEST_CASE("reads: the port alone may tell the replica from the primary") {
    const Variables base{
        {"DB_HOST", "db"}, {"DB_NAME", "d"}, {"DB_USER", "u"}, {"DB_PASSWORD", "p"}};
    Variables variables = base;
    variables["DB_READ_PORT"] = "5433";
    const LoadResult other = load("", Environment{variables});
    REQUIRE(only_text(other).empty());
    CHECK(other.config->clusters.at("environment").members.at(1).address.text() == "db:5433");

    variables["DB_READ_PORT"] = "5432";
    const LoadResult same = load("", Environment{variables});
    REQUIRE(only_text(same).empty());
    CHECK(same.config->clusters.at("environment").members.size() == 1);
    CHECK_FALSE(same.config->databases.at("d").read_write_split);
    CHECK(notes_text(same) ==
          "DB_READ_PORT names the server that is there already: there is no replica");

    variables["DB_READ_PORT"] = "x";
    CHECK(only_text(load("", Environment{variables})).find("environment: DB_READ_PORT: ") == 0);
}

TEST_CASE("reads: a URL with several hosts is a cluster with several members") {
    const auto load_url = [](const char* url) {
        return load("", Environment{{{"DATABASE_URL", url}, {"DB_READ_HOST", "c"}}});
    };
    const LoadResult result = load_url("postgres://u:p@a,b:5433,c/d");
    REQUIRE(only_text(result).empty());
    const auto& members = result.config->clusters.at("environment").members;
    REQUIRE(members.size() == 3);
    CHECK(members[0].address.text() == "a:5432");
    CHECK(members[1].address.text() == "b:5433");
    CHECK(members[2].address.text() == "c:5432");
    CHECK(members[2].role == MemberRole::Auto);
    CHECK(notes_text(result).find("DB_READ_HOST names the server that is there already") == 0);
    CHECK(only_text(load_url("postgres://u:p@a,b,a/d")) ==
          "environment: DATABASE_URL: its hosts: \"a:5432\" is there twice; accepted: each server "
          "once");
    CHECK_FALSE(only_text(load_url("postgres://u:p@a,b:x/d")).empty());
}

TEST_CASE("reads: variables for reads without a database have no effect, and say so") {
    const LoadResult result =
        load_with_base("", {{"DB_READ_HOST", "r"}, {"WEIR_POOL_READ_MAX", "40"}});
    REQUIRE(only_text(result).empty());
    CHECK(notes_text(result) ==
          "DB_READ_HOST has no effect without DATABASE_URL, DB_HOST or DB_NAME");
    CHECK(result.config->read_pool_for("shop", "app").max == 40);
    CHECK(only_text(load_with_base("", {{"WEIR_POOL_READ_MODE", "session"}}))
              .find("environment: WEIR_POOL_READ_MODE: is the same for reads and writes") == 0);
    // The file has found a place for it.
    const LoadResult placed = load_whole(
        "[cluster.a]\nservers = [\"h:1\", \"${DB_READ_HOST}:1\"]\n[database.d]\n[user.u]\npassword "
        "= "
        "\"x\"\n",
        {{"DB_READ_HOST", "r"}});
    REQUIRE(only_text(placed).empty());
    CHECK(notes_text(placed).empty());
}

TEST_CASE("reads: a mode that keeps reads where they are is said of the variable") {
    const LoadResult result = load("",
                                   Environment{{{"DATABASE_URL", "postgres://u:p@db/shop"},
                                                {"DB_READ_HOST", "replica"},
                                                {"WEIR_POOL_MODE", "session"}}});
    CHECK(only_text(result).find("environment: DB_READ_HOST: pool.mode is \"session\"") == 0);
}

TEST_SUITE_END();
