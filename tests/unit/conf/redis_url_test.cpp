#include "conf/redis_url.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace weir::conf {
namespace {

std::string problem_of(std::string_view url) {
    return parse_redis_url(url).problem;
}

TEST_SUITE("redis_url") {
    TEST_CASE("redis url: host, port, credentials and database") {
        struct Row {
            std::string_view url;
            std::string_view endpoint;
            std::string_view user;
            std::string_view password;
            std::uint32_t database;
        };

        const std::string longest = "/" + std::string(106, 's');
        const std::string longest_url = "unix://" + longest;
        const std::string longest_text = "unix:" + longest;
        const Row rows[] = {
            {"redis://host", "host:6379", "", "", 0},
            {"redis://host/", "host:6379", "", "", 0},
            {"redis://host:1", "host:1", "", "", 0},
            {"redis://host:65535/2147483647", "host:65535", "", "", 2'147'483'647},
            {"redis://user:password@host:6379/0", "host:6379", "user", "password", 0},
            {"redis://:password@host/3", "host:6379", "", "password", 3},
            {"redis://:@host", "host:6379", "", "", 0},
            {"redis://a%40b:%3A%2f%25@10.0.0.1:7/1", "10.0.0.1:7", "a@b", ":/%", 1},
            {"redis://u:p@ss@host", "host:6379", "u", "p@ss", 0},
            {"redis://u:p:q@host", "host:6379", "u", "p:q", 0},
            {"redis://[::1]", "[::1]:6379", "", "", 0},
            {"redis://[fe80::1]:7000/2", "[fe80::1]:7000", "", "", 2},
            {"redis://host?db=4", "host:6379", "", "", 4},
            {"unix:///run/redis.sock", "unix:/run/redis.sock", "", "", 0},
            {"unix:///run/redis.sock?db=5", "unix:/run/redis.sock", "", "", 5},
            {"redis+unix://u:p@/run/a%20b?db=1", "unix:/run/a b", "u", "p", 1},
            {longest_url, longest_text, "", "", 0},
        };
        for (const Row& row : rows) {
            CAPTURE(row.url);
            const auto parsed = parse_redis_url(row.url);
            REQUIRE_MESSAGE(parsed.value.has_value(), parsed.problem);
            CHECK(parsed.value->endpoint.text() == row.endpoint);
            CHECK(parsed.value->user == row.user);
            CHECK(parsed.value->password == row.password);
            CHECK(parsed.value->database == row.database);
        }
    }

    TEST_CASE("redis url: says what is wrong, what would be right, and nothing of the URL") {
        struct Row {
            std::string_view url;
            std::string_view says;
        };

        const std::string too_long = "unix:///" + std::string(107, 's');
        const Row rows[] = {
            {"", "does not begin with"},
            {"sEcret", "does not begin with"},
            {"http://sEcret@host", "does not begin with"},
            {"rediss://u:sEcret@host", "asks for TLS"},
            {"redis://", "has no host"},
            {"redis://:sEcret@", "has no host"},
            {"redis://:sEcret@:6379", "has no host"},
            {"redis://sEcret@host", "user without a password"},
            {"redis://sEcret:@host", "user without a password"},
            {"redis://u:sEcr%et@host", "bad percent sign"},
            {"redis://u:sEcret%0@host", "bad percent sign"},
            {"redis://u:sEcret%00@host", "bad percent sign"},
            {"redis://u:sEcret%-1@host", "bad percent sign"},
            {"redis://u%4:sEcret@host", "bad percent sign"},
            {"redis://u:sEcret@ho%st", "bad percent sign"},
            {"redis://u:sEc/ret@host", "has a port"},
            {"redis://u:sEc#ret@host", "has a port"},
            {"redis://u:sEcret@host:", "has a port"},
            {"redis://u:sEcret@host:0", "has a port"},
            {"redis://u:sEcret@host:65536", "has a port"},
            {"redis://u:sEcret@host:-1", "has a port"},
            {"redis://u:sEcret@host:1x", "has a port"},
            {"redis://u:sEcret@[::1", "without its ]"},
            {"redis://u:sEcret@[::1]x", "after its IPv6 address"},
            {"redis://u:sEcret@host/x", "names a database"},
            {"redis://u:sEcret@host/-1", "names a database"},
            {"redis://u:sEcret@host/2147483648", "names a database"},
            {"redis://u:sEcret@host/99999999999999999999999", "names a database"},
            {"redis://u:sEcret@host/0/1", "names a database"},
            {"redis://u:sEcret@host/0?db=1", "names its database twice"},
            {"redis://u:sEcret@host?db=", "names a database"},
            {"redis://u:sEcret@host?timeout=1", "a parameter other than db"},
            {"unix://u:sEcret@host/path", "has a host before"},
            {"unix://path", "has a host before"},
            {"unix:///", "has no path"},
            {"unix://", "has no path"},
            {"unix:///a%zz", "bad percent sign"},
            {"unix:///a?db=x", "names a database"},
            {too_long, "too long"},
        };
        for (const Row& row : rows) {
            CAPTURE(row.url);
            const std::string problem = problem_of(row.url);
            CHECK(problem.find(row.says) != std::string::npos);
            CHECK(problem.find("accepted: redis://") != std::string::npos);
            CHECK(problem.find("sEc") == std::string::npos);
            CHECK(problem.find("ret@") == std::string::npos);
        }
    }
}

}  // namespace
}  // namespace weir::conf
