#include "pool/budget.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using weir::pool::Budget;
using weir::pool::BudgetPtr;
using weir::pool::BudgetRegistry;

TEST_SUITE("budget") {
    TEST_CASE("budget: gives as many places as its maximum and takes them back") {
        Budget budget{"pool"};
        CHECK(budget.try_take(2));
        CHECK(budget.try_take(2));
        CHECK_FALSE(budget.try_take(2));
        budget.give_back();
        CHECK(budget.try_take(2));
        CHECK(budget.open() == 2);
    }

    TEST_CASE("budget: has no limit at zero") {
        Budget budget{"pool"};
        for (int i = 0; i < 1000; ++i) {
            CHECK(budget.try_take(0));
        }
        CHECK(budget.open() == 1000);
    }

    TEST_CASE("budget: a maximum that was lowered is not passed again until places came back") {
        Budget budget{"pool"};
        for (int i = 0; i < 5; ++i) {
            static_cast<void>(budget.try_take(5));
        }
        CHECK_FALSE(budget.try_take(3));
        budget.give_back();
        budget.give_back();
        CHECK_FALSE(budget.try_take(3));
        budget.give_back();
        CHECK(budget.try_take(3));
    }

    TEST_CASE("budget: holds between threads") {
        constexpr unsigned kMax = 7;
        Budget budget{"pool"};
        std::atomic<unsigned> highest{0};
        std::vector<std::thread> threads;
        threads.reserve(4);
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                for (int turn = 0; turn < 5000; ++turn) {
                    if (budget.try_take(kMax)) {
                        unsigned seen = budget.open();
                        unsigned known = highest.load();
                        while (seen > known && !highest.compare_exchange_weak(known, seen)) {
                        }
                        budget.give_back();
                    }
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(highest.load() <= kMax);
        CHECK(budget.open() == 0);
    }

    TEST_CASE("budget registry: one name is one budget, also when threads ask at once") {
        BudgetRegistry registry;
        constexpr int kNames = 200;
        std::vector<std::vector<BudgetPtr>> seen(4, std::vector<BudgetPtr>(kNames));
        std::vector<std::thread> threads;
        threads.reserve(4);
        for (std::vector<BudgetPtr>& found : seen) {
            threads.emplace_back([&registry, &found] {
                for (std::size_t name = 0; name < kNames; ++name) {
                    found[name] = registry.find_or_add("pool " + std::to_string(name));
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        for (std::size_t name = 0; name < kNames; ++name) {
            CHECK(seen[0][name] == seen[1][name]);
            CHECK(seen[0][name] == seen[3][name]);
            CHECK(seen[0][name]->name() == "pool " + std::to_string(name));
        }
    }

    TEST_CASE("budget registry: forgets names that nobody holds and that count nothing") {
        BudgetRegistry registry;
        const BudgetPtr held = registry.find_or_add("held");
        CHECK(registry.find_or_add("taken")->try_take(1));
        constexpr int kNames = 10000;
        for (int name = 0; name < kNames; ++name) {
            static_cast<void>(registry.find_or_add("database:" + std::to_string(name)));
        }
        CHECK(registry.size() < 200);
        CHECK(registry.find_or_add("held") == held);
        CHECK(registry.find_or_add("taken")->open() == 1);
    }
}
