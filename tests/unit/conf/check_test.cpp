#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

using namespace weir::conf;
using namespace weir::conf::test;

TEST_SUITE_BEGIN("check");

TEST_CASE("check: no database at all is a mistake") {
    const std::string text =
        "weir.toml: no database is configured; accepted: a [cluster.NAME] and a [database.NAME], "
        "or DATABASE_URL, or DB_HOST and DB_NAME";
    CHECK(only_text(load_whole("")) == text);
    CHECK(only_text(load("", Environment{})) == "environment" + text.substr(9));
}

TEST_CASE("check: a database must name a cluster there is") {
    const std::string clusters =
        "[cluster.main]\nservers = [\"h:1\"]\n[cluster.other]\nservers = "
        "[\"i:1\"]\n[user.u]\npassword = \"x\"\n";
    CHECK(
        only_text(load_whole(clusters + "[database.d]\ncluster = \"mian\"\n")) ==
        R"(weir.toml:8:11: database.d.cluster: "mian" is no cluster, did you mean "main"? accepted: "main", "other")");
    CHECK(only_text(load_whole(clusters + "[database.d]\n")) ==
          R"(weir.toml:7:11: database.d.cluster: is not given; accepted: "main", "other")");
    CHECK(only_text(load_whole("[database.d]\n[user.u]\npassword = \"x\"\n")) ==
          "weir.toml:1:11: database.d.cluster: is not given; accepted: the name of a "
          "[cluster.NAME], and there is none");
}

TEST_CASE("check: somewhere to listen, each place once") {
    CHECK(only_text(load_with_base("[listen]\naddresses = []\n")) ==
          "weir.toml:7:13: listen.addresses: names no address; accepted: at least one");
    CHECK(only_text(load_with_base("[listen]\naddresses = [\"h:1\", \"h:1\"]\n")) ==
          "weir.toml:7:13: listen.addresses: \"h:1\" is there twice; accepted: each address once");
}

TEST_CASE("check: Weir does not connect to itself") {
    const std::string rest = "[database.d]\n[user.u]\npassword = \"x\"\n";
    for (const char* server : {"127.0.0.1:6432", "localhost:6432"}) {
        CHECK(only_text(load_whole("[cluster.a]\nservers = [\"" + std::string{server} + "\"]\n" +
                                   rest)) ==
              "weir.toml:2:11: cluster.a.servers: \"" + std::string{server} +
                  "\" is where Weir itself listens; accepted: the address of PostgreSQL");
    }
    CHECK_FALSE(
        load_whole(
            "[listen]\naddresses = [\"*:5000\"]\n[cluster.a]\nservers = [\"127.0.0.1:5000\"]\n" +
            rest)
            .problems.empty());
    CHECK(load_whole("[cluster.a]\nservers = [\"127.0.0.1:5432\"]\n" + rest).problems.empty());
}

TEST_CASE("check: the admin database keeps its names") {
    CHECK(only_text(load_with_base("[database.weir]\n"))
              .find("weir.toml:6:11: database.weir: is the name of the admin database") == 0);
    CHECK(only_text(load_with_base("[database.pgbouncer]\n"))
              .find("weir.toml:6:11: database.pgbouncer: is the name of the admin database") == 0);
    CHECK(only_text(load_with_base("[admin]\ndatabase = \"shop\"\n"))
              .find("weir.toml:3:11: database.shop: is the name of the admin database") == 0);
    CHECK(
        only_text(load_with_base("[admin]\ndatabase = \"\"\n")) ==
        "weir.toml:7:12: admin.database: is no name; accepted: a name that no [database.NAME] has");
    CHECK(load_with_base("[admin]\ndatabase = \"pgbouncer\"\n[database.weir]\n").problems.empty());
}

TEST_CASE("check: things that come in pairs") {
    CHECK(only_text(load_with_base("[http]\nuser = \"u\"\n")) ==
          "weir.toml:7:8: http.user: only one of http.user and http.password is given; accepted: "
          "both, or neither");
    CHECK(only_text(load_with_base("[http]\npassword = \"hidden\"\n")) ==
          "weir.toml:7:12: http.password: only one of http.user and http.password is given; "
          "accepted: both, or neither");
    CHECK(only_text(load_with_base("[database.b]\npassword = \"hidden\"\n")) ==
          "weir.toml:7:12: database.b.password: a password without a user; accepted: both, or "
          "neither");
}

TEST_CASE("check: set may not open another database than its section's") {
    CHECK(only_text(load_with_base("[database.b]\nset = { database = \"x\" }\n")) ==
          "weir.toml:7:7: database.b.set: \"database\" is no setting of PostgreSQL; accepted: "
          "names as SHOW ALL lists them");
    CHECK_FALSE(load_with_base("[database.b]\nset = { \"_pq_.x\" = \"x\" }\n").problems.empty());
}

TEST_CASE("check: min above max is reported where min was written") {
    CHECK(only_text(load_with_base("[pool]\nmin = 5\nmax = 4\n")) ==
          "weir.toml:7:7: pool.min: 5 is more than the max that goes with it, 4; accepted: at most "
          "that, or a larger max");
    CHECK(only_text(load_with_base("[pool]\nmin = 31\n")) ==
          "weir.toml:7:7: pool.min: 31 is more than the max that goes with it, 30; accepted: at "
          "most that, or a larger max");
    CHECK(only_text(load_with_base("[database.b.pool]\nmin = 3\nmax = 2\n")) ==
          "weir.toml:7:7: database.b.pool.min: 3 is more than the max that goes with it, 2; "
          "accepted: at most that, or a larger max");
    CHECK(only_text(load_with_base("[user.b.pool]\nmin = 40\n")) ==
          "weir.toml:7:7: user.b.pool.min: 40 is more than the max that goes with it, 30; "
          "accepted: at most that, or a larger max");
    CHECK(only_text(load_with_base("[database.b.pool]\nmax = 2\n[user.b.pool]\nmin = 3\n")) ==
          "weir.toml:9:7: user.b.pool.min: 3 is more than the max that goes with it, 2; accepted: "
          "at most that, or a larger max");
}

TEST_CASE("check: a max alone lowers the min it inherits") {
    const LoadResult result =
        load_with_base("[pool]\nmax = 4\n[database.b.pool]\nmax = 2\n[user.app.pool]\nmax = 1\n");
    REQUIRE(only_text(result).empty());
    CHECK(result.config->pool.min == 4);
    CHECK(result.config->pool_for("b", "x").min == 2);
    CHECK(result.config->pool_for("b", "app").min == 1);
}

TEST_CASE("check: users who cannot log in are noted, not refused") {
    const std::string rest = "[cluster.main]\nservers = [\"h:1\"]\n[database.d]\n";
    CHECK(notes_text(load_whole(rest + "[user.u]\n")) ==
          "no user has a password, so nobody could log in; give [user.NAME] a password, or set "
          "auth.users_file");
    CHECK(load_whole(rest + "[user.u]\n").config != nullptr);
    CHECK(notes_text(load_whole("[auth]\nmethod = \"trust\"\n" + rest)).empty());
    CHECK(notes_text(load_whole(
              rest + "[user.u]\npassword = \"md50123456789abcdef0123456789abcdef\"\n")) ==
          R"(the user "u" cannot log in: an md5 secret cannot serve auth.method "scram-sha-256")");
}

TEST_SUITE_END();
