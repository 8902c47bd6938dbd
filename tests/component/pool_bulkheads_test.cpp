#include "tests/support/pool_process.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weir::pool {
namespace {

using std::chrono::milliseconds;
using test::Borrower;
using test::PoolRig;
using test::Process;
using test::Worker;

void one_each(PoolPlan& plan) {
    plan.settings.max = 3;
    plan.settings.application_max = 1;
}

/// A client of an application.
struct Client : std::unique_ptr<Borrower> {
    Client(PoolRig& rig, std::string name)
        : std::unique_ptr<Borrower>{std::make_unique<Borrower>(rig.loop, *rig.pool)} {
        get()->name = std::move(name);
    }
};

/// @return how many backends an application holds, by the count of all workers
unsigned held_by(BudgetRegistry& budgets, std::string_view application) {
    return budgets.applications_of(std::string{"pool:shop\0ann\0", 14})
        ->find_or_add(application)
        ->open();
}

TEST_SUITE("pool_bulkheads") {
    TEST_CASE("pool: an application holds no more than it may, and lets the others past it") {
        PoolRig rig(one_each);
        const Client batch{rig, "batch"};
        const Client more_batch{rig, "batch"};
        const Client web{rig, "web"};
        const Client unnamed{rig, ""};
        REQUIRE(rig.lend_to(*batch));
        more_batch->acquire();
        CHECK(more_batch->wait_reason == WaitReason::ApplicationMax);
        CHECK(rig.row().application_waiting == 1);
        REQUIRE(rig.lend_to(*web));
        REQUIRE(rig.lend_to(*unnamed));
        CHECK_FALSE(more_batch->has_backend());
        CHECK(rig.server.login_count() == 3);  // none for who could not have it
        web->release();
        CHECK_FALSE(more_batch->has_backend());  // though one is idle
        CHECK(rig.row().backends_idle == 1);
        REQUIRE(rig.lend_to(*web));  // which others may have
        batch->release();
        CHECK(more_batch->has_backend());
        CHECK(rig.row().application_waiting == 0);
        CHECK(held_by(rig.budgets, "batch") == 1);
        more_batch->release();
        web->release();
        unnamed->release();
        CHECK(held_by(rig.budgets, "batch") == 0);
        CHECK(held_by(rig.budgets, "web") == 0);
        CHECK(held_by(rig.budgets, "") == 0);
    }

    TEST_CASE("pool: who waits because of its application is refused in time, with the reason") {
        PoolRig rig([](PoolPlan& plan) {
            one_each(plan);
            plan.settings.acquire_timeout = milliseconds{50};
        });
        const Client batch{rig, "batch"};
        const Client more_batch{rig, "batch"};
        REQUIRE(rig.lend_to(*batch));
        const TimePoint begun = Clock::now();
        more_batch->acquire();
        REQUIRE(rig.until([&] { return !more_batch->refusals.empty(); }));
        CHECK(Clock::now() - begun >= milliseconds{50});
        const protocol::ErrorFields& error = more_batch->refusals.front().fields;
        CHECK(error.sqlstate == sqlstate::kTooManyConnections);
        CHECK(error.message.starts_with("query_wait_timeout: no server connection within "));
        CHECK(error.message.find("application \"batch\" holds 1 of the 1 that "
                                 "pool.application_max allows it; pool shop/ann: 1 of 3 open") !=
              std::string::npos);
        batch->release();
        CHECK(rig.lend_to(*more_batch));  // and it recovers
    }

    TEST_CASE("pool: what is left behind counts until it is clean") {
        PoolRig rig(one_each);
        const Client batch{rig, "batch"};
        const Client more_batch{rig, "batch"};
        REQUIRE(rig.lend_to(*batch));
        REQUIRE(rig.ask(*batch, "BEGIN"));
        more_batch->acquire();
        SUBCASE("by a client that leaves") {
            batch->abandon();
            CHECK(held_by(rig.budgets, "batch") == 1);
        }
        SUBCASE("or is gone with its server") {
            rig.connection_of(*batch).hang_up();
        }
        REQUIRE(rig.until([&] { return more_batch->has_backend(); }));
        CHECK(held_by(rig.budgets, "batch") == 1);
        more_batch->release();
        CHECK(held_by(rig.budgets, "batch") == 0);
    }

    TEST_CASE("pool: who has gone from the line keeps nobody") {
        PoolRig rig(one_each);
        const Client batch{rig, "batch"};
        REQUIRE(rig.lend_to(*batch));
        {
            const Client gone{rig, "batch"};
            gone->acquire();
        }
        const Client next{rig, "batch"};
        next->acquire();
        batch->release();
        CHECK(next->has_backend());
    }

    TEST_CASE("pool: a change of the limit counts at once, also for what was lent before it") {
        PoolRig rig([](PoolPlan& plan) { plan.settings.max = 5; });
        const Client first{rig, "batch"};
        const Client second{rig, "batch"};
        const Client third{rig, "batch"};
        const Client fourth{rig, "batch"};
        REQUIRE(rig.lend_to(*first));
        REQUIRE(rig.lend_to(*second));
        rig.reload([](PoolPlan& plan) { plan.settings.application_max = 2; });
        CHECK(held_by(rig.budgets, "batch") == 2);
        third->acquire();
        fourth->acquire();
        CHECK(third->wait_reason == WaitReason::ApplicationMax);
        SUBCASE("raised") {
            rig.reload([](PoolPlan& plan) { plan.settings.application_max = 3; });
            REQUIRE(rig.until([&] { return third->has_backend(); }));
            CHECK_FALSE(fourth->has_backend());
            CHECK(held_by(rig.budgets, "batch") == 3);
        }
        SUBCASE("lowered") {
            rig.reload([](PoolPlan& plan) { plan.settings.application_max = 1; });
            first->release();
            CHECK_FALSE(third->has_backend());
            second->release();
            CHECK(third->has_backend());
            CHECK_FALSE(fourth->has_backend());
        }
        SUBCASE("taken away") {
            rig.reload([](PoolPlan& plan) { plan.settings.application_max = 0; });
            REQUIRE(rig.until([&] { return third->has_backend() && fourth->has_backend(); }));
            CHECK(held_by(rig.budgets, "batch") == 0);
        }
    }

    TEST_CASE("pool: in session mode, too, a client counts as long as it holds") {
        PoolRig rig([](PoolPlan& plan) {
            one_each(plan);
            plan.settings.mode = conf::PoolMode::Session;
        });
        const Client batch{rig, "batch"};
        const Client more_batch{rig, "batch"};
        const Client web{rig, "web"};
        REQUIRE(rig.lend_to(*batch));
        more_batch->acquire();
        REQUIRE(rig.lend_to(*web));
        CHECK_FALSE(more_batch->has_backend());
        CHECK(rig.server.login_count() == 2);
        batch->release();  // it is reset before it is lent again
        REQUIRE(rig.until([&] { return more_batch->has_backend(); }));
        CHECK(held_by(rig.budgets, "batch") == 1);
    }

    TEST_CASE("pool: with a priority it is the higher of those whose application may have more") {
        PoolRig rig([](PoolPlan& plan) {
            one_each(plan);
            plan.settings.max = 2;
            plan.has_priorities = true;
        });
        const Client batch{rig, "batch"};
        const Client web{rig, "web"};
        const Client high_batch{rig, "batch"};
        const Client low{rig, "other"};
        const Client middle{rig, "another"};
        high_batch->own_priority = 10;
        middle->own_priority = 1;
        REQUIRE(rig.lend_to(*batch));
        REQUIRE(rig.lend_to(*web));
        for (const Client* client : {&high_batch, &low, &middle}) {
            (*client)->acquire();
        }
        web->release();
        CHECK(middle->has_backend());
        batch->release();
        CHECK(high_batch->has_backend());
        middle->release();
        CHECK(low->has_backend());
    }

    TEST_CASE("pools of two threads: an application's clients wait for each other on both") {
        Process process{4, [](PoolPlan& plan) { plan.settings.application_max = 1; }};
        Worker& first = *process.workers[0];
        Worker& second = *process.workers[1];
        std::array<std::atomic<int>, 3> lent{};
        const auto borrow = [&lent](Worker& worker, std::size_t slot, const char* name) {
            auto client = std::make_unique<Borrower>(worker.loop(), worker.pool());
            Borrower& self = *client;
            self.name = name;
            self.when_lent = [&lent, slot] { lent[slot] = 1; };
            worker.clients.push_back(std::move(client));
            self.acquire();
        };
        first.on_thread([&](Worker& self) { borrow(self, 0, "batch"); });
        REQUIRE(process.until([&] { return lent[0] == 1; }));
        second.on_thread([&](Worker& self) { borrow(self, 1, "batch"); });
        second.on_thread([&](Worker& self) { borrow(self, 2, "web"); });
        REQUIRE(process.until([&] { return lent[2] == 1; }));
        CHECK(lent[1] == 0);
        CHECK(held_by(process.budgets, "batch") == 1);
        SUBCASE("until one is given back") {
            first.on_thread([](Worker& self) { self.clients[0]->release(); });
        }
        SUBCASE("until a client vanishes") {
            first.on_thread([](Worker& self) { self.clients.clear(); });
        }
        SUBCASE("until its server is gone") {
            const std::uint32_t id = first.on_thread(
                [](Worker& self) { return self.clients[0]->backend->process_id(); });
            process.server.at(id).hang_up();
        }
        REQUIRE(process.until([&] { return lent[1] == 1; }));
        CHECK(held_by(process.budgets, "batch") == 1);
    }

    /// Clients of three applications that ask, hold, leave in a transaction, give up waiting.
    TEST_CASE("pools of two threads: the counts are exact through a storm, and end at nothing") {
        constexpr std::array<const char*, 3> kNames{"web", "batch", "report"};
        constexpr unsigned kMost = 2;
        constexpr int kClients = 9;
        constexpr int kTurns = 40;
        Process process{5, [](PoolPlan& plan) { plan.settings.application_max = kMost; }};
        std::atomic<int> done{0};
        std::array<std::atomic<unsigned>, 3> holding{};
        std::atomic<unsigned> most{0};

        struct Actor {
            Actor(Worker& worker, std::size_t number)
                : client{worker.loop(), worker.pool()}, application{number % 3}, turn(number) {}

            Borrower client;
            std::size_t application;
            std::size_t turn;
            int left = kTurns;
        };

        std::vector<std::vector<std::unique_ptr<Actor>>> actors(Process::kWorkers);
        // What comes next is decided by arithmetic, so that every run does the same.
        const std::function<void(Worker&, Actor&)> step = [&](Worker& worker, Actor& actor) {
            if (actor.left-- == 0) {
                ++done;
                return;
            }
            actor.client.acquire();
            if (actor.turn++ % 5 == 0 && !actor.client.has_backend()) {
                worker.pool().forget(actor.client);  // leaves the line
                worker.loop().post([&worker, &actor, &step] { step(worker, actor); });
            }
        };
        for (unsigned number = 0; number < Process::kWorkers; ++number) {
            process.workers[number]->on_thread([&](Worker& worker) {
                for (std::size_t i = 0; i < kClients; ++i) {
                    Actor& actor = *actors[number].emplace_back(std::make_unique<Actor>(worker, i));
                    actor.client.name = kNames[actor.application];
                    const auto leave = [&worker, &actor, &step, &holding] {
                        --holding[actor.application];
                        if (actor.turn++ % 3 == 0) {
                            actor.client.abandon();
                        } else {
                            actor.client.release();
                        }
                        worker.loop().post([&worker, &actor, &step] { step(worker, actor); });
                    };
                    actor.client.when_lent = [&worker, &actor, &holding, &most, leave] {
                        const unsigned now = ++holding[actor.application];
                        unsigned known = most.load();
                        while (now > known && !most.compare_exchange_weak(known, now)) {
                        }
                        worker.loop().post(leave);
                    };
                    step(worker, actor);
                }
            });
        }
        REQUIRE(
            process.until([&] { return done == static_cast<int>(Process::kWorkers) * kClients; }));
        CHECK(most <= kMost);
        REQUIRE(process.until([&] {
            return std::all_of(kNames.begin(), kNames.end(), [&](const char* name) {
                return held_by(process.budgets, name) == 0;
            });
        }));
        for (unsigned number = 0; number < Process::kWorkers; ++number) {
            process.workers[number]->on_thread([&](Worker&) { actors[number].clear(); });
        }
    }
}

}  // namespace
}  // namespace weir::pool
