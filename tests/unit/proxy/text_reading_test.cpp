#include "proxy/client_extras.hpp"

#include <doctest/doctest.h>

#include <string_view>

namespace weir::proxy {

namespace {

constexpr std::string_view kPlain = "SELECT 'a', \"b\" FROM t -- c";
constexpr std::string_view kEither = R"(SELECT '\'', now() --')";

TEST_CASE("text reading: as the server has told, a text means what it seems to or it does not") {
    const TextReading standard{.is_plain = true, .is_known = true};
    CHECK(standard.is_certain_of(kPlain));
    CHECK(standard.is_certain_of(kEither));
    const TextReading other{.is_plain = false, .is_known = true};
    CHECK_FALSE(other.is_certain_of(kPlain));
    CHECK_FALSE(other.is_certain_of(kEither));
}

TEST_CASE("text reading: before the server has told, a backslash leaves it open") {
    const TextReading unknown{.is_plain = true, .is_known = false};
    CHECK(unknown.is_certain_of(kPlain));
    CHECK_FALSE(unknown.is_certain_of(kEither));
    CHECK_FALSE(unknown.is_certain_of("\\"));
    CHECK(unknown.is_certain_of(""));
}

}  // namespace
}  // namespace weir::proxy
