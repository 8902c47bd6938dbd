#include "conf/change.hpp"
#include "conf/reference.hpp"
#include "conf/reload.hpp"
#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace weir::conf;
using namespace weir::conf::test;

namespace {

const std::string kCache = "[cache]\nenabled = true\n";

/// @return what is said of one [[warm_up]] with these lines
std::string problems_of(const std::string& lines) {
    return only_text(load_with_base(kCache + "[[warm_up]]\n" + lines));
}

std::string with(const std::string& line) {
    return "database = \"shop\"\nuser = \"app\"\nstatements = [\"SELECT 1\"]\n" + line;
}

}  // namespace

TEST_CASE("warm-up: what is written is read, and written again") {
    const LoadResult none = load_with_base("");
    REQUIRE(none.config);
    CHECK(none.config->warm_ups.empty());

    const LoadResult result = load_with_base(kCache + R"([[warm_up]]
database = "shop"
user = "app"
statements = ["SELECT a, b FROM prices WHERE t = ';'", "TABLE prices"]
parameters = { application_name = "shop", "my.own" = "1, 2", options = "-c geqo=off" }
[[warm_up]]
database = "shop"
user = "else"
statements = ["SELECT 2"]
)");
    REQUIRE(only_text(result).empty());
    REQUIRE(result.config->warm_ups.size() == 2);
    const WarmUpSettings& first = result.config->warm_ups[0];
    CHECK(first.database == "shop");
    CHECK(first.user == "app");
    CHECK(first.statements ==
          std::vector<std::string>{"SELECT a, b FROM prices WHERE t = ';'", "TABLE prices"});
    CHECK(first.parameters == std::map<std::string, std::string>{{"application_name", "shop"},
                                                                 {"my.own", "1, 2"},
                                                                 {"options", "-c geqo=off"}});
    CHECK(result.config->warm_ups[1].parameters.empty());

    const LoadResult again = load_whole(config_toml(*result.config));
    REQUIRE(only_text(again).empty());
    CHECK(again.config->warm_ups == result.config->warm_ups);
}

TEST_CASE("warm-up: an entry that cannot be run is named") {
    CHECK(problems_of("user = \"app\"\nstatements = [\"SELECT 1\"]\n")
              .find("warm_up.1: has no database;") != std::string::npos);
    CHECK(problems_of("database = \"shop\"\nstatements = [\"SELECT 1\"]\n")
              .find("warm_up.1: has no user;") != std::string::npos);
    CHECK(problems_of("database = \"shop\"\nuser = \"app\"\n")
              .find("warm_up.1: has no statements;") != std::string::npos);
    CHECK(problems_of("database = \"shp\"\nuser = \"app\"\nstatements = [\"SELECT 1\"]\n")
              .find("warm_up.1.database: \"shp\" is no database, did you mean \"shop\"?") !=
          std::string::npos);
    CHECK(problems_of("database = \"pgbouncer\"\nuser = \"app\"\nstatements = [\"SHOW POOLS\"]\n")
              .find("warm_up.1.database: \"pgbouncer\" is the admin database;") !=
          std::string::npos);
    CHECK(problems_of("database = \"shop\"\nuser = \"app\"\nstatements = [\"SELECT 1\", \" ;\"]\n")
              .find("warm_up.1.statements: number 2 has no text;") != std::string::npos);
    CHECK(problems_of("database = \"shop\"\nuser = \"app\"\nstatements = [\"\"]\n")
              .find("warm_up.1.statements: \"\" is not accepted; accepted: a list of SQL") !=
          std::string::npos);
    CHECK(problems_of("database = \"shop\"\nuser = \"app\"\nstatements = \"SELECT 1\"\n")
              .find("accepted: a list of SQL statements") != std::string::npos);
    CHECK(problems_of("database = \"shop\"\nuser = \"app\"\nstatements = [\"SELECT '\\u0000'\"]\n")
              .find("warm_up.1.statements: number 1 is no text;") != std::string::npos);
    CHECK(problems_of(with("parameters = { replication = \"database\" }\n"))
              .find("warm_up.1.parameters: \"replication\" is no setting") != std::string::npos);
    CHECK(problems_of(with("parameters = { work_mem = 1 }\n"))
              .find("warm_up.1.parameters.work_mem: 1 is not accepted; accepted: a string") !=
          std::string::npos);
    CHECK(problems_of(with("name = \"x\"\n")).find("warm_up.1.name: unknown key") !=
          std::string::npos);
    CHECK(only_text(load_with_base("[warm_up]\nuser = \"app\"\n"))
              .find("warm_up: is no list of tables; accepted: [[warm_up]]") != std::string::npos);
}

TEST_CASE("warm-up: not more than is sensible, and not without a cache") {
    std::string many;
    for (std::size_t i = 0; i <= kMaxWarmUps; ++i) {
        many += "[[warm_up]]\n" + with("");
    }
    CHECK(only_text(load_with_base(kCache + many)).find("at most 100") != std::string::npos);
    std::string list = "statements = [";
    for (std::size_t i = 0; i <= kMaxWarmUpStatements; ++i) {
        list += "\"SELECT 1\",";
    }
    CHECK(problems_of("database = \"shop\"\nuser = \"app\"\n" + list + "]\n")
              .find("warm_up.1.statements: too many; accepted: at most 1000") != std::string::npos);
    CHECK(notes_text(load_with_base("[[warm_up]]\n" + with(""))) ==
          "warm_up.1 has no effect: cache.enabled is false");
}

TEST_CASE("warm-up: it changes at a reload") {
    const LoadResult result = load_with_base(kCache + "[[warm_up]]\n" + with(""));
    REQUIRE(result.config);
    const Change done = change(*result.config, "warm_up.1.statements", "SELECT 1, 2; SELECT 3");
    REQUIRE(done.config);
    CHECK(done.config->warm_ups[0].statements ==
          std::vector<std::string>{"SELECT 1, 2", "SELECT 3"});
    const ReloadPlan plan = compare(*result.config, *done.config);
    CHECK(plan.changed == std::vector<std::string>{"warm_up.1.statements"});
    CHECK(plan.needs_restart.empty());
    CHECK(change(*result.config, "warm_up.1.user", "").config == nullptr);
    CHECK(change(*result.config, "warm_up.2.user", "app").config == nullptr);
    for (const SettingRow& row : rows(*done.config)) {
        if (row.key == "warm_up.1.statements") {
            CHECK(row.value == "SELECT 1, 2; SELECT 3");
        }
    }
}
