#include "pool/application_counts.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using weir::pool::ApplicationCounts;
using weir::pool::BudgetPtr;
using weir::pool::BudgetRegistry;

TEST_SUITE("application_counts") {
    TEST_CASE("application counts: one name is one count") {
        ApplicationCounts counts;
        const BudgetPtr web = counts.find_or_add("web");
        CHECK(web == counts.find_or_add("web"));
        CHECK(web != counts.find_or_add("batch"));
        CHECK(counts.find_or_add("") != web);
        CHECK(web->name() == "web");
    }

    TEST_CASE("application counts: so many names are counted, the others share one count") {
        ApplicationCounts counts;
        std::vector<BudgetPtr> kept;
        for (std::size_t i = 0; i < ApplicationCounts::kNamesMax; ++i) {
            kept.push_back(counts.find_or_add("app" + std::to_string(i)));
        }
        CHECK(counts.find_or_add("one more") == counts.rest());
        CHECK(counts.find_or_add("another") == counts.rest());
        CHECK(counts.find_or_add("app7") == kept[7]);
        CHECK(counts.size() == ApplicationCounts::kNamesMax);
        SUBCASE("until one is not in use any more") {
            kept.erase(kept.begin());
            const BudgetPtr counted = counts.find_or_add("one more");
            CHECK(counted != counts.rest());
            CHECK(counts.find_or_add("another") == counts.rest());
        }
        SUBCASE("which one is that counts something, whoever holds it") {
            CHECK(kept.front()->try_take(1));
            kept.erase(kept.begin());
            CHECK(counts.find_or_add("one more") == counts.rest());
        }
    }

    TEST_CASE("application counts: are found by the pool, and forgotten with it") {
        BudgetRegistry registry;
        auto counts = registry.applications_of("pool:shop");
        CHECK(counts == registry.applications_of("pool:shop"));
        CHECK(counts != registry.applications_of("pool:bank"));
        const BudgetPtr web = counts->find_or_add("web");
        counts.reset();
        CHECK(registry.applications_of("pool:shop")->find_or_add("web") != web);
    }
}
