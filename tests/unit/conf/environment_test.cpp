#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace weir::conf;
using namespace weir::conf::test;

namespace {

LoadResult from_environment(const Variables& variables) {
    return load("", Environment{variables});
}

}  // namespace

TEST_SUITE_BEGIN("environment");

TEST_CASE("environment: DATABASE_URL alone is a configuration") {
    const LoadResult result = from_environment(
        {{"DATABASE_URL",
          "postgres://app:p%40ss@db.internal:5433/shop?connect_timeout=2&schema=x"}});
    REQUIRE(only_text(result).empty());
    const Config& config = *result.config;
    CHECK(config.databases.size() == 1);
    const DatabaseSettings* database = config.find_database("shop");
    REQUIRE(database != nullptr);
    CHECK(database->user == "app");
    CHECK(database->password == "p@ss");
    CHECK(config.cluster_of(*database).members.at(0).address.text() == "db.internal:5433");
    CHECK(config.cluster_of(*database).connect_timeout == 2s);
    CHECK(config.find_user("app")->secret == "p@ss");
    CHECK(config.find_user("app")->has_secret);
    CHECK(config.auth.method == AuthMethod::ScramSha256);
    CHECK(result.files.empty());
    CHECK(notes_text(result) == "the parameter schema of DATABASE_URL has no effect");
}

TEST_CASE("environment: DB_ variables describe the database too") {
    const LoadResult result = from_environment({{"DB_HOST", "::1"},
                                                {"DB_PORT", "5433"},
                                                {"DB_NAME", "shop"},
                                                {"DB_USER", "app"},
                                                {"DB_PASSWORD", "x"},
                                                {"DB_SSL", "false"},
                                                {"DB_POOL_MIN", "2"},
                                                {"DB_POOL_MAX", "4"},
                                                {"DB_CONNECT_TIMEOUT", "1500"},
                                                {"DB_IDLE_TIMEOUT", "20s"}});
    REQUIRE(only_text(result).empty());
    const Config& config = *result.config;
    CHECK(config.cluster_of(config.databases.at("shop")).members.at(0).address.text() ==
          "[::1]:5433");
    CHECK(config.cluster_of(config.databases.at("shop")).connect_timeout == 1500ms);
    CHECK(config.pool.min == 2);
    CHECK(config.pool.max == 4);
    CHECK(config.pool.idle_timeout == 20s);
    const LoadResult socket = from_environment(
        {{"DB_HOST", "/run/pg"}, {"DB_NAME", "d"}, {"DB_USER", "u"}, {"DB_PASSWORD", "x"}});
    REQUIRE(socket.config);
    CHECK(socket.config->clusters.at("environment").members.at(0).address.path ==
          "/run/pg/.s.PGSQL.5432");
}

TEST_CASE("environment: the parts a URL leaves out come from DB_ variables, and the URL wins") {
    const LoadResult result = from_environment({{"DATABASE_URL", "postgres://app@h/shop"},
                                                {"DB_PASSWORD", "x"},
                                                {"DB_HOST", "other"},
                                                {"DB_NAME", "shop"}});
    REQUIRE(only_text(result).empty());
    CHECK(result.config->find_user("app")->secret == "x");
    CHECK(result.config->clusters.at("environment").members.at(0).address.text() == "h:5432");
    CHECK(notes_text(result) == "DB_HOST has no effect: DATABASE_URL says otherwise");
}

TEST_CASE("environment: without a password only an explicit trust starts") {
    const Variables bare{{"DATABASE_URL", "postgres://app@h/shop"}};
    CHECK(only_text(from_environment(bare)) ==
          "environment: DATABASE_URL: no user has a password, so nobody could log in; accepted: a "
          "password in the URL or DB_PASSWORD, or WEIR_AUTH_METHOD=trust");
    Variables trusting = bare;
    trusting.emplace("WEIR_AUTH_METHOD", "trust");
    CHECK(from_environment(trusting).config != nullptr);
}

TEST_CASE("environment: DB_SSL and sslmode say how the database of the environment is reached") {
    const auto mode_of = [](const Variables& variables) {
        const LoadResult result = from_environment(variables);
        REQUIRE(result.config != nullptr);
        return result.config->tls_for(result.config->clusters.at("environment")).mode;
    };
    const Variables url{{"DATABASE_URL", "postgres://a:b@h/d"}};
    CHECK(mode_of(url) == TlsMode::Prefer);
    CHECK(mode_of({{"DATABASE_URL", "postgres://a:b@h/d?sslmode=require"}}) == TlsMode::Require);
    for (const auto& [value, mode] : {std::pair{"true", TlsMode::Require},
                                      std::pair{"1", TlsMode::Require},
                                      std::pair{"require", TlsMode::Require},
                                      std::pair{"no-verify", TlsMode::Require},
                                      std::pair{"prefer", TlsMode::Prefer},
                                      std::pair{"false", TlsMode::Disable},
                                      std::pair{"off", TlsMode::Disable}}) {
        Variables variables = url;
        variables.emplace("DB_SSL", value);
        CHECK(mode_of(variables) == mode);
    }
    CHECK(
        only_text(
            from_environment({{"DATABASE_URL", "postgres://a:b@h/d"}, {"DB_SSL", "sometimes"}})) ==
        "environment: DB_SSL: \"sometimes\" is not accepted; accepted: true, false, or an sslmode "
        "(disable, allow, prefer, require, verify-ca, verify-full)");
}

TEST_CASE("environment: without a database of its own, DB_SSL is about those of the file") {
    const std::string file =
        "[cluster.main]\nservers = [\"h:1\"]\n[database.d]\n[user.u]\npassword = \"x\"\n";
    const LoadResult result =
        load_text(file, "weir.toml", Environment{Variables{{"DB_SSL", "true"}}});
    REQUIRE(result.config != nullptr);
    CHECK(result.config->tls_server.mode == TlsMode::Require);
    const LoadResult own =
        load_text(file,
                  "weir.toml",
                  Environment{Variables{{"DB_SSL", "true"}, {"WEIR_TLS_SERVER_MODE", "disable"}}});
    REQUIRE(own.config != nullptr);
    CHECK(own.config->tls_server.mode == TlsMode::Disable);
}

TEST_CASE("environment: mistakes name the variable and never the password") {
    CHECK(only_text(from_environment({{"DATABASE_URL", "postgres://a:hidden@h:99999/d"}})) ==
          "environment: DATABASE_URL: its host and port, \"h:99999\", has no port from 1 to 65535 "
          "after its last colon; accepted: "
          "\"host:port\", \"[::1]:port\", \"unix:/folder\", \"unix:@abstract\"");
    CHECK(
        only_text(from_environment({{"DB_HOST", "h"}, {"DB_PASSWORD", "hidden"}}))
            .find(
                "environment: DB_HOST: names no database; accepted: one in the URL, or DB_NAME") ==
        0);
    CHECK(only_text(load_with_base("", {{"WEIR_POOL_MAX", "many"}})) ==
          "environment: WEIR_POOL_MAX: \"many\" is not accepted; accepted: a whole number from 1 "
          "to 100000");
    CHECK(only_text(load_with_base("", {{"DB_IDLE_TIMEOUT", "soon"}}))
              .find("environment: DB_IDLE_TIMEOUT: \"soon\" does not begin with a whole number") ==
          0);
    CHECK(only_text(load_with_base("", {{"DB_CONNECT_TIMEOUT", "5x"}}))
              .find("environment: DB_CONNECT_TIMEOUT: \"5x\" has an unknown unit") == 0);
    CHECK(only_text(load_with_base("", {{"LOG_LEVEL", "loud"}}))
              .find("environment: LOG_LEVEL: \"loud\" is not accepted; accepted: \"trace\"") == 0);
    CHECK(only_text(load_with_base("[pool]\nmax = 3\n", {{"WEIR_POOL_MIN", "5"}}))
              .find("environment: WEIR_POOL_MIN: 5 is more than the max") == 0);
}

TEST_CASE("environment: WEIR_ variables override the file") {
    const LoadResult result =
        load_with_base("[listen]\nthreads = 4\n[pool]\nmax = 9\n[log]\nlevel = \"error\"\n",
                       {{"WEIR_LISTEN_THREADS", "2"},
                        {"WEIR_POOL_MAX", "8"},
                        {"DB_POOL_MAX", "7"},
                        {"WEIR_POOL_MIN", ""},
                        {"WEIR_LISTEN_ADDRESSES", "h:1, [::1]:2"},
                        {"WEIR_HTTP_ADDRESS", "127.0.0.1:80"},
                        {"WEIR_ADMIN_ADMINS", "a,b"},
                        {"WEIR_WATCH", "true"},
                        {"LOG_LEVEL", "DEBUG"}});
    REQUIRE(only_text(result).empty());
    const Config& config = *result.config;
    CHECK(config.listen.threads == 2);
    CHECK(config.pool.max == 8);
    CHECK(config.listen.addresses.size() == 2);
    CHECK(config.http.address->port == 80);
    CHECK(config.admin.admins == std::vector<std::string>{"a", "b"});
    CHECK(config.watch);
    CHECK(config.log.level == weir::log::Level::Debug);
    CHECK(result.notes.empty());
}

TEST_CASE("environment: profiles come from WEIR_PROFILE, else NODE_ENV") {
    CHECK(load_with_base("", {{"NODE_ENV", "test"}}).config->profile == Profile::Test);
    CHECK(load_with_base("", {{"NODE_ENV", "test"}}).config->pool.max == 3);
    CHECK(load_with_base("", {{"NODE_ENV", "test"}, {"WEIR_PROFILE", "high-load"}})
              .config->pool.max == 50);
    const LoadResult odd = load_with_base("", {{"NODE_ENV", "ci"}});
    REQUIRE(odd.config);
    CHECK(odd.config->profile == Profile::Production);
    CHECK(notes_text(odd).find("NODE_ENV is no profile of Weir's") == 0);
}

TEST_CASE("environment: variables without effect are noted") {
    CHECK(notes_text(load_with_base("", {{"WEIR_LISTEN_THREDS", "2"}})) ==
          "WEIR_LISTEN_THREDS is no setting and has no effect; did you mean WEIR_LISTEN_THREADS?");
    CHECK(notes_text(load_with_base("", {{"WEIR_NOTHING_LIKE_IT", "2"}})) ==
          "WEIR_NOTHING_LIKE_IT is no setting and has no effect");
    CHECK(notes_text(load_with_base("", {{"REDIS_URL", "redis://x"}, {"CACHE_KEY_PREFIX", "p"}})) ==
          "cache.redis has no effect: cache.enabled is false");
    CHECK(load_with_base("[auth]\nusers_file = \"${WEIR_OWN_NAME:-}\"\n", {{"WEIR_OTHER", ""}})
              .notes.empty());
}

TEST_CASE("environment: Redis, as a whole or in parts") {
    const auto redis = [](const Variables& variables) {
        const LoadResult result = load_with_base("[cache]\nenabled = true\n", variables);
        return result.config ? result.config->cache.redis : only_text(result);
    };
    CHECK(redis({{"REDIS_URL", "redis://:p@h:1/2"}, {"REDIS_HOST", "x"}}) == "redis://:p@h:1/2");
    CHECK(redis({{"REDIS_HOST", "h"}}) == "redis://h");
    CHECK(redis({{"REDIS_HOST", "::1"}, {"REDIS_PORT", "7"}}) == "redis://[::1]:7");
    CHECK(redis({{"REDIS_PORT", "7"}}) == "redis://127.0.0.1:7");
    CHECK(redis({{"REDIS_HOST", "h"}, {"REDIS_PASSWORD", "a/b@c%"}}) == "redis://:a%2Fb%40c%25@h");
    CHECK(redis({{"REDIS_PASSWORD", "p"}}).empty());
    CHECK(redis({{"REDIS_PORT", "seven"}}).find("REDIS_PORT") != std::string::npos);
    CHECK(load_with_base("", {{"REDIS_URL", "http://x"}}).config != nullptr);  // nobody asks for it
}

TEST_CASE("environment: a database of the file is overridden by the one of the same name") {
    const LoadResult result =
        load_with_base("[database.shop.pool]\nmax = 2\n[database.other]\ncluster = \"main\"\n",
                       {{"DATABASE_URL", "postgres://app:new@h/shop"}});
    // The base's [database.shop] names no cluster, which is fine: the environment's is used.
    REQUIRE(only_text(result).empty());
    const Config& config = *result.config;
    CHECK(config.cluster_of(config.databases.at("shop")).members.at(0).address.text() == "h:5432");
    CHECK(config.cluster_of(config.databases.at("other")).members.at(0).address.text() ==
          "10.0.0.1:5432");
    CHECK(config.databases.at("shop").pool.max == 2U);
    CHECK(config.find_user("app")->secret == "new");
    CHECK(notes_text(result) ==
          "DATABASE_URL overrides where [database.shop] of the file is and who logs in to it");
}

TEST_CASE("environment: a variable the file places itself overrides nothing else") {
    const LoadResult result = load_whole(
        "[cluster.main]\nservers = "
        "[\"${DB_HOST}:5432\"]\n[database.\"${DB_NAME}\"]\n[database.d]\ndbname = "
        "\"${DB_NAME}\"\n[user.u]\npassword = \"${DB_PASSWORD}\"\n",
        {{"DB_HOST", "h"}, {"DB_NAME", "n"}, {"DB_PASSWORD", "x"}});
    REQUIRE(only_text(result).empty());
    CHECK(result.config->clusters.count("environment") == 0);
    CHECK(result.config->databases.at("d").dbname == "n");
    CHECK(result.notes.empty());
}

TEST_CASE("environment: a password alone is no database") {
    const LoadResult result = load_with_base("", {{"DB_PASSWORD", "x"}, {"DB_USER", "y"}});
    REQUIRE(result.config);
    CHECK(result.config->clusters.count("environment") == 0);
    CHECK(notes_text(result) ==
          "DB_USER has no effect without DATABASE_URL, DB_HOST or DB_NAME || DB_PASSWORD has no "
          "effect without DATABASE_URL, DB_HOST or DB_NAME");
}

TEST_CASE("environment: the process's own can be read") {
    CHECK(Environment::of_process().find("PATH") != nullptr);
    CHECK(Environment{{{"A", ""}}}.find("A") == nullptr);
}

TEST_SUITE_END();
