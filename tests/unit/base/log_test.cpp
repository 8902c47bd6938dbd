#include "base/log.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace weir::log {
namespace {

TEST_SUITE("log") {
    TEST_CASE("text line: level, event, then key=value") {
        CHECK(render(Format::Text, Level::Info, "pool_created", {}) == "info pool_created");
        CHECK(render(Format::Text,
                     Level::Warn,
                     "pool_exhausted",
                     {{"client", 4182}, {"pool", "shop/app"}, {"share", 0.5}}) ==
              "warn pool_exhausted client=4182 pool=shop/app share=0.5");
        CHECK(render(Format::Text,
                     Level::Error,
                     "x",
                     {{"min", std::numeric_limits<std::int64_t>::min()}}) ==
              "error x min=-9223372036854775808");
    }

    TEST_CASE("text line: values that would read as something else are quoted") {
        CHECK(render(Format::Text,
                     Level::Info,
                     "x",
                     {{"a", ""}, {"b", "two words"}, {"c", "k=v"}, {"d", "say \"hi\""}}) ==
              R"(info x a="" b="two words" c="k=v" d="say \"hi\"")");
    }

    TEST_CASE("text line: a value cannot begin a line of its own") {
        const std::string line = render(
            Format::Text, Level::Info, "login", {{"user", "eve\ninfo login user=root\x1b[2J"}});
        CHECK(line.find('\n') == std::string::npos);
        CHECK(line.find('\x1b') == std::string::npos);
    }

    TEST_CASE("json line: one object, numbers bare, text escaped") {
        CHECK(render(Format::Json, Level::Info, "x", {{"n", -3}, {"text", "a\"b\\c"}}) ==
              R"({"level":"info","event":"x","n":-3,"text":"a\"b\\c"})");
        const std::string line = render(Format::Json, Level::Info, "x", {{"text", "\n\t\x01"}});
        for (const char c : line) {
            CHECK(static_cast<unsigned char>(c) >= 0x20);
        }
    }

    TEST_CASE("levels: each has its word") {
        CHECK(level_name(Level::Trace) == "trace");
        CHECK(level_name(Level::Debug) == "debug");
        CHECK(level_name(Level::Info) == "info");
        CHECK(level_name(Level::Warn) == "warn");
        CHECK(level_name(Level::Error) == "error");
    }

    TEST_CASE("rate limit: the first line passes, the next ones are held back") {
        RateLimit limit;
        CHECK(limit.admit() == 0);
        CHECK(limit.admit() == -1);
        CHECK(limit.admit() == -1);
    }

    TEST_CASE("allowance: so many lines pass, the next ones are held back") {
        Allowance allowance{3};
        int passed = 0;
        for (int i = 0; i < 100; ++i) {
            passed += allowance.admit() >= 0 ? 1 : 0;
        }
        CHECK(passed >= 3);
        CHECK(passed <= 6);  // a second may have ended in between
    }
}

}  // namespace
}  // namespace weir::log
