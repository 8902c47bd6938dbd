#pragma once

#include "tests/support/pool_support.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

/// A process of several workers, each with its share of one pool, in front of a scripted server.
namespace weir::test {

inline const pool::PoolKey kKey{"shop", "ann", ""};

class Process;

/// One event-loop thread with its share of the pool.
class Worker final : public pool::Peers {
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
                      const pool::PoolKey& key,
                      std::function<void(pool::Pool&)> task) override;

    [[nodiscard]] bool make_room(const pool::Pool& asking) override {
        return pools_->make_room(asking);
    }

    void on_server_trouble(const pool::PoolKey& /*key*/) override {}

    [[nodiscard]] unsigned worker_count() const override;
    [[nodiscard]] std::uint64_t next_id() override;

    [[nodiscard]] pool::Pool& pool();

    [[nodiscard]] net::EventLoop& loop() { return *loop_; }

    std::vector<std::unique_ptr<Borrower>> clients;  ///< of this thread

private:
    void run(std::promise<void>& up);

    Process& process_;
    unsigned number_;
    net::EventLoop* loop_ = nullptr;
    pool::PoolSet* pools_ = nullptr;
    std::thread thread_;
};

/// Several workers that share one limit, in front of a server on the test's own loop.
class Process {
public:
    explicit Process(unsigned max, const PoolRig::Adjust& adjust = nullptr)
        : server{loop, folder.file("s")} {
        plan = make_plan(server.endpoint());
        plan.settings.max = max;
        if (adjust) {
            adjust(plan);
        }
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
            turn_for(loop, std::chrono::milliseconds{1});
        }
        return true;
    }

    static constexpr unsigned kWorkers = 2;

    TemporaryFolder folder;
    net::EventLoop loop;
    net::BackgroundThread background;
    pool::BudgetRegistry budgets;
    pool::SharedDatabases shared_databases;
    ScriptedServer server;
    pool::PoolPlan plan;
    std::atomic<std::uint64_t> last_id{0};
    std::latch stopped{kWorkers + 1};
    std::vector<std::unique_ptr<Worker>> workers;
};

inline void Worker::run(std::promise<void>& up) {
    net::EventLoop loop;
    pool::SettingsTable settings;
    pool::StatementTable statements;
    pool::WorkerCounters counters;
    pool::PoolSet pools{{loop,
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

inline void Worker::post_to_pool(unsigned worker,
                                 const pool::PoolKey& /*key*/,
                                 std::function<void(pool::Pool&)> task) {
    Worker& target = *process_.workers[worker];
    target.loop().post([&target, task = std::move(task)] { task(target.pool()); });
}

inline unsigned Worker::worker_count() const {
    return Process::kWorkers;
}

inline std::uint64_t Worker::next_id() {
    return ++process_.last_id;
}

inline pool::Pool& Worker::pool() {
    return pools_->find_or_add(kKey, process_.plan);
}

/// A client that runs statement after statement, and counts them.
inline void work_on(Worker& worker, std::atomic<int>& done, int count) {
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

}  // namespace weir::test
