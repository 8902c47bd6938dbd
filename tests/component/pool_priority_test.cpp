#include "tests/support/pool_process.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace weir::pool {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Borrower;
using test::PoolRig;
using test::Process;
using test::Worker;

void one_by_priority(PoolPlan& plan) {
    plan.settings.max = 1;
    plan.has_priorities = true;
}

TEST_SUITE("pool_priority") {
    TEST_CASE("pool: the higher priority is served first, and of equals who came first") {
        PoolRig rig(one_by_priority);
        Borrower holder{rig.loop, *rig.pool};
        REQUIRE(rig.lend_to(holder));
        std::vector<std::unique_ptr<Borrower>> waiters;
        std::string order;
        const std::array<int, 6> priorities{0, -10, 10, 0, 10, 3};
        for (std::size_t i = 0; i < priorities.size(); ++i) {
            auto& client = *waiters.emplace_back(std::make_unique<Borrower>(rig.loop, *rig.pool));
            client.own_priority = priorities[i];
            client.when_lent = [&order, i] { order += std::to_string(i); };
            client.acquire();
        }
        CHECK(rig.row().clients_waiting == priorities.size());
        holder.release();
        for (std::size_t served = 1; served <= priorities.size(); ++served) {
            REQUIRE(order.size() == served);
            Borrower& client = *waiters[static_cast<std::size_t>(order.back() - '0')];
            CHECK(client.wait_reason == WaitReason::PoolFull);
            client.release();
        }
        CHECK(order == "245031");
    }

    TEST_CASE("pool: nobody waits in vain for those who come later with a higher priority") {
        PoolRig rig([](PoolPlan& plan) {
            one_by_priority(plan);
            plan.settings.acquire_timeout = seconds{2};  // a step is worth 50 ms
        });
        Borrower low{rig.loop, *rig.pool};
        low.own_priority = -10;
        Borrower one{rig.loop, *rig.pool};
        Borrower other{rig.loop, *rig.pool};
        one.own_priority = other.own_priority = 10;
        REQUIRE(rig.lend_to(one));
        low.acquire();
        // Two that always have one of them waiting.
        Borrower* holding = &one;
        Borrower* waiting = &other;
        while (!low.has_backend() && low.refusals.empty()) {
            waiting->acquire();
            test::turn_for(rig.loop, milliseconds{10});
            holding->release();
            std::swap(holding, waiting);
        }
        CHECK(low.has_backend());
        CHECK(low.longest_wait >= milliseconds{750});
    }

    TEST_CASE("pool: where no user has a priority nobody is asked for one") {
        PoolRig rig([](PoolPlan& plan) { plan.settings.max = 1; });
        Borrower holder{rig.loop, *rig.pool};
        Borrower early{rig.loop, *rig.pool};
        Borrower late{rig.loop, *rig.pool};
        late.own_priority = 10;
        REQUIRE(rig.lend_to(holder));
        early.acquire();
        late.acquire();
        holder.release();
        CHECK(early.has_backend());
        SUBCASE("until a reload says so") {
            Borrower later{rig.loop, *rig.pool};
            later.acquire();
            rig.reload([](PoolPlan& plan) { plan.has_priorities = true; });
            Borrower last{rig.loop, *rig.pool};
            last.own_priority = 5;
            last.acquire();
            early.release();
            REQUIRE(late.has_backend());
            late.release();
            REQUIRE(last.has_backend());
            last.release();
            CHECK(later.has_backend());
        }
    }

    TEST_CASE("pool: a reserve is opened for who has waited long, not for who comes next") {
        PoolRig rig([](PoolPlan& plan) {
            one_by_priority(plan);
            plan.settings.reserve = 1;
            plan.settings.reserve_after = milliseconds{800};
        });
        Borrower holder{rig.loop, *rig.pool};
        Borrower low{rig.loop, *rig.pool};
        Borrower high{rig.loop, *rig.pool};
        high.own_priority = 10;
        REQUIRE(rig.lend_to(holder));
        low.acquire();
        test::turn_for(rig.loop, milliseconds{400});
        high.acquire();
        REQUIRE(rig.until([&] { return high.has_backend(); }));
        CHECK(high.longest_wait < milliseconds{800});
        CHECK_FALSE(low.has_backend());
    }

    TEST_CASE("pool: those of a lower priority are refused when their time is over, too") {
        PoolRig rig([](PoolPlan& plan) {
            one_by_priority(plan);
            plan.settings.acquire_timeout = milliseconds{60};
        });
        Borrower holder{rig.loop, *rig.pool};
        Borrower low{rig.loop, *rig.pool};
        Borrower high{rig.loop, *rig.pool};
        high.own_priority = 10;
        REQUIRE(rig.lend_to(holder));
        low.acquire();
        high.acquire();
        REQUIRE(rig.until([&] { return !low.refusals.empty() && !high.refusals.empty(); }));
        CHECK(rig.row().clients_waiting == 0);
        holder.release();
        CHECK(rig.lend_to(low));  // and it recovers
    }

    TEST_CASE("pools of one database: a free place goes to the higher priority") {
        PoolRig rig([](PoolPlan& plan) {
            plan.limits.max_database_connections = 1;
            plan.has_priorities = true;
        });
        Pool& low_pool = *rig.pool;
        Pool& high_pool = rig.pools.find_or_add({"shop", "bob", ""}, rig.plan);
        Borrower holder{rig.loop, low_pool};
        Borrower low{rig.loop, low_pool};
        Borrower high{rig.loop, high_pool};
        high.own_priority = 10;
        REQUIRE(rig.lend_to(holder));
        low.acquire();
        high.acquire();
        CHECK(low.wait_reason == WaitReason::PoolFull);
        CHECK(high.wait_reason == WaitReason::PoolFull);
        SUBCASE("where a connection is lost") {
            rig.connection_of(holder).hang_up();
        }
        SUBCASE("where a connection comes back that others wait for") {
            holder.release();
        }
        REQUIRE(rig.until([&] { return high.has_backend() || low.has_backend(); }));
        CHECK(high.has_backend());
        CHECK(rig.server.open_count() == 1);
        high.release();
        CHECK(rig.until([&] { return low.has_backend(); }));
    }

    TEST_CASE(
        "pools of one database: equals keep what they have for as long as others wait little") {
        PoolRig rig([](PoolPlan& plan) { plan.limits.max_database_connections = 1; });
        Pool& other_pool = rig.pools.find_or_add({"shop", "bob", ""}, rig.plan);
        Borrower holder{rig.loop, *rig.pool};
        Borrower next{rig.loop, *rig.pool};
        Borrower other{rig.loop, other_pool};
        REQUIRE(rig.lend_to(holder));
        other.acquire();
        test::turn_for(rig.loop, milliseconds{5});
        next.acquire();
        holder.release();
        CHECK(next.has_backend());  // a login would cost more than it waits
        CHECK(rig.server.login_count() == 1);
        next.release();
        CHECK(rig.until([&] { return other.has_backend(); }));
    }

    TEST_CASE("pools of one database: equals do not starve each other") {
        PoolRig rig([](PoolPlan& plan) { plan.limits.max_database_connections = 1; });
        Pool& other_pool = rig.pools.find_or_add({"shop", "bob", ""}, rig.plan);
        Borrower one{rig.loop, *rig.pool};
        Borrower two{rig.loop, *rig.pool};
        Borrower other{rig.loop, other_pool};
        REQUIRE(rig.lend_to(one));
        other.acquire();
        Borrower* holding = &one;
        Borrower* waiting = &two;
        while (!other.has_backend() && other.refusals.empty() && holding->has_backend()) {
            waiting->acquire();
            test::turn_for(rig.loop, milliseconds{20});
            holding->release();
            std::swap(holding, waiting);
        }
        CHECK(rig.until([&] { return other.has_backend(); }));
        CHECK(other.longest_wait >= seconds{1});
    }

    TEST_CASE("pools of two threads: the higher priority is served first, wherever it waits") {
        Process process{1, [](PoolPlan& plan) { plan.has_priorities = true; }};
        Worker& first = *process.workers[0];
        Worker& second = *process.workers[1];
        std::array<std::atomic<int>, 3> lent{};
        const auto borrow = [&lent](Worker& worker, std::size_t slot, int priority) {
            auto client = std::make_unique<Borrower>(worker.loop(), worker.pool());
            Borrower& self = *client;
            self.own_priority = priority;
            self.when_lent = [&lent, slot] { lent[slot] = 1; };
            worker.clients.push_back(std::move(client));
            self.acquire();
        };
        first.on_thread([&](Worker& self) { borrow(self, 0, 0); });
        REQUIRE(process.until([&] { return lent[0] == 1; }));
        first.on_thread([&](Worker& self) { borrow(self, 1, 0); });
        second.on_thread([&](Worker& self) { borrow(self, 2, 10); });
        first.on_thread([&](Worker& self) { self.clients[0]->release(); });
        REQUIRE(process.until([&] { return lent[2] == 1 || lent[1] == 1; }));
        CHECK(lent[2] == 1);
        second.on_thread([&](Worker& self) { self.clients[0]->release(); });
        REQUIRE(process.until([&] { return lent[1] == 1; }));
        CHECK(process.server.login_count() == 1);
    }
}

}  // namespace
}  // namespace weir::pool
