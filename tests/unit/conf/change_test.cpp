#include "conf/change.hpp"

#include "conf/load.hpp"
#include "conf/pgbouncer_names.hpp"

#include <doctest/doctest.h>

namespace weir::conf {

namespace {

ConfigPtr sample() {
    const LoadResult loaded = load_text(
        "[cluster.main]\nservers = [\"127.0.0.1:5432\"]\n"
        "[database.shop]\n[database.shop.pool]\nmin = 2\nmax = 4\n"
        "[user.app]\npassword = \"secret\"\n",
        "weir.toml",
        Environment{});
    REQUIRE(loaded.config != nullptr);
    return loaded.config;
}

Change changed(std::string_view key, std::string_view value) {
    CAPTURE(key);
    Change change_made = change(*sample(), key, value);
    CAPTURE(change_made.problem);
    REQUIRE(change_made.config != nullptr);
    return change_made;
}

std::string problem(std::string_view key, std::string_view value) {
    const Change refused = change(*sample(), key, value);
    CHECK(refused.config == nullptr);
    return refused.sqlstate.text() + " " + refused.problem;
}

}  // namespace

TEST_SUITE("change of a setting") {
    TEST_CASE("a key of any section is found") {
        CHECK(changed("pool.max", "40").config->pool.max == 40);
        CHECK(changed("listen.max_clients", "7").config->listen.max_clients == 7);
        CHECK(changed("log.level", "debug").config->log.level != sample()->log.level);
        CHECK(changed("database.shop.pool.max", "9").config->databases.at("shop").pool.max == 9U);
        CHECK(changed("database.shop.connect_query", "SELECT 1")
                  .config->databases.at("shop")
                  .connect_query == "SELECT 1");
        CHECK(changed("policy.statement_timeout", "3s").config->policy.statement_timeout ==
              std::chrono::seconds{3});
        CHECK(changed("user.app.policy.statement_timeout", "3s")
                  .config->users.at("app")
                  .policy.statement_timeout == std::chrono::milliseconds{3000});
        CHECK(changed("user.app.max_clients", "3").config->users.at("app").max_clients == 3);
        CHECK(changed("cluster.main.connect_timeout", "2s")
                  .config->clusters.at("main")
                  .connect_timeout == std::chrono::seconds{2});
    }

    TEST_CASE("PgBouncer's names take PgBouncer's units") {
        CHECK(changed("default_pool_size", "40").config->pool.max == 40);
        CHECK(changed("query_wait_timeout", "1.5").config->pool.acquire_timeout ==
              std::chrono::milliseconds{1500});
        CHECK(changed("max_packet_size", "4096").config->limits.max_message == 4096);
        CHECK(changed("application_name_add_host", "1").config->listen.application_name_add_host);
        CHECK(changed("pool_mode", "session").config->pool.mode == PoolMode::Session);
    }

    TEST_CASE("what cannot be is refused, and nothing secret is told") {
        CHECK(problem("nonsense", "1").starts_with("42704"));
        CHECK(problem("pool.nonsense", "1").starts_with("42704"));
        CHECK(problem("database.nowhere.pool.max", "1").starts_with("42704"));
        CHECK(problem("pool.max", "many").starts_with("22023"));
        CHECK(problem("pool.acquire_timeout", "5").starts_with("22023"));
        CHECK(problem("pool.min", "1000").starts_with("22023 pool.min"));
        CHECK(problem("database.shop.pool.max", "1").starts_with("22023"));
        CHECK(problem("listen.threads", "3").starts_with("55P02"));
        CHECK(problem("profile", "test").starts_with("55P02"));
        CHECK(problem("auth.users_file", "x").starts_with("55P02"));
        CHECK(problem("auth.hba_file", "x").starts_with("55P02"));
        CHECK(problem("auth.ident_file", "x").starts_with("55P02"));
        CHECK(problem("database.shop.policy.nonsense", "1").starts_with("42704"));
        CHECK(problem("user.app.password", "file:/etc/passwd").starts_with("55P02"));
    }

    TEST_CASE("every name of PgBouncer's leads to a setting, and has a row") {
        const ConfigPtr config = sample();
        for (const PgbouncerName& name : pgbouncer_names()) {
            CAPTURE(name.name);
            CHECK(is_setting(*config, name.name));
        }
        const auto rows = pgbouncer_rows(*config);
        CHECK(rows.size() == pgbouncer_names().size());
        for (const SettingRow& row : rows) {
            if (row.key == "query_wait_timeout") {
                CHECK(row.value == "10");
            }
        }
    }
}

}  // namespace weir::conf
