#include "tests/support/pool_process.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weir::pool {
namespace {

using test::Borrower;
using test::Process;
using test::work_on;
using test::Worker;

TEST_SUITE("pool_workers") {
    TEST_CASE("pools of two threads: the last connection goes to who waits on the other one") {
        Process process{1};
        Worker& first = *process.workers[0];
        Worker& second = *process.workers[1];
        std::array<std::atomic<Backend*>, 2> lent{};
        const auto borrow = [&lent](Worker& worker, std::size_t slot) {
            auto client = std::make_unique<Borrower>(worker.loop(), worker.pool());
            Borrower& self = *client;
            self.when_lent = [&self, &lent, slot] { lent[slot] = self.backend; };
            worker.clients.push_back(std::move(client));
            self.acquire();
        };
        first.on_thread([&](Worker& self) { borrow(self, 0); });
        REQUIRE(process.until([&] { return lent[0].load() != nullptr; }));
        const std::uint64_t id = first.on_thread([&](Worker&) { return lent[0].load()->id(); });

        bool while_waiting = false;
        SUBCASE("who waits as it is given back") {
            while_waiting = true;
            second.on_thread([&](Worker& self) { borrow(self, 1); });
            CHECK(lent[1].load() == nullptr);
            first.on_thread([&](Worker& self) { self.clients[0]->release(); });
        }
        SUBCASE("who asks while it is idle") {
            first.on_thread([&](Worker& self) { self.clients[0]->release(); });
            second.on_thread([&](Worker& self) { borrow(self, 1); });
        }
        SUBCASE("who waits as it is left in mid-transaction") {
            first.on_thread([&](Worker& self) { self.clients[0]->query("BEGIN"); });
            REQUIRE(process.until([&] {
                return first.on_thread(
                    [](Worker& self) { return self.clients[0]->backend->owed().empty(); });
            }));
            second.on_thread([&](Worker& self) { borrow(self, 1); });
            first.on_thread([&](Worker& self) { self.clients[0]->abandon(); });
        }
        REQUIRE(process.until([&] { return lent[1].load() != nullptr; }));
        CHECK(second.on_thread([&](Worker&) { return lent[1].load()->id(); }) == id);
        CHECK(process.server.login_count() == 1);
        const bool works = process.until([&] {
            return second.on_thread([&](Worker& self) {
                Borrower& client = *self.clients[0];
                if (client.replies.empty() && client.backend->owed().empty()) {
                    client.query("SELECT 1");
                }
                return client.replies == test::completed("SELECT 1") + test::ready();
            });
        });
        CHECK(works);
        if (while_waiting) {
            CHECK(first.on_thread([](Worker& self) {
                status::Pool row;
                self.pool().add_to(row, Clock::now());
                return row.backends_idle + row.backends_active;
            }) == 0);
        }
    }

    TEST_CASE("pools of two threads: a connection that is lost gives its place to the other one") {
        Process process{1};
        Worker& first = *process.workers[0];
        Worker& second = *process.workers[1];
        std::atomic<int> leases{0};
        const auto borrow = [&leases](Worker& worker) {
            auto client = std::make_unique<Borrower>(worker.loop(), worker.pool());
            Borrower& self = *client;
            self.when_lent = [&leases] { ++leases; };
            worker.clients.push_back(std::move(client));
            self.acquire();
        };
        first.on_thread([&](Worker& self) { borrow(self); });
        REQUIRE(process.until([&] { return leases == 1; }));
        second.on_thread([&](Worker& self) { borrow(self); });
        CHECK(leases == 1);
        process.server.connections[0]->hang_up();
        REQUIRE(process.until([&] { return leases == 2; }));
        CHECK(first.on_thread([](Worker& self) { return self.clients[0]->losses.size(); }) == 1);
        CHECK(process.server.open_count() == 1);
    }

    TEST_CASE("pools of two threads: all get their turn, and max holds for both together") {
        constexpr int kClients = 6;
        constexpr int kTurns = 50;
        Process process{2};
        std::atomic<int> done{0};
        for (const auto& worker : process.workers) {
            worker->on_thread([&](Worker& self) {
                for (int i = 0; i < kClients; ++i) {
                    work_on(self, done, kTurns);
                }
            });
        }
        std::size_t most = 0;
        REQUIRE(process.until([&] {
            most = std::max(most, process.server.open_count());
            return done == static_cast<int>(Process::kWorkers) * kClients * kTurns;
        }));
        CHECK(most <= 2);
        CHECK(process.server.login_count() == 2);  // handed over, not closed and opened
        CHECK(process.budgets.find_or_add(std::string{"pool:shop\0ann\0", 14})->open() == 2);
    }
}

}  // namespace
}  // namespace weir::pool
