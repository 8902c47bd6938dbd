#include "proxy/said_by.hpp"

#include "protocol/frontend_views.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir::proxy {

namespace {

using namespace std::string_literals;

policies::Plan explaining() {
    policies::Plan plan;
    plan.explain_slow = true;
    return plan;
}

}  // namespace

TEST_CASE("what it takes to ask once more is kept only where somebody will ask") {
    CHECK(request_of("SELECT 1", policies::Plan{}) == nullptr);
    CHECK(request_of(as_bytes("SELECT 1\0\0\0"s), policies::Plan{}) == nullptr);
    CHECK(with_bind(nullptr, as_bytes("\0\0\0\0\0\0\0\0"s)) == nullptr);
}

TEST_CASE("a simple query is kept as a Parse without a name") {
    const auto request = request_of("SELECT 1", explaining());
    REQUIRE(request != nullptr);
    CHECK_FALSE(request->wants_bind);
    CHECK(request->bind.empty());
    const auto parse = protocol::read_parse(request->parse);
    REQUIRE(parse);
    CHECK(parse->name.empty());
    CHECK(parse->sql == "SELECT 1");
    CHECK(parse->parameter_types.empty());
}

TEST_CASE("a prepared statement is kept with its types, and can be asked about once it is bound") {
    const auto request = request_of(as_bytes("SELECT $1\0\0\1\0\0\0\x17"s), explaining());
    REQUIRE(request != nullptr);
    CHECK(request->wants_bind);
    const std::string body = "p\0s\0\0\0\0\1\0\0\0\0015\0\0"s;
    const auto bound = with_bind(request, as_bytes(body));
    REQUIRE(bound != nullptr);
    CHECK_FALSE(bound->wants_bind);
    const auto parse = protocol::read_parse(bound->parse);
    REQUIRE(parse);
    CHECK(parse->sql == "SELECT $1");
    REQUIRE(parse->parameter_types.size() == 1);
    CHECK(parse->parameter_types[0] == 23);
    const auto bind = protocol::read_bind(bound->bind);
    REQUIRE(bind);
    CHECK(as_text(*bind->parameters[0]) == "5");
    CHECK(with_bind(request, {}) == nullptr);
}

TEST_CASE("what is too long is not kept") {
    constexpr std::size_t kMax = pool::StatementRequest::kBytesMax;
    CHECK(request_of(std::string(kMax, 'x'), explaining()) != nullptr);
    CHECK(request_of(std::string(kMax + 1, 'x'), explaining()) == nullptr);
    const std::string definition = "SELECT $1\0\0\0"s;
    const auto request = request_of(as_bytes(definition), explaining());
    CHECK(request_of(as_bytes(std::string(kMax + 1, 'x')), explaining()) == nullptr);
    const std::size_t left = kMax - request->parse.size();
    CHECK(with_bind(request, as_bytes(std::string(left, 'b'))) != nullptr);
    CHECK(with_bind(request, as_bytes(std::string(left + 1, 'b'))) == nullptr);
}

}  // namespace weir::proxy
