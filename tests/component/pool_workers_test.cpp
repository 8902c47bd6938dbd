#include "tests/support/pool_support.hpp"

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

using std::chrono::milliseconds;
using test::Borrower;
using test::kPatience;

const PoolKey kKey{"shop", "ann", ""};

class Process;

/// One event-loop thread with its share of the pool.
class Worker final : public Peers {
public:
    Worker(Process& process, unsigned number) : process_{process}, number_{number} {
        std::promise<void> up;
        auto is_up = up.get_future();
        thread_ = std::thread{[this, &up] { run(up); }};
        is_up.wait();
    }

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    Worker(Worker&&) = delete;
    Worker& operator=(Worker&&) = delete;
    ~Worker() = default;

    void join() { thread_.join(); }

    /// Runs on the worker's thread, and is waited for.
    template <class Work>
    auto on_thread(Work work) {
        std::packaged_task<decltype(work(*this))()> task{[&] { return work(*this); }};
        auto done = task.get_future();
        loop_->post([&task] { task(); });
        REQUIRE(done.wait_for(kPatience) == std::future_status::ready);
        return done.get();
    }

    void post_to_pool(unsigned worker,
                      const PoolKey& key,
                      std::function<void(Pool&)> task) override;

    [[nodiscard]] bool make_room(const Pool& asking) override { return pools_->make_room(asking); }

    void on_server_trouble(const PoolKey& /*key*/) override {}

    [[nodiscard]] unsigned worker_count() const override;
    [[nodiscard]] std::uint64_t next_id() override;

    [[nodiscard]] Pool& pool();

    [[nodiscard]] net::EventLoop& loop() { return *loop_; }

    std::vector<std::unique_ptr<Borrower>> clients;  ///< of this thread

private:
    void run(std::promise<void>& up);

    Process& process_;
    unsigned number_;
    net::EventLoop* loop_ = nullptr;
    PoolSet* pools_ = nullptr;
    std::thread thread_;
};

/// Several workers that share one limit, in front of a server on the test's own loop.
class Process {
public:
    explicit Process(unsigned max) : server{loop, folder.file("s")} {
        plan = test::make_plan(server.endpoint());
        plan.settings.max = max;
        for (unsigned number = 0; number < kWorkers; ++number) {
            workers.push_back(std::make_unique<Worker>(*this, number));
        }
    }

    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    Process(Process&&) = delete;
    Process& operator=(Process&&) = delete;

    ~Process() {
        for (const auto& worker : workers) {
            worker->on_thread([](Worker& self) { self.clients.clear(); });
        }
        for (const auto& worker : workers) {
            worker->loop().stop();
        }
        stopped.count_down();
        for (const auto& worker : workers) {
            worker->join();
        }
    }

    /// Turns the server's loop until the condition holds, which other threads may bring about.
    template <class Condition>
    [[nodiscard]] bool until(Condition&& holds) {
        const TimePoint due = Clock::now() + kPatience;
        while (!holds()) {
            if (Clock::now() > due) {
                return false;
            }
            test::turn_for(loop, milliseconds{1});
        }
        return true;
    }

    static constexpr unsigned kWorkers = 2;

    test::TemporaryFolder folder;
    net::EventLoop loop;
    net::BackgroundThread background;
    BudgetRegistry budgets;
    SharedDatabases shared_databases;
    test::ScriptedServer server;
    PoolPlan plan;
    std::atomic<std::uint64_t> last_id{0};
    std::latch stopped{kWorkers + 1};
    std::vector<std::unique_ptr<Worker>> workers;
};

void Worker::run(std::promise<void>& up) {
    net::EventLoop loop;
    SettingsTable settings;
    StatementTable statements;
    WorkerCounters counters;
    PoolSet pools{{loop,
                   process_.background,
                   settings,
                   statements,
                   counters,
                   process_.budgets,
                   process_.shared_databases,
                   *this,
                   number_}};
    loop_ = &loop;
    pools_ = &pools;
    up.set_value();
    loop.run();
    process_.stopped.arrive_and_wait();  // until then somebody may post to it or stop it
}

void Worker::post_to_pool(unsigned worker,
                          const PoolKey& /*key*/,
                          std::function<void(Pool&)> task) {
    Worker& target = *process_.workers[worker];
    target.loop().post([&target, task = std::move(task)] { task(target.pool()); });
}

unsigned Worker::worker_count() const {
    return Process::kWorkers;
}

std::uint64_t Worker::next_id() {
    return ++process_.last_id;
}

Pool& Worker::pool() {
    return pools_->find_or_add(kKey, process_.plan);
}

/// A client that runs statement after statement, and counts them.
void work_on(Worker& worker, std::atomic<int>& done, int count) {
    auto client = std::make_unique<Borrower>(worker.loop(), worker.pool());
    Borrower& self = *client;
    self.releases_at_rest = true;
    auto left = std::make_shared<int>(count);
    self.when_lent = [&self] { self.query("SELECT 1"); };
    self.when_released = [&self, &done, left] {
        ++done;
        if (--*left > 0) {
            self.acquire();
        }
    };
    worker.clients.push_back(std::move(client));
    self.acquire();
}

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
