#include "conf/model.hpp"

#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace weir::conf;
using namespace weir::conf::test;

TEST_SUITE_BEGIN("model");

TEST_CASE("model: a database is found by name, else the wildcard") {
    const auto config = load_with_base("[database.\"*\"]\ncluster = \"main\"\n").config;
    REQUIRE(config);
    CHECK(config->find_database("shop")->name == "shop");
    CHECK(config->find_database("anything")->name == "*");
    CHECK(config->find_user("app")->name == "app");
    CHECK(config->find_user("nobody") == nullptr);
    CHECK(load_with_base("").config->find_database("anything") == nullptr);
    CHECK(config->cluster_of(*config->find_database("x")).name == "main");
}

TEST_CASE("model: the most specific pool setting wins") {
    const auto config = load_with_base(R"(
[pool]
max = 20
acquire_timeout = "1s"
check_after = "1s"
[database.shop.pool]
acquire_timeout = "2s"
check_after = "2s"
mode = "session"
[user.app.pool]
check_after = "3s"
)")
                            .config;
    REQUIRE(config);
    const PoolSettings pool = config->pool_for("shop", "app");
    CHECK(pool.idle_timeout == 5min);
    CHECK(pool.max == 20);
    CHECK(pool.acquire_timeout == 2s);
    CHECK(pool.check_after == 3s);
    CHECK(pool.mode == PoolMode::Session);
    CHECK(config->pool_for("other", "app").acquire_timeout == 1s);
    CHECK(config->pool_for("other", "nobody") == config->pool);
}

TEST_SUITE_END();
