#include "conf/database_url.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using weir::conf::parse_database_url;

namespace {

std::string problem_of(std::string_view url) {
    return parse_database_url(url).problem;
}

const std::string kForm = "; accepted: postgres://user:password@host:port/database";

}  // namespace

TEST_SUITE_BEGIN("database url");

TEST_CASE("database url: every part is found and decoded") {
    const auto url = parse_database_url(
                         "postgres://a%40b:p%2Fw%25@db.internal:5433/"
                         "sh%20op?connect_timeout=3&application_name=x")
                         .value;
    REQUIRE(url);
    CHECK(url->user == "a@b");
    CHECK(url->password == "p/w%");
    CHECK(url->host == "db.internal");
    CHECK(url->port == "5433");
    CHECK(url->dbname == "sh op");
    CHECK(url->connect_timeout == 3s);
    CHECK(url->application_name == "x");
}

TEST_CASE("database url: parts may be missing") {
    const auto bare = parse_database_url("postgresql://").value;
    REQUIRE(bare);
    CHECK(bare->host.empty());
    CHECK(bare->dbname.empty());
    CHECK(parse_database_url("postgresql:///shop").value->dbname == "shop");
    CHECK(parse_database_url("postgresql://host").value->host == "host");
    CHECK(parse_database_url("postgresql://u@host/").value->user == "u");
    CHECK(parse_database_url("postgresql://u:@host/").value->password.empty());
    CHECK(parse_database_url("postgresql://u:p@w@host/").value->password == "p@w");
}

TEST_CASE("database url: IPv6 addresses, folders and parameters name hosts too") {
    const auto v6 = parse_database_url("postgres://[::1]:5433/shop").value;
    REQUIRE(v6);
    CHECK(v6->host == "::1");
    CHECK(v6->port == "5433");
    CHECK(parse_database_url("postgres://[::1]/shop").value->port.empty());
    CHECK(parse_database_url("postgres://%2Frun%2Fpg/shop").value->host == "/run/pg");
    const auto by_parameter =
        parse_database_url("postgres:///?host=/run/pg&port=1&user=u&password=p%26&dbname=d").value;
    REQUIRE(by_parameter);
    CHECK(by_parameter->host == "/run/pg");
    CHECK(by_parameter->port == "1");
    CHECK(by_parameter->user == "u");
    CHECK(by_parameter->password == "p&");
    CHECK(by_parameter->dbname == "d");
}

TEST_CASE("database url: TLS as libpq's parameters say it") {
    const auto url = parse_database_url(
        "postgres://h/d?sslmode=verify-full&sslrootcert=/a%20b&sslcert=c&sslkey=k&"
        "ssl_min_protocol_version=TLSv1.3");
    REQUIRE(url.value);
    CHECK(url.value->tls.mode == weir::conf::TlsMode::VerifyFull);
    CHECK(url.value->tls.ca_file == "/a b");
    CHECK(url.value->tls.cert_file == "c");
    CHECK(url.value->tls.key_file == "k");
    CHECK(url.value->tls.min_version == weir::conf::TlsVersion::V13);
    CHECK(parse_database_url("postgres://h/d").value->tls == weir::conf::TlsOverrides{});
    CHECK(problem_of("postgres://h/d?sslmode=nonsense") ==
          "has an unknown sslmode; accepted: disable, allow, prefer, require, verify-ca, "
          "verify-full");
    CHECK(problem_of("postgres://h/d?ssl_min_protocol_version=TLSv1") ==
          "has an unknown ssl_min_protocol_version; accepted: TLSv1.2, TLSv1.3");
}

TEST_CASE("database url: parameters that mean nothing here are listed") {
    CHECK(parse_database_url("postgres://h/d?schema=public&pgbouncer=true").value->ignored ==
          std::vector<std::string>{"schema", "pgbouncer"});
}

TEST_CASE("database url: several hosts stand between commas, each with its port") {
    const auto parsed = parse_database_url("postgres://u:p@a,b:5433,[::1]:5434/d");
    REQUIRE(parsed.value);
    CHECK(parsed.value->host == "a");
    CHECK(parsed.value->port.empty());
    REQUIRE(parsed.value->next_hosts.size() == 2);
    CHECK(parsed.value->next_hosts[0].host == "b");
    CHECK(parsed.value->next_hosts[0].port == "5433");
    CHECK(parsed.value->next_hosts[1].host == "::1");
    CHECK(parsed.value->next_hosts[1].port == "5434");
}

TEST_CASE("database url: mistakes are named without showing the url") {
    CHECK(problem_of("mysql://u:hidden@h/d") ==
          "does not begin with postgres:// or postgresql://" + kForm);
    CHECK(problem_of("h") == "does not begin with postgres:// or postgresql://" + kForm);
    CHECK(problem_of("postgres://u:hid%zen@h/d") ==
          "has a bad percent sign in its user or password (a literal % is written %25)" + kForm);
    CHECK(problem_of("postgres://u%00@h/d") ==
          "has a bad percent sign in its user or password (a literal % is written %25)" + kForm);
    CHECK(problem_of("postgres://%4/d") == "has a bad percent sign in its host" + kForm);
    CHECK(problem_of("postgres://h/d%") == "has a bad percent sign in its database" + kForm);
    CHECK(problem_of("postgres://a,%4/d") == "has a bad percent sign in its host" + kForm);
    CHECK(problem_of("postgres://[::1/d") == "has an IPv6 address without its ]" + kForm);
    CHECK(problem_of("postgres://[::1]x/d") ==
          "has something other than a port after its IPv6 address" + kForm);
    CHECK(problem_of("postgres://h/d?connect_timeout=soon") ==
          "has a connect_timeout that is no number of seconds; accepted: 0 to 86400");
    CHECK(problem_of("postgres://h/d?x=%zz") ==
          "has a bad percent sign in a parameter; accepted: %XX with two hexadecimal digits");
}

TEST_SUITE_END();
