#include "conf/reload.hpp"

#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

using namespace weir::conf;
using namespace weir::conf::test;

namespace {

using Keys = std::vector<std::string>;

ReloadPlan plan_for(std::string_view before, std::string_view after) {
    const LoadResult running = load_with_base(before);
    const LoadResult wanted = load_with_base(after);
    REQUIRE(only_text(running).empty());
    REQUIRE(only_text(wanted).empty());
    return compare(*running.config, *wanted.config);
}

}  // namespace

TEST_SUITE_BEGIN("reload");

TEST_CASE("reload: nothing changed, nothing to do") {
    const ReloadPlan plan = plan_for("[listen]\nbacklog = 5\n", "[listen]\nbacklog = 5\n");
    CHECK(plan.changed.empty());
    CHECK(plan.needs_restart.empty());
}

TEST_CASE("reload: live keys and keys that need a restart are told apart") {
    const ReloadPlan plan = plan_for("", R"(
[listen]
addresses = ["127.0.0.1:7000"]
threads = 64
max_clients = 5
client_login_timeout = "1s"
client_idle_timeout = "1s"
backlog = 5
[auth]
method = "md5"
[pool]
max = 31
[limits]
client_buffer = "64KiB"
[log]
level = "debug"
format = "json"
[http]
address = ""
)");
    CHECK(plan.changed == Keys{"auth.method",
                               "limits.client_buffer",
                               "listen.max_clients",
                               "listen.client_login_timeout",
                               "listen.client_idle_timeout",
                               "log.level",
                               "pool.max"});
    CHECK(
        plan.needs_restart ==
        Keys{"http.address", "listen.addresses", "listen.threads", "listen.backlog", "log.format"});
}

TEST_CASE("reload: sections that come, go and change are live") {
    const ReloadPlan plan = plan_for("[database.old]\n[user.app.pool]\nmax = 12\n",
                                     "[database.new]\ncluster = \"main\"\n[database.new.pool]\nmax "
                                     "= 11\n[user.other]\npassword = \"x\"\n");
    CHECK(plan.changed == Keys{"database.new (added)",
                               "database.new.pool (added)",
                               "user.other (added)",
                               "database.old (removed)",
                               "user.app.pool (removed)"});
    CHECK(plan.needs_restart.empty());
}

TEST_CASE("reload: single keys of named sections and of overrides are named") {
    const ReloadPlan plan = plan_for(
        "[database.b]\ndbname = \"x\"\n[database.b.pool]\nmax = 11\nreserve = 1\n",
        "[database.b]\ndbname = \"y\"\n[database.b.pool]\nmax = 12\ncheck_after = \"1s\"\n");
    CHECK(plan.changed == Keys{"database.b.dbname",
                               "database.b.pool.max",
                               "database.b.pool.check_after",
                               "database.b.pool.reserve"});
}

TEST_CASE("reload: a changed secret is named, not shown") {
    const LoadResult before = load_with_base("[user.b]\npassword = \"one\"\n");
    const LoadResult after = load_with_base("[user.b]\npassword = \"two\"\n");
    CHECK(compare(*before.config, *after.config).changed == Keys{"user.b.password"});
}

TEST_CASE("reload: another profile changes what it presets") {
    const LoadResult before = load_with_base("");
    const LoadResult after = load_with_base("", {{"WEIR_PROFILE", "test"}});
    CHECK(compare(*before.config, *after.config).changed ==
          Keys{"profile", "pool.min", "pool.max", "pool.idle_timeout"});
}

TEST_SUITE_END();
