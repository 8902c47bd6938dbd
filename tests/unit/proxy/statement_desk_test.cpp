#include "proxy/statement_desk.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

using weir::conf::Config;
using weir::proxy::KnownStatementPtr;
using weir::proxy::StatementContext;
using weir::proxy::StatementDesk;

namespace {

/// @return a statement of about 4 KiB that is like no other one
std::string long_statement(std::uint64_t number) {
    return "SELECT a" + std::to_string(number) + " FROM " + std::string(4000, 't');
}

struct Desk {
    [[nodiscard]] KnownStatementPtr find(const StatementContext& context,
                                         std::uint64_t number,
                                         const std::string& text) {
        return desk.find(context, {text, number * 0x9E3779B97F4A7C15U, nullptr});
    }

    [[nodiscard]] StatementContext& enter(const std::string& application) {
        desk.renew(config);
        return desk.hold({"shop", "app", application});
    }

    Config config;
    StatementDesk desk{nullptr};
    StatementContext& one = enter("web");
    StatementContext& other = enter("batch");
};

}  // namespace

TEST_SUITE("statement desk") {
    TEST_CASE("statement desk: applications share what a statement is, not what holds for it") {
        Desk scene;
        const KnownStatementPtr first = scene.find(scene.one, 1, "SELECT 1 FROM orders");
        const KnownStatementPtr second = scene.find(scene.other, 1, "SELECT 2 FROM orders");
        CHECK(first != second);
        CHECK(first->digest == second->digest);
        CHECK(first->digest->text == "select ? from orders");
        CHECK(first->labels->application == "web");
        CHECK(second->labels->application == "batch");
        CHECK(scene.find(scene.one, 1, "SELECT 3 FROM orders") == first);
    }

    TEST_CASE("statement desk: what it remembers has a bound in bytes") {
        Desk scene;
        const KnownStatementPtr running = scene.find(scene.one, 0, long_statement(0));
        std::size_t most = 0;
        bool has_forgotten = false;
        for (std::uint64_t i = 1; i < 10'000; ++i) {
            const std::size_t before = scene.desk.bytes();
            const std::string text = long_statement(i);
            CHECK(scene.find(scene.one, i, text)->digest->text.size() <= 4096);
            static_cast<void>(scene.find(scene.other, i, text));
            most = std::max(most, scene.desk.bytes());
            has_forgotten = has_forgotten || scene.desk.bytes() < before;
        }
        CHECK(has_forgotten);
        CHECK(most >= StatementDesk::kBytesMax / 2);
        CHECK(most <= StatementDesk::kBytesMax + 16'384);
        CHECK(running->digest->text.starts_with("select a0 from tt"));
    }

    TEST_CASE("statement desk: what it remembers has a bound in number") {
        Desk scene;
        std::size_t most = 0;
        for (std::uint64_t i = 0; i < 2 * StatementDesk::kKnownMax; ++i) {
            static_cast<void>(scene.find(scene.one, i, "SELECT 1"));
            most = std::max(most, scene.desk.size());
        }
        CHECK(most <= StatementDesk::kKnownMax);
        CHECK(most >= StatementDesk::kKnownMax / 2);
        CHECK(scene.desk.bytes() <= StatementDesk::kBytesMax);
    }
}
