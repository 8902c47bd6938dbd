#include "conf/load.hpp"

#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace weir::conf;
using namespace weir::conf::test;

TEST_SUITE_BEGIN("load");

TEST_CASE("load: a small file gets every default of the contract") {
    const LoadResult result = load_with_base("");
    REQUIRE(only_text(result).empty());
    const Config& config = *result.config;
    CHECK(config.profile == Profile::Production);
    CHECK_FALSE(config.watch);
    CHECK(config.listen.addresses ==
          std::vector{Address{Address::Kind::Tcp, "127.0.0.1", 6432, ""}});
    CHECK(config.listen.threads >= 1);
    CHECK(config.listen.max_clients == 10000);
    CHECK(config.listen.client_login_timeout == 15s);
    CHECK(config.listen.client_idle_timeout == 0s);
    CHECK(config.listen.backlog == 1024);
    CHECK(config.listen.unix_socket_mode == 0770U);
    CHECK(config.listen.tcp_keepalive == 300s);
    CHECK(config.auth.method == AuthMethod::ScramSha256);
    CHECK(config.clusters.at("main").members ==
          std::vector{MemberSettings{Address{Address::Kind::Tcp, "10.0.0.1", 5432, ""}}});
    CHECK(config.clusters.at("main").connect_timeout == 5s);
    CHECK(config.clusters.at("main").connect_concurrency == 8);
    CHECK(config.databases.at("shop").cluster == "main");
    CHECK(config.users.at("app").secret == "secret");
    CHECK(config.users.at("app").has_secret);
    CHECK(config.pool.mode == PoolMode::Transaction);
    CHECK(config.pool.max_lifetime == 1h);
    CHECK(config.pool.acquire_timeout == 10s);
    CHECK(config.pool.reserve == 0);
    CHECK(config.pool.reserve_after == 5s);
    CHECK(config.pool.check_after == 30s);
    CHECK(config.pool.idle_in_transaction_timeout == 0s);
    CHECK(config.pool.transaction_timeout == 0s);
    CHECK(config.pool.state == weir::conf::SessionState::Carry);
    CHECK(config.pool.reset_query == "DISCARD ALL");
    CHECK(config.limits.max_message == 256ULL << 20U);
    CHECK(config.limits.client_buffer == 256ULL << 10U);
    CHECK(config.limits.max_database_connections == 0);
    CHECK(config.limits.max_user_connections == 0);
    CHECK(config.log.level == weir::log::Level::Info);
    CHECK(config.log.format == weir::log::Format::Text);
    CHECK(config.http.address == Address{Address::Kind::Tcp, "127.0.0.1", 9127, ""});
    CHECK(config.admin.database == "weir");
    CHECK(config.admin.admins.empty());
}

TEST_CASE("load: each profile presets the pool") {
    struct Case {
        const char* name;
        unsigned min;
        unsigned max;
        milliseconds idle;
    };

    for (const Case& c : {Case{"development", 1, 5, 10s},
                          Case{"test", 1, 3, 5s},
                          Case{"staging", 5, 20, 60s},
                          Case{"production", 10, 30, 5min},
                          Case{"high-load", 20, 50, 10min}}) {
        const LoadResult result =
            load_whole("profile = \"" + std::string{c.name} + "\"\n" + std::string{kBase});
        REQUIRE(result.config);
        CHECK(result.config->pool.min == c.min);
        CHECK(result.config->pool.max == c.max);
        CHECK(result.config->pool.idle_timeout == c.idle);
    }
}

TEST_CASE("load: every key of a full file arrives") {
    const LoadResult result = load_whole(R"(
profile = "test"
watch = true
[listen]
addresses = ["*:6432", "[::1]:6432", "unix:/run/weir", "unix:@weir"]
threads = 3
max_clients = 7
client_login_timeout = "1s"
client_idle_timeout = 0
backlog = 5
unix_socket_mode = "700"
tcp_keepalive = "0s"
[auth]
method = "md5"
[cluster.main]
servers = [{ address = "unix:/var/run/postgresql" }]
connect_timeout = "1500ms"
connect_concurrency = 2
[database."*"]
cluster = "main"
dbname = "real"
user = "owner"
password = "pw"
set = { search_path = "app", "my.key" = "x" }
connect_query = "SELECT 1"
pool = { mode = "session", max = 4 }
[user.app]
password = "x"
max_clients = 9
policy = { statement_timeout = "2s" }
[user.app.pool]
acquire_timeout = "1s"
[policy]
statement_timeout = "30s"
[limits]
max_message = "1GB"
client_buffer = "64KiB"
max_database_connections = 11
max_user_connections = 12
[log]
level = "debug"
format = "json"
file = "weir.log"
[http]
address = ""
user = "u"
password = "p"
[admin]
database = "console"
admins = ["root"]
viewers = ["a", "b"]
)");
    REQUIRE(only_text(result).empty());
    const Config& config = *result.config;
    CHECK(config.watch);
    CHECK(config.listen.addresses.size() == 4);
    CHECK(config.listen.threads == 3);
    CHECK(config.listen.unix_socket_mode == 0700U);
    CHECK(config.auth.method == AuthMethod::Md5);
    CHECK(config.clusters.at("main").members.at(0).address.path ==
          "/var/run/postgresql/.s.PGSQL.5432");
    CHECK(config.clusters.at("main").connect_timeout == 1500ms);
    const DatabaseSettings& database = config.databases.at("*");
    CHECK(database.dbname == "real");
    CHECK(database.user == "owner");
    CHECK(database.password == "pw");
    CHECK(database.set ==
          std::map<std::string, std::string>{{"search_path", "app"}, {"my.key", "x"}});
    CHECK(database.connect_query == "SELECT 1");
    CHECK(database.pool.mode == PoolMode::Session);
    CHECK(config.users.at("app").max_clients == 9);
    CHECK(config.users.at("app").pool.acquire_timeout == 1s);
    CHECK(config.policy.statement_timeout == 30s);
    CHECK(config.users.at("app").policy.statement_timeout == 2s);
    CHECK(config.policy_for("any", "app").statement_timeout == 2s);
    CHECK(config.policy_for("any", "other").statement_timeout == 30s);
    CHECK(config.limits.max_message == 1'000'000'000U);
    CHECK(config.log.level == weir::log::Level::Debug);
    CHECK(config.log.format == weir::log::Format::Json);
    CHECK(config.log.file == "weir.log");
    CHECK_FALSE(config.http.address);
    CHECK(config.admin.database == "console");
    CHECK(config.admin.viewers == std::vector<std::string>{"a", "b"});
}

TEST_CASE("load: text that is no TOML is one problem at its place") {
    const LoadResult result = load_whole("profile = \"test\"\n[listen\nthreads = 1\n");
    REQUIRE(result.problems.size() == 1);
    CHECK(result.config == nullptr);
    CHECK(result.problems[0].file == "weir.toml");
    CHECK(result.problems[0].line == 2);
    CHECK(result.problems[0].column == 8);
    CHECK_FALSE(result.problems[0].message.empty());
    CHECK(load_whole("a = \"\xff\"").problems.size() == 1);
    CHECK(load_whole("a = 1\na = 2").problems.size() == 1);
}

TEST_CASE("load: an unknown key is reported with the nearest known one") {
    CHECK(only_text(load_with_base("[listen]\nthreds = 2\n")) ==
          "weir.toml:7:1: listen.threds: unknown key, did you mean \"threads\"? accepted here: "
          "addresses, threads, max_clients, "
          "client_login_timeout, client_idle_timeout, backlog, unix_socket_mode, "
          "unix_socket_group, tcp_keepalive, tcp_keepalive_interval, tcp_keepalive_count, "
          "tcp_user_timeout, login_notice, "
          "proxy_protocol, application_name_add_host");
    CHECK(only_text(load_with_base("[auth]\n  zzz = 2\n")) ==
          "weir.toml:7:3: auth.zzz: unknown key; accepted here: method, users_file, hba_file, "
          "ident_file, cert_map, query, query_user, query_database, query_timeout");
    CHECK(only_text(load_with_base("[lisen]\nthreads = 2\n")) ==
          "weir.toml:6:2: lisen: unknown key, did you mean \"listen\"? accepted here: profile, "
          "watch, pid_file, listen, tls.client, tls.server, auth, cluster, "
          "database, user, pool, limits, policy, policy.retry, policy.breaker, rule, rule.match, "
          "rule.set, cache, warm_up, ledger, log, http, admin, health, alert, "
          "maintenance, partition, aggregate, materialized_view, task");
    CHECK(only_text(load_with_base("[database.shop.pol]\nmax = 2\n")) ==
          "weir.toml:6:16: database.shop.pol: unknown key, did you mean \"pool\"? accepted here: "
          "cluster, dbname, user, password, "
          "set, connect_query, read_write_split, read_your_writes, auth_query, auth_query_user, "
          "auth_query_database, max_clients, "
          "max_connections, "
          "pool, policy");
    CHECK(only_text(load_with_base("[user.app.pool]\nmaxx = 2\n"))
              .find("weir.toml:7:1: user.app.pool.maxx: unknown key, did you mean \"max\"?") == 0);
}

TEST_CASE("load: keys whose feature does not exist yet are unknown keys") {
    for (const char* text : {"[tls.client]\nca_path = \"x\"\n",
                             "[cache]\nwarm = [\"SELECT 1\"]\n",
                             "[policy]\ncache_ttl = \"1s\"\n",
                             "[listen]\nreuse_port = true\n",
                             "[health]\nslow_per_minute = [5, 10]\n",
                             "[[rule]]\nset = { route = \"replica\", cached = \"5m\" }\n"}) {
        CAPTURE(text);
        const LoadResult result = load_with_base(text);
        CHECK(only_text(result).find(": unknown key") != std::string::npos);
    }
}

TEST_CASE("load: every kind of wrong value has its place and what is accepted") {
    struct Case {
        const char* toml;
        const char* text;
    };

    for (const Case& c : {
             Case{"[listen]\nmax_clients = 0\n",
                  "7:15: listen.max_clients: 0 is not accepted; accepted: a whole number from 1 to "
                  "1000000"},
             Case{"[user.b]\npriority = -11\n",
                  "7:12: user.b.priority: -11 is not accepted; accepted: a whole number from -10 "
                  "to 10"},
             Case{"[user.b]\npriority = 11\n",
                  "7:12: user.b.priority: 11 is not accepted; accepted: a whole number from -10 to "
                  "10"},
             Case{"[user.b]\npriority = \"1\"\n",
                  "7:12: user.b.priority: \"1\" is not accepted; accepted: a whole number from -10 "
                  "to 10"},
             Case{"[listen]\nmax_clients = -1\n",
                  "7:15: listen.max_clients: -1 is not accepted; accepted: a whole number from 1 "
                  "to 1000000"},
             Case{"[listen]\nmax_clients = \"5\"\n",
                  "7:15: listen.max_clients: \"5\" is not accepted; accepted: a whole number from "
                  "1 to 1000000"},
             Case{"[listen]\nmax_clients = 1.5\n",
                  "7:15: listen.max_clients: a number with a fraction is not accepted; accepted: a "
                  "whole number from 1 to 1000000"},
             Case{"[listen]\nthreads = 65\n",
                  "7:11: listen.threads: 65 is not accepted; accepted: \"auto\" or a whole number "
                  "from 1 to 64"},
             Case{"[listen]\nthreads = \"many\"\n",
                  "7:11: listen.threads: \"many\" is not accepted; accepted: \"auto\" or a whole "
                  "number from 1 to 64"},
             Case{"[listen]\nunix_socket_mode = \"888\"\n",
                  "7:20: listen.unix_socket_mode: \"888\" is not accepted; accepted: permissions "
                  "in octal from \"0000\" to \"0777\""},
             Case{"[listen]\nunix_socket_mode = \"1770\"\n",
                  "7:20: listen.unix_socket_mode: \"1770\" is not accepted; accepted: permissions "
                  "in octal from \"0000\" to \"0777\""},
             Case{"[listen]\nunix_socket_mode = 770\n",
                  "7:20: listen.unix_socket_mode: 770 is not accepted; accepted: permissions in "
                  "octal from \"0000\" to \"0777\""},
             Case{"[listen]\ntcp_keepalive = 300\n",
                  "7:17: listen.tcp_keepalive: 300 has no unit; accepted: a whole number and ms, "
                  "s, m, h or d, such as \"250ms\"; 0 switches it off"},
             Case{"[listen]\ntcp_keepalive = true\n",
                  "7:17: listen.tcp_keepalive: true is not accepted; accepted: a duration such as "
                  "\"250ms\" (ms, s, m, h, d); 0 switches it off"},
             Case{"[limits]\nmax_message = \"1B\"\n",
                  "7:15: limits.max_message: \"1B\" is not accepted; accepted: a size such as "
                  "\"64KiB\" from 1KiB to 2147483647B"},
             Case{"[limits]\nmax_message = \"5XB\"\n",
                  "7:15: limits.max_message: \"5XB\" has an unknown unit; accepted: a whole number "
                  "and B, KiB, MiB, GiB, kB, MB or GB, such as \"64KiB\""},
             Case{"[auth]\nmethod = \"ldap\"\n",
                  "7:10: auth.method: \"ldap\" is not accepted; accepted: \"trust\", \"password\", "
                  "\"md5\", \"scram-sha-256\", \"cert\" or \"hba\""},
             Case{"[auth]\nusers_file = 3\n",
                  "7:14: auth.users_file: 3 is not accepted; accepted: a string"},
             Case{"[auth]\nusers_file = 2020-01-01\n",
                  "7:14: auth.users_file: a date or time is not accepted; accepted: a string"},
             Case{"[listen]\naddresses = \"h:1\"\n",
                  "7:13: listen.addresses: \"h:1\" is not accepted; accepted: a list of "
                  "\"host:port\", \"[::1]:port\", \"unix:/folder\", \"unix:@abstract\""},
             Case{"[listen]\naddresses = [1]\n",
                  "7:14: listen.addresses: 1 is not accepted; accepted: a list of \"host:port\", "
                  "\"[::1]:port\", \"unix:/folder\", \"unix:@abstract\""},
             Case{"[listen]\naddresses = [\"a:1\", \"b\"]\n",
                  "7:21: listen.addresses: \"b\" has no port; accepted: \"host:port\", "
                  "\"[::1]:port\", \"unix:/folder\", \"unix:@abstract\""},
             Case{"[http]\naddress = \"unix:/run\"\n",
                  "7:11: http.address: \"unix:/run\" is not accepted; accepted: \"host:port\", or "
                  "\"\" for off"},
             Case{"[admin]\nadmins = [\"a\", \"\"]\n",
                  "7:16: admin.admins: \"\" is not accepted; accepted: a list of names"},
             Case{"[admin]\nadmins = \"a\"\n",
                  "7:10: admin.admins: \"a\" is not accepted; accepted: a list of names"},
             Case{"[http]\npassword = 5\n",
                  "7:12: http.password: the value is not accepted; accepted: a string"},
             Case{"[database.b]\nset = { a = 1 }\n",
                  "7:13: database.b.set.a: 1 is not accepted; accepted: a string"},
             Case{"[database.b]\nset = \"a\"\n",
                  "7:7: database.b.set: \"a\" is not accepted; accepted: a table of strings"},
             Case{"[database.b]\ndbname = \"a\\u0000b\"\n",
                  "7:10: database.b.dbname: \"a\\u0000b\" has a zero byte; accepted: a string "
                  "without one"},
             Case{"[pool]\nmode = \"fast\"\n",
                  "7:8: pool.mode: \"fast\" is not accepted; accepted: \"session\", "
                  "\"transaction\" or \"statement\""},
         }) {
        CAPTURE(c.toml);
        CHECK(only_text(load_with_base(c.toml)) == "weir.toml:" + std::string{c.text});
    }
}

TEST_CASE("load: sections that are none are reported") {
    CHECK(only_text(load_whole("listen = 1\n" + std::string{kBase})) ==
          "weir.toml:1:10: listen: is no section; accepted: [listen] with keys below it");
    CHECK(only_text(load_with_base("[[log]]\n")) ==
          "weir.toml:6:1: log: is no section; accepted: [log] with keys below it");
    CHECK(only_text(load_with_base("[cluster]\nmain2 = 3\n")).find("weir.toml:") == 0);
    CHECK(only_text(load_with_base("[user]\nx = 3\n")) ==
          "weir.toml:7:1: user.x: is no section; accepted: [user.NAME] with keys below it");
    CHECK(
        only_text(load_with_base("[user.\"*\"]\n")) ==
        R"(weir.toml:6:7: user."*": is no name; accepted: any name, and "*" for [database."*"] only)");
    CHECK(
        only_text(load_with_base("[user.\"\"]\n")) ==
        R"(weir.toml:6:7: user."": is no name; accepted: any name, and "*" for [database."*"] only)");
    CHECK(only_text(load_whole("user = 1\n[cluster.main]\nservers=[\"h:1\"]\n[database.d]\n"))
              .find("weir.toml:1:1: user: is no section; accepted: [user.NAME]") == 0);
}

TEST_CASE("load: all mistakes come at once, from top to bottom") {
    const LoadResult result =
        load_with_base("[pool]\nmode = \"x\"\nmin = -1\n[listen]\nfoo = 1\n[auth]\nmethod = 1\n");
    CHECK(result.config == nullptr);
    REQUIRE(result.problems.size() == 4);
    CHECK(result.problems[0].line == 7);
    CHECK(result.problems[1].line == 8);
    CHECK(result.problems[2].line == 10);
    CHECK(result.problems[3].line == 12);
}

TEST_CASE("load: variables are replaced in strings, and in strings for numbers") {
    const Variables variables{{"PW", "from env"}, {"MAX", "12"}, {"ON", "true"}, {"HOST", "db"}};
    const LoadResult result = load_whole(R"(
watch = "${ON}"
[cluster.main]
servers = ["${HOST}:${PORT:-5433}"]
[database.d]
set = { search_path = "${HOST}" }
[user.u]
password = "${PW}"
[pool]
max = "${MAX}"
min = "${MIN:-2}"
)",
                                         variables);
    REQUIRE(only_text(result).empty());
    CHECK(result.config->watch);
    CHECK(result.config->clusters.at("main").members[0].address.text() == "db:5433");
    CHECK(result.config->databases.at("d").set.at("search_path") == "db");
    CHECK(result.config->users.at("u").secret == "from env");
    CHECK(result.config->pool.max == 12);
    CHECK(result.config->pool.min == 2);
}

TEST_CASE("load: a message shows what is in the file, not what the environment put there") {
    const Variables variables{{"URL", "postgres://u:hidden@h/d"}};
    CHECK(only_text(load_with_base("[listen]\naddresses = [\"${URL}\"]\n", variables))
              .find("weir.toml:7:14: listen.addresses: \"${URL}\" ") == 0);
    CHECK(only_text(load_with_base("[listen]\nmax_clients = \"${URL}\"\n", variables)) ==
          "weir.toml:7:15: listen.max_clients: \"${URL}\" is not accepted; accepted: a whole "
          "number from 1 to 1000000");
}

TEST_CASE("load: a variable that is missing is one problem and has no consequences") {
    CHECK(only_text(load_whole("[cluster.main]\nservers = [\"${NOBODY}\"]\n[database.d]\ncluster = "
                               "\"${NO}\"\n[user.u]\npassword = \"x\"\n")) ==
          "weir.toml:2:12: cluster.main.servers: the environment variable NOBODY is not set; set "
          "it or write ${NOBODY:-default} || "
          "weir.toml:4:11: database.d.cluster: the environment variable NO is not set; set it or "
          "write ${NO:-default}");
}

TEST_CASE("load: a problem without a place is still readable") {
    CHECK(Problem{"f", 1, 2, "k", "m"}.text() == "f:1:2: k: m");
    CHECK(Problem{"f", 0, 0, "", "m"}.text() == "f: m");
    CHECK(Problem{"", 0, 0, "", "m"}.text() == "m");
    const LoadResult missing = load("/nonexistent/weir.toml", Environment{});
    CHECK(only_text(missing) ==
          "/nonexistent/weir.toml: cannot be read: No such file or directory");
    CHECK(only_text(load("/", Environment{})) == "/: cannot be read: Is a directory");
}

TEST_SUITE_END();
