#include "conf/users_file.hpp"

#include <doctest/doctest.h>

using weir::conf::parse_users_file;

namespace {

std::string problem_of(std::string_view text) {
    const auto file = parse_users_file(text, "users.txt");
    return file.problems.size() == 1 ? file.problems.front().text() : "(not one problem)";
}

}  // namespace

TEST_SUITE_BEGIN("users file");

TEST_CASE("users file: names and secrets are read, comments and empty lines are not") {
    const auto file = parse_users_file(
        "; users\n\n\"app\" \"plain\"\r\n  \"we \"\"quote\"\"\"\t\"a;b\"  ; why\n\"none\" \"\" "
        "ignored",
        "users.txt");
    CHECK(file.problems.empty());
    REQUIRE(file.users.size() == 3);
    CHECK(file.users[0].name == "app");
    CHECK(file.users[0].secret == "plain");
    CHECK(file.users[1].name == "we \"quote\"");
    CHECK(file.users[1].secret == "a;b");
    CHECK(file.users[2].secret.empty());
    CHECK(parse_users_file("", "users.txt").users.empty());
}

TEST_CASE("users file: every mistake has its line and column and no secret") {
    CHECK(problem_of("app \"hidden\"") ==
          R"(users.txt:1:1: no quoted name; accepted: "name" "secret")");
    CHECK(problem_of("\n  \"app") == R"(users.txt:2:3: no quoted name; accepted: "name" "secret")");
    CHECK(problem_of("\"\" \"hidden\"") ==
          R"(users.txt:1:3: the name is empty; accepted: "name" "secret")");
    CHECK(
        problem_of("\"app\"") ==
        R"(users.txt:1:6: no secret after the name; accepted: "name" "secret", where "" is no secret)");
    CHECK(
        problem_of("\"app\" hidden") ==
        R"(users.txt:1:7: the secret is not in quotes, or they do not end; accepted: "name" "secret")");
    CHECK(
        problem_of("\"app\" \"hidden") ==
        R"(users.txt:1:7: the secret is not in quotes, or they do not end; accepted: "name" "secret")");
    CHECK(problem_of("\"app\" \"a\"\n\"app\" \"b\"") ==
          R"(users.txt:2:10: user "app" is in this file twice; accepted: one line each)");
}

TEST_CASE("users file: one bad line does not hide the others") {
    const auto file = parse_users_file("bad\n\"app\" \"x\"\nworse", "users.txt");
    CHECK(file.users.size() == 1);
    CHECK(file.problems.size() == 2);
}

TEST_SUITE_END();
