#include "conf/reference.hpp"

#include "conf/reload.hpp"
#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

using namespace weir::conf;
using namespace weir::conf::test;

namespace {

const std::string kSource = WEIR_SOURCE_DIR;

std::string text_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

/// Compares a committed file with what the schema gives; with WEIR_UPDATE_GOLDEN=1 writes it
/// instead.
void check_golden(const std::string& name, const std::string& generated) {
    const std::string path = kSource + "/" + name;
    if (Environment::of_process().find("WEIR_UPDATE_GOLDEN") != nullptr) {
        std::ofstream{path} << generated;
    }
    INFO(name << " is stale: run the tests with WEIR_UPDATE_GOLDEN=1");
    CHECK((text_of(path) == generated));
}

const SettingRow* row(const std::vector<SettingRow>& all, std::string_view key) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const SettingRow& r) { return r.key == key; });
    return found == all.end() ? nullptr : &*found;
}

}  // namespace

TEST_SUITE_BEGIN("reference");

TEST_CASE("reference: docs/config.md is fresh") {
    check_golden("docs/config.md", reference_markdown());
}

TEST_CASE("reference: conf/weir.toml is fresh") {
    check_golden("conf/weir.toml", defaults_toml());
}

TEST_CASE("reference: the shipped file loads and is all defaults") {
    const LoadResult shipped =
        load(kSource + "/conf/weir.toml", Environment{{{"APP_PASSWORD", "x"}}});
    REQUIRE(only_text(shipped).empty());
    const LoadResult bare = load_whole(
        "[cluster.main]\nservers = [\"127.0.0.1:5432\"]\n[database.shop]\ncluster = "
        "\"main\"\n[user.app]\npassword = \"x\"\n");
    REQUIRE(only_text(bare).empty());
    const ReloadPlan plan = compare(*shipped.config, *bare.config);
    CHECK(plan.changed.empty());
    CHECK(plan.needs_restart.empty());
}

TEST_CASE("reference: the minimal file loads") {
    const LoadResult minimal =
        load(kSource + "/conf/weir-minimal.toml", Environment{{{"APP_PASSWORD", "x"}}});
    REQUIRE(only_text(minimal).empty());
    CHECK(minimal.notes.empty());
    CHECK(minimal.config->find_database("any") != nullptr);
    CHECK(minimal.config->pool.max == 20);
}

TEST_CASE("reference: rows show what is in force and hide secrets") {
    const LoadResult result = load_with_base(
        "[pool]\nmax = 7\n[http]\nuser = \"u\"\npassword = \"hidden\"\n[database.b.pool]\nmode = "
        "\"session\"\n");
    REQUIRE(result.config);
    const auto all = rows(*result.config);
    REQUIRE(row(all, "pool.max") != nullptr);
    CHECK(row(all, "pool.max")->value == "7");
    CHECK(row(all, "pool.max")->default_value == "30");
    CHECK(row(all, "pool.max")->reloadable);
    CHECK(row(all, "listen.threads")->default_value == "auto");
    CHECK_FALSE(row(all, "listen.threads")->reloadable);
    CHECK(row(all, "listen.unix_socket_mode")->value == "0770");
    CHECK(row(all, "http.password")->value == "********");
    CHECK(row(all, "user.app.password")->value == "********");
    CHECK(row(all, "database.b.password")->value.empty());
    CHECK(row(all, "database.b.pool.mode")->value == "session");
    CHECK(row(all, "database.b.pool.max") == nullptr);
    for (const SettingRow& r : all) {
        CHECK(r.value.find("hidden") == std::string::npos);
    }
}

TEST_CASE("reference: the settings in force load again") {
    const LoadResult first = load_with_base(
        "[listen]\naddresses = [\"unix:/run/weir\", \"*:6432\"]\n[database.\"*\"]\ncluster = "
        "\"main\"\nset = { \"a.b\" = \"x\\\"y\" }\n[user.app.pool]\nmax = 3\n");
    REQUIRE(only_text(first).empty());
    const std::string text = config_toml(*first.config);
    CHECK(text.find("secret\"") == std::string::npos);
    const LoadResult again = load_whole(text);
    REQUIRE(only_text(again).empty());
    const ReloadPlan plan = compare(*first.config, *again.config);
    CHECK(plan.changed == std::vector<std::string>{"user.app.password"});
    CHECK(plan.needs_restart.empty());
}

TEST_SUITE_END();
