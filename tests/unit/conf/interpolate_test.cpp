#include "conf/interpolate.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using weir::conf::Environment;

const Environment kEnvironment{{{"NAME", "app"}, {"EMPTY", ""}, {"NESTED", "${NAME}"}}};

std::string replaced(std::string_view text) {
    std::set<std::string> used;
    return weir::conf::interpolate(text, kEnvironment, used).value.value_or("(problem)");
}

std::string problem_of(std::string_view text) {
    std::set<std::string> used;
    return weir::conf::interpolate(text, kEnvironment, used).problem;
}

}  // namespace

TEST_SUITE_BEGIN("interpolate");

TEST_CASE("interpolate: variables are replaced wherever they stand") {
    CHECK(replaced("${NAME}") == "app");
    CHECK(replaced("a-${NAME}-${NAME}-b") == "a-app-app-b");
    CHECK(replaced("no variable, $NAME, {NAME}, 5$") == "no variable, $NAME, {NAME}, 5$");
    CHECK(replaced("").empty());
}

TEST_CASE("interpolate: a default stands in for a variable that is not set or empty") {
    CHECK(replaced("${MISSING:-x:-y}") == "x:-y");
    CHECK(replaced("${MISSING:-}").empty());
    CHECK(replaced("${EMPTY:-x}") == "x");
    CHECK(replaced("${NAME:-x}") == "app");
}

TEST_CASE("interpolate: what is put in is not looked at again") {
    CHECK(replaced("${NESTED}") == "${NAME}");
    CHECK(replaced("$${NAME}") == "${NAME}");
    CHECK(replaced("a$${${NAME}") == "a${app");
}

TEST_CASE("interpolate: mistakes are named") {
    const std::string forms = "; accepted: ${NAME} or ${NAME:-default}, and $${ for a literal ${";
    CHECK(problem_of("${MISSING}") ==
          "the environment variable MISSING is not set; set it or write ${MISSING:-default}");
    CHECK(problem_of("${EMPTY}") ==
          "the environment variable EMPTY is not set; set it or write ${EMPTY:-default}");
    CHECK(problem_of("${NAME") == "${ without its }" + forms);
    CHECK(problem_of("${}") == "${ is not followed by the name of an environment variable" + forms);
    CHECK(problem_of("${1A}") ==
          "${ is not followed by the name of an environment variable" + forms);
    CHECK(problem_of("p${a b}") ==
          "${ is not followed by the name of an environment variable" + forms);
}

TEST_CASE("interpolate: the names asked for are remembered") {
    std::set<std::string> used;
    CHECK(weir::conf::interpolate("${NAME} ${OTHER:-x}", kEnvironment, used).value.has_value());
    CHECK(used == std::set<std::string>{"NAME", "OTHER"});
}

TEST_SUITE_END();
