#include "proxy/cache_counts.hpp"

#include "policies/plan.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace weir::proxy;  // NOLINT(google-build-using-namespace)
using weir::conf::Config;
using weir::conf::ConfigPtr;
using weir::conf::RuleSettings;
using weir::policies::kCacheByDefault;
using weir::policies::kCacheByHint;
using weir::status::CacheRule;
namespace status = weir::status;
using std::chrono::milliseconds;

namespace {

RuleSettings rule_of(const std::string& table, milliseconds cache_ttl) {
    RuleSettings rule;
    rule.match.table = table;
    rule.set.cache_ttl = cache_ttl;
    return rule;
}

ConfigPtr config_of(std::vector<RuleSettings> rules, milliseconds default_ttl = {}) {
    auto config = std::make_shared<Config>();
    config->cache.enabled = true;
    config->cache.default_ttl = default_ttl;
    config->rules = std::move(rules);
    return config;
}

status::Cache sums_of(std::initializer_list<const CacheCounts*> workers) {
    status::Cache cache;
    for (const CacheCounts* worker : workers) {
        worker->add_to(cache);
    }
    return cache;
}

const RuleSettings kPrices = rule_of("prices", milliseconds{5000});
const RuleSettings kMoney = rule_of("money", milliseconds{0});

}  // namespace

TEST_CASE("cache counts: a read counts for who has said that it may be reused") {
    CacheCounts counts;
    counts.renew(config_of({kPrices, kMoney}, milliseconds{1000}));
    counts.count(ReadOutcome::Miss, 0);
    counts.count(ReadOutcome::Hit, 0, 40);
    counts.count(ReadOutcome::Stale, 0, 40);
    counts.count(ReadOutcome::Coalesced, 0, 40);
    counts.count(ReadOutcome::Miss, kCacheByDefault);
    counts.count(ReadOutcome::Hit, kCacheByHint, 7);
    counts.count_bypass();
    const status::Cache cache = sums_of({&counts});
    CHECK(cache.hits == 2);
    CHECK(cache.stale == 1);
    CHECK(cache.coalesced == 1);
    CHECK(cache.misses == 2);
    CHECK(cache.bypassed == 1);
    CHECK(cache.saved_us == 127);
    CHECK(cache.rules ==
          std::vector<CacheRule>{
              {.source = "default_ttl", .misses = 1, .is_in_force = true},
              {.source = "rule 1", .hits = 3, .misses = 1, .saved_us = 120, .is_in_force = true},
              {.source = "rule 2"},
              {.source = "hint", .hits = 1, .saved_us = 7}});
}

TEST_CASE("cache counts: workers add up") {
    const ConfigPtr config = config_of({kPrices});
    CacheCounts one;
    CacheCounts other;
    one.renew(config);
    other.renew(config);
    one.count(ReadOutcome::Miss, 0);
    other.count(ReadOutcome::Hit, 0, 9);
    const status::Cache cache = sums_of({&one, &other});
    REQUIRE(cache.rules.size() == 3);
    CHECK(
        cache.rules[1] ==
        CacheRule{.source = "rule 1", .hits = 1, .misses = 1, .saved_us = 9, .is_in_force = true});
    CHECK(cache.answered() + cache.misses == 2);
}

TEST_CASE("cache counts: other rules begin anew, and what was counted stays in the whole") {
    CacheCounts counts;
    counts.renew(config_of({kPrices}));
    counts.count(ReadOutcome::Hit, 0, 9);
    SUBCASE("the same ones go on") {
        counts.renew(config_of({kPrices}, milliseconds{1000}));
        CHECK(sums_of({&counts}).rules.at(1).hits == 1);
    }
    SUBCASE("in another order") {
        counts.renew(config_of({kMoney, kPrices}));
        counts.count(ReadOutcome::Hit, 1, 1);
        const status::Cache cache = sums_of({&counts});
        REQUIRE(cache.rules.size() == 4);
        CHECK(cache.rules[1].hits == 0);
        CHECK(cache.rules[2].hits == 1);
        CHECK(cache.hits == 2);
        CHECK(cache.saved_us == 10);
    }
    SUBCASE("fewer") {
        counts.renew(config_of({}));
        counts.count(ReadOutcome::Miss, kCacheByHint);
        CHECK(sums_of({&counts}).rules.size() == 2);
        CHECK(sums_of({&counts}).hits == 1);
    }
}

TEST_CASE("cache counts: numbers of other rules are not mixed while workers hear of a reload") {
    const ConfigPtr before = config_of({kPrices});
    const ConfigPtr after = config_of({kMoney, kPrices});
    CacheCounts told;
    CacheCounts untold;
    told.renew(before);
    untold.renew(before);
    untold.count(ReadOutcome::Hit, 0, 5);
    told.renew(after);
    told.count(ReadOutcome::Hit, 1, 3);
    for (const status::Cache& cache : {sums_of({&told, &untold}), sums_of({&untold, &told})}) {
        REQUIRE(cache.rules.size() == 4);
        CHECK(cache.rules[1].hits == 0);
        CHECK(cache.rules[2].hits == 1);
        CHECK(cache.hits == 2);
        CHECK(cache.saved_us == 8);
    }
}
