#include "net/background.hpp"
#include "tests/support/loop_support.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace weir::net {
namespace {

/// Holds the thread at one job until it is let go.
class Gate {
public:
    void close(BackgroundThread& thread) {
        std::promise<void> reached;
        auto is_reached = reached.get_future();
        CHECK(thread.submit([&reached, opened = opened_.get_future().share()] {
            reached.set_value();
            opened.wait();
        }));
        is_reached.wait();
    }

    void open() { opened_.set_value(); }

private:
    std::promise<void> opened_;
};

/// Waits until everything submitted so far is done.
void drain(BackgroundThread& thread) {
    std::promise<void> done;
    CHECK(thread.submit([&done] { done.set_value(); }));
    done.get_future().wait();
}

/// Returns once stop() has begun: from then on nothing is taken, and only then may the job at hand
/// end. Slowly, so that it is not the queue's limit that refuses.
void wait_until_stopping(BackgroundThread& thread) {
    while (thread.submit([] {})) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
}

TEST_SUITE("net_background") {
    TEST_CASE("background: jobs run in order, on another thread") {
        BackgroundThread thread;
        std::vector<int> order;
        std::thread::id where;
        for (int i = 0; i < 100; ++i) {
            CHECK(thread.submit([&order, &where, i] {
                order.push_back(i);
                where = std::this_thread::get_id();
            }));
        }
        drain(thread);
        CHECK(order.size() == 100);
        CHECK(std::is_sorted(order.begin(), order.end()));
        CHECK(where != std::this_thread::get_id());
    }

    TEST_CASE("background: refuses what does not fit, and takes more when there is room again") {
        BackgroundThread thread;
        std::atomic<std::size_t> ran{0};
        Gate gate;
        gate.close(thread);
        for (std::size_t i = 0; i < BackgroundThread::kJobsMax; ++i) {
            REQUIRE(thread.submit([&ran] { ++ran; }));
        }
        CHECK(!thread.submit([&ran] { ++ran; }));
        gate.open();
        // Not drain(): there may be no room for another second.
        std::promise<void> done;
        while (!thread.submit([&done] { done.set_value(); })) {
            std::this_thread::yield();
        }
        done.get_future().wait();
        CHECK(ran == BackgroundThread::kJobsMax);
    }

    TEST_CASE("background: strangers' jobs wait for all others, and fewer of them may") {
        using Cause = BackgroundThread::Cause;
        BackgroundThread thread;
        std::string order;
        std::promise<void> done;
        Gate gate;
        gate.close(thread);
        CHECK(thread.submit([&order] { order += 's'; }, Cause::Stranger));
        for (std::size_t i = 2; i < BackgroundThread::kStrangersJobsMax; ++i) {
            REQUIRE(thread.submit([] {}, Cause::Stranger));
        }
        CHECK(thread.submit([&done] { done.set_value(); }, Cause::Stranger));
        CHECK(!thread.submit([] {}, Cause::Stranger));
        CHECK(thread.submit([&order] { order += 'a'; }));
        CHECK(thread.submit([&order] { order += 'b'; }, Cause::Ours));
        gate.open();
        done.get_future().wait();
        CHECK(order == "abs");
    }

    TEST_CASE("background: stopping finishes the job at hand and drops the rest") {
        BackgroundThread thread;
        std::atomic<bool> ran{false};
        Gate gate;
        gate.close(thread);
        CHECK(thread.submit([&ran] { ran = true; }));
        std::jthread stopper{[&thread] { thread.stop(); }};
        wait_until_stopping(thread);
        gate.open();
        stopper.join();
        CHECK(!ran);
    }

    TEST_CASE("background: what was dropped is destroyed, and stopping twice is once") {
        auto held = std::make_shared<int>(1);
        BackgroundThread thread;
        Gate gate;
        gate.close(thread);
        CHECK(thread.submit([held] {}));
        std::jthread stopper{[&thread] { thread.stop(); }};
        wait_until_stopping(thread);
        gate.open();
        stopper.join();
        CHECK(held.use_count() == 1);
        thread.stop();
        CHECK(!thread.submit([] {}));
    }

    TEST_CASE("background: what a job holds may submit another as it dies") {
        BackgroundThread thread;
        std::promise<void> done;

        struct Successor {
            Successor(BackgroundThread& background, std::promise<void>& promise)
                : to{background}, ran{promise} {}

            Successor(const Successor&) = delete;
            Successor& operator=(const Successor&) = delete;
            Successor(Successor&&) = delete;
            Successor& operator=(Successor&&) = delete;

            ~Successor() {
                static_cast<void>(to.submit([&done = ran] { done.set_value(); }));
            }

            BackgroundThread& to;
            std::promise<void>& ran;
        };

        CHECK(thread.submit([held = std::make_shared<Successor>(thread, done)] {}));
        CHECK(done.get_future().wait_for(test::kPatience) == std::future_status::ready);
    }

    TEST_CASE("background: comes back to the loop by a post") {
        EventLoop loop;
        BackgroundThread thread;
        bool is_back = false;
        CHECK(thread.submit([&] { loop.post([&is_back] { is_back = true; }); }));
        CHECK(test::turn_until(loop, [&is_back] { return is_back; }));
    }
}

}  // namespace
}  // namespace weir::net
