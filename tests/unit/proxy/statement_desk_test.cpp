#include "proxy/statement_desk.hpp"

#include "ledger/recorder.hpp"
#include "proxy/request_judge.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

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

    TEST_CASE(
        "statement desk: what changes what there is is a deed, unless it ends with its session") {
        constexpr std::pair<const char*, bool> kStatements[] = {
            {"CREATE TABLE temp (id int)", true},
            {"create or replace view v as select 1", true},
            {"CREATE GLOBAL TABLE t (id int)", true},
            {"CREATE", true},
            {"DROP TABLE t", true},
            {"ALTER ROLE r SUPERUSER", true},
            {"GRANT ALL ON t TO r", true},
            {"TRUNCATE t", true},
            {"SELECT 1; DROP TABLE t", true},
            {"CREATE TEMP TABLE t (id int)", false},
            {"CREATE LOCAL TEMPORARY TABLE t (id int)", false},
            {"CREATE OR REPLACE TEMP VIEW v AS SELECT 1", false},
            {"CREATE TEMP", false},
            {"CREATE TEMP TABLE t (id int); DROP TABLE other", true},
            {"CREATE TEMP TABLE t (id int); CREATE TEMP TABLE u (id int)", false},
            {"CREATE; SELECT 1", true},
            {"SELECT create_it()", false},
            {"SELECT 1 AS drop", false},
        };
        Desk scene;
        std::uint64_t number = 100;
        for (const auto& each : kStatements) {
            const char* text = each.first;
            CAPTURE(text);
            CHECK(scene.find(scene.one, ++number, text)->is_deed == each.second);
        }
    }

    TEST_CASE("statement desk: statements are followed where results may be reused") {
        Desk scene;
        scene.config.policy.log_statements = weir::conf::LogStatements::None;
        scene.config.policy.hints = weir::conf::Hints::Route;
        const auto settle = [&scene] {
            scene.desk.renew(scene.config);
            return scene.one.may_cache;
        };
        CHECK_FALSE(settle());
        CHECK_FALSE(scene.one.is_followed);
        scene.config.cache.default_ttl = std::chrono::seconds{1};
        CHECK_FALSE(settle());
        scene.config.cache.enabled = true;
        CHECK(settle());
        CHECK(scene.one.is_followed);
        scene.config.cache.default_ttl = {};
        CHECK_FALSE(settle());
        scene.config.policy.hints = weir::conf::Hints::Tighten;
        CHECK(settle());
        scene.config.policy.hints = weir::conf::Hints::Off;
        CHECK_FALSE(settle());
        scene.config.rules.emplace_back().set.cache_ttl = std::chrono::seconds{1};
        CHECK(settle());
    }

    TEST_CASE("statement desk: a digest gets its tables when they are known") {
        constexpr std::uint64_t kDigest = 5;
        const std::string text = "SELECT 1 FROM orders, x.items";
        std::atomic<double> rate{0};
        weir::ledger::Recorder recorder{rate, 1};
        const Config config;
        StatementDesk desk{&recorder};
        desk.renew(config);
        StatementContext& one = desk.hold({"shop", "app", "web"});
        StatementContext& other = desk.hold({"shop", "app", "batch"});
        const KnownStatementPtr known = desk.find(one, {text, kDigest, nullptr});
        const KnownStatementPtr of_other = desk.find(other, {text, kDigest, nullptr});
        CHECK(known->digest->tables == "");
        const weir::ledger::DigestPtr before = known->digest;
        const weir::ledger::Sums* const sums = &desk.sums_of(*known);
        CHECK(sums->digest == before);

        weir::proxy::RequestJudge judge{std::make_shared<weir::pool::SharedDatabase>()};
        CHECK(desk.find(one, {text, kDigest, &judge}) == known);
        CHECK(known->digest->tables == "orders, x.items");
        CHECK(known->digest->hash == before->hash);
        CHECK(known->digest->text == before->text);
        CHECK(desk.sums_of(*known).digest == known->digest);
        // Once: then it stays.
        const weir::ledger::DigestPtr after = known->digest;
        static_cast<void>(desk.find(one, {text, kDigest, &judge}));
        static_cast<void>(desk.find(one, {text, kDigest, nullptr}));
        CHECK(known->digest == after);
        CHECK(desk.find(other, {text, kDigest, &judge})->digest == after);
        // One that names no tables is made once, too.
        const KnownStatementPtr plain = desk.find(one, {"SELECT 1", 6, nullptr});
        const weir::ledger::DigestPtr kept = plain->digest;
        CHECK(desk.find(one, {"SELECT 1", 6, &judge})->digest == kept);
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
