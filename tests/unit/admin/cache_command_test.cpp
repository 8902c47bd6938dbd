#include "admin/cache_command.hpp"

#include "admin/orders.hpp"

#include <doctest/doctest.h>

#include <sstream>

namespace weir::admin {

namespace {

conf::Config sample_config() {
    conf::Config config;
    config.listen.addresses.push_back(
        {.kind = Endpoint::Kind::Tcp, .host = "127.0.0.1", .port = 6432, .path = ""});
    config.admin.database = "weir";
    config.admin.admins = {"root", "other"};
    for (const auto& [name, secret] : {std::pair{"root", "hush"},
                                       std::pair{"hashed", "md5abc"},
                                       std::pair{"salted", "SCRAM-SHA-256$4096:x"}}) {
        conf::UserSettings& user = config.users[name];
        user.name = name;
        user.secret = secret;
        user.has_secret = true;
    }
    return config;
}

/// @return the order that the admin database reads in what the command sends
control::Order sent(const CacheChoice& choice) {
    const auto statements = split_statements(clear_cache_sql(choice));
    REQUIRE(statements.has_value());
    REQUIRE(statements->size() == 1);
    const auto outcome = read_order(statements->front(), Role::Admin);
    REQUIRE(outcome.has_value());
    REQUIRE(std::holds_alternative<control::Order>(*outcome));
    return std::get<control::Order>(*outcome);
}

}  // namespace

TEST_SUITE("cache command") {
    TEST_CASE("cache command: whoever asks logs in as the configuration says") {
        const conf::Config config = sample_config();
        const AdminLogin login = admin_login_of(config, "");
        CHECK(login.host == "127.0.0.1");
        CHECK(login.port == "6432");
        CHECK(login.database == "weir");
        CHECK(login.user == "root");
        CHECK(login.password == "hush");
        CHECK(admin_login_of(config, "other").user == "other");
        for (const char* user : {"other", "hashed", "salted"}) {
            CHECK(admin_login_of(config, user).password.empty());
        }
    }

    TEST_CASE("cache command: a listener on all addresses is reached by the nearest one") {
        conf::Config config = sample_config();
        const auto host_of = [&config](const char* host) {
            config.listen.addresses.front().host = host;
            return admin_login_of(config, "").host;
        };
        CHECK(host_of("*") == "127.0.0.1");
        CHECK(host_of("0.0.0.0") == "127.0.0.1");
        CHECK(host_of("::") == "::1");
        CHECK(host_of("10.0.0.1") == "10.0.0.1");
        config.listen.addresses.front() = {.kind = Endpoint::Kind::Unix,
                                           .host = "",
                                           .port = 6433,
                                           .path = "/run/weir/.s.PGSQL.6433"};
        CHECK(admin_login_of(config, "").host == "/run/weir");
        CHECK(admin_login_of(config, "").port == "6433");
    }

    TEST_CASE("cache command: what is to be dropped arrives as it was given") {
        CHECK(sent({}).table.empty());
        CHECK(sent({.table = "public.orders", .pattern = ""}).table == "public.orders");
        CHECK(sent({.table = "a; SHUTDOWN", .pattern = ""}).table == "a; SHUTDOWN");
        CHECK(sent({.table = "it's", .pattern = ""}).table == "it's");
        CHECK(sent({.table = "", .pattern = "select 'x'*"}).pattern == "select 'x'*");
        CHECK(sent({.table = "", .pattern = "a';CLEAR CACHE;'"}).pattern == "a';CLEAR CACHE;'");
    }

    TEST_CASE("cache command: nobody to ask as, nobody there") {
        conf::Config config = sample_config();
        config.admin.admins.clear();
        std::ostringstream out;
        std::ostringstream problems;
        const auto command = [&](const std::string& user) {
            return CacheCommand{.config = config, .user = user, .out = out, .problems = problems};
        };
        CHECK(print_cache(command(""), CacheForm::Text) == 2);
        CHECK(problems.str() == "weir: admin.admins names nobody; --user says who asks\n");
        config.listen.addresses.front().port = 1;
        CHECK(clear_cache(command("root"), {}) == 2);
        CHECK(problems.str().find("port 1 failed") != std::string::npos);
        CHECK(out.str().empty());
    }
}

}  // namespace weir::admin
