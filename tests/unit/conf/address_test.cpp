#include "conf/address.hpp"

#include <doctest/doctest.h>

#include <string>

using weir::conf::Address;
using weir::conf::parse_address;

namespace {

const std::string kForms =
    R"(; accepted: "host:port", "[::1]:port", "unix:/folder", "unix:@abstract")";

std::string problem_of(std::string_view text) {
    return parse_address(text, 6432).problem;
}

}  // namespace

TEST_SUITE_BEGIN("address");

TEST_CASE("address: hosts and ports are told apart") {
    CHECK(parse_address("127.0.0.1:6432", 1).value ==
          Address{Address::Kind::Tcp, "127.0.0.1", 6432, ""});
    CHECK(parse_address("[::1]:6432", 1).value == Address{Address::Kind::Tcp, "::1", 6432, ""});
    CHECK(parse_address("db-1.internal:5432", 1).value ==
          Address{Address::Kind::Tcp, "db-1.internal", 5432, ""});
    CHECK(parse_address("*:6432", 1).value->host == "*");
    CHECK(parse_address("0.0.0.0:6432", 1).value->host == "0.0.0.0");
}

TEST_CASE("address: a unix socket is given by folder, file or abstract name") {
    CHECK(parse_address("unix:/run/weir", 6432).value ==
          Address{Address::Kind::Unix, "", 6432, "/run/weir/.s.PGSQL.6432"});
    CHECK(parse_address("unix:/run/weir/", 6432).value->path == "/run/weir/.s.PGSQL.6432");
    CHECK(parse_address("unix:/run/weir:7000", 6432).value ==
          Address{Address::Kind::Unix, "", 7000, "/run/weir/.s.PGSQL.7000"});
    CHECK(parse_address("unix:/run/.s.PGSQL.5433", 6432).value ==
          Address{Address::Kind::Unix, "", 5433, "/run/.s.PGSQL.5433"});
    CHECK(parse_address("unix:@weir", 6432).value ==
          Address{Address::Kind::Unix, "", 6432, "@weir"});
    CHECK(parse_address("unix:/", 6432).problem == "names no unix socket" + kForms);
}

TEST_CASE("address: what it is written as is read back") {
    for (const char* text :
         {"127.0.0.1:1", "[fe80::1]:65535", "unix:/a/.s.PGSQL.6432", "unix:@x"}) {
        CHECK(parse_address(text, 6432).value->text() == text);
    }
}

TEST_CASE("address: what is wrong is said with what is accepted") {
    CHECK(problem_of("localhost") == "has no port" + kForms);
    CHECK(problem_of("[::1]") == "has no port" + kForms);
    CHECK(problem_of("") == "has no port" + kForms);
    CHECK(problem_of("localhost:0") == "has no port from 1 to 65535 after its last colon" + kForms);
    CHECK(problem_of("localhost:65536") ==
          "has no port from 1 to 65535 after its last colon" + kForms);
    CHECK(problem_of("localhost:+1") ==
          "has no port from 1 to 65535 after its last colon" + kForms);
    CHECK(problem_of("::1:6432") == "is an IPv6 address without brackets" + kForms);
    CHECK(problem_of("[localhost]:6432") == "has no IPv6 address in its brackets" + kForms);
    CHECK(problem_of(":6432") == "has no host" + kForms);
    CHECK(problem_of("a b:6432") == "has a host with characters no host name has" + kForms);
    CHECK(problem_of("unix:relative") == "names no unix socket" + kForms);
    CHECK(problem_of("unix:/run:x") == "has no port from 1 to 65535 after its last colon" + kForms);
    CHECK(problem_of("unix:/run/.s.PGSQL.x") ==
          "has no port from 1 to 65535 after .s.PGSQL." + kForms);
    CHECK(problem_of("unix:/" + std::string(200, 'a')) ==
          "is longer than the 107 bytes a unix socket's path may have" + kForms);
}

TEST_SUITE_END();
