#include "net/event_loop.hpp"
#include "tests/support/loop_support.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

// Every loop here asserts in its destructor that no handle was left open (uv_loop_close() == 0).
namespace weir::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using test::Alarm;
using test::turn_until;

/// Says when it dies.
struct Mortal {
    explicit Mortal(std::function<void()> last_words) : last_words_{std::move(last_words)} {}

    Mortal(const Mortal&) = delete;
    Mortal& operator=(const Mortal&) = delete;
    Mortal(Mortal&&) = delete;
    Mortal& operator=(Mortal&&) = delete;

    ~Mortal() { last_words_(); }

private:
    std::function<void()> last_words_;
};

TEST_SUITE("net_event_loop") {
    TEST_CASE("event loop: what other threads post runs here, in the order of each") {
        constexpr unsigned kThreads = 3;
        constexpr int kPosts = 500;
        EventLoop loop;
        std::array<int, kThreads> next{};
        int disorder = 0;
        int foreign = 0;
        std::vector<std::jthread> threads;
        for (unsigned who = 0; who < kThreads; ++who) {
            threads.emplace_back([&, who] {
                for (int i = 0; i < kPosts; ++i) {
                    loop.post([&, who, i] {
                        disorder += next[who] == i ? 0 : 1;
                        foreign += loop.is_current() ? 0 : 1;
                        next[who] = i + 1;
                    });
                }
            });
        }
        CHECK(turn_until(
            loop, [&next] { return next[0] == kPosts && next[1] == kPosts && next[2] == kPosts; }));
        CHECK(disorder == 0);
        CHECK(foreign == 0);
    }

    TEST_CASE("event loop: a task posted by a task runs in a later turn") {
        EventLoop loop;
        bool is_outer_done = false;
        bool was_nested = false;
        bool is_inner_done = false;
        loop.post([&] {
            loop.post([&] {
                was_nested = !is_outer_done;
                is_inner_done = true;
            });
            is_outer_done = true;
        });
        CHECK(turn_until(loop, [&is_inner_done] { return is_inner_done; }));
        CHECK(!was_nested);
    }

    TEST_CASE("event loop: what a task holds dies before the next task runs") {
        EventLoop loop;
        bool is_dead = false;
        bool was_dead = false;
        bool is_done = false;
        loop.post([mortal = std::make_shared<Mortal>([&is_dead] { is_dead = true; })] {});
        loop.post([&] {
            was_dead = is_dead;
            is_done = true;
        });
        CHECK(turn_until(loop, [&is_done] { return is_done; }));
        CHECK(was_dead);
    }

    TEST_CASE("event loop: stops when another thread says so, and can run again") {
        EventLoop loop;
        for (int round = 0; round < 20; ++round) {
            const std::jthread other{[&loop] { loop.stop(); }};
            loop.run();
        }
        loop.stop();
        loop.run();  // told before it began: it returns at once, and has forgotten
        int ran = 0;
        loop.post([&] {
            ++ran;
            loop.stop();
        });
        loop.run();
        CHECK(ran == 1);
    }

    TEST_CASE("event loop: belongs to the thread that runs it") {
        EventLoop loop;
        CHECK(loop.is_current());
        std::atomic<bool> was_theirs{false};
        std::jthread{[&] {
            loop.post([&] {
                was_theirs = loop.is_current();
                loop.stop();
            });
            loop.run();
        }}.join();
        CHECK(was_theirs);
        CHECK(!loop.is_current());
        loop.run_pending();
        CHECK(loop.is_current());
    }

    TEST_CASE("event loop: an object deferred from its own callback outlives the callback") {
        EventLoop loop;
        bool is_dead = false;
        bool died_early = false;
        auto mortal = std::make_unique<Mortal>([&is_dead] { is_dead = true; });
        loop.post([&] {
            loop.defer_delete(std::move(mortal));
            died_early = is_dead;
        });
        CHECK(turn_until(loop, [&is_dead] { return is_dead; }));
        CHECK(!died_early);
    }

    TEST_CASE("event loop: a dying object may defer another") {
        EventLoop loop;
        bool is_second_dead = false;
        loop.defer_delete(std::make_unique<Mortal>(
            [&] { loop.defer_delete(std::make_unique<Mortal>([&] { is_second_dead = true; })); }));
        CHECK(turn_until(loop, [&] { return is_second_dead; }));
    }

    TEST_CASE("event loop: at its end it deletes what was deferred and drops what was posted") {
        int dead = 0;
        int ran = 0;
        {
            EventLoop loop;
            loop.defer_delete(std::make_unique<Mortal>([&dead] { ++dead; }));
            loop.post([&ran, held = std::make_shared<Mortal>([&dead] { ++dead; })] { ++ran; });
        }
        CHECK(dead == 2);
        CHECK(ran == 0);
    }

    TEST_CASE("event loop: what it drops at its end may post and defer once more") {
        int dead = 0;
        {
            EventLoop loop;
            loop.post([held = std::make_shared<Mortal>([&] {
                           loop.post([second = std::make_shared<Mortal>([&] {
                                          ++dead;
                                          loop.defer_delete(
                                              std::make_unique<Mortal>([&dead] { ++dead; }));
                                      })] {});
                           ++dead;
                       })] {});
        }
        CHECK(dead == 3);
    }

    TEST_CASE("event loop: deadlines come in order and not early") {
        EventLoop loop;
        std::vector<int> order;

        struct Timed final : DeadlineListener {
            Timed(std::vector<int>& list, int which) : out{list}, name{which} {}

            void on_deadline(Deadline& /*deadline*/) override {
                fired_at = Clock::now();
                out.push_back(name);
            }

            std::vector<int>& out;
            int name;
            TimePoint fired_at{};
            Deadline deadline{*this};
        };

        Timed late{order, 3};
        Timed soon{order, 1};
        Timed middle{order, 2};
        const TimePoint now = Clock::now();
        loop.set_deadline(late.deadline, now + milliseconds{60});
        loop.set_deadline(soon.deadline, now + milliseconds{5});
        loop.set_deadline(middle.deadline, now + milliseconds{30});
        CHECK(turn_until(loop, [&order] { return order.size() == 3; }));
        CHECK(order == std::vector{1, 2, 3});
        CHECK(soon.fired_at >= now + milliseconds{5});
        CHECK(middle.fired_at >= now + milliseconds{30});
        CHECK(late.fired_at >= now + milliseconds{60});
    }

    TEST_CASE("event loop: a moved deadline comes at its last time, a cleared one never") {
        EventLoop loop;
        Alarm moved;
        Alarm cleared;
        Alarm far;
        const TimePoint now = Clock::now();
        loop.set_deadline(moved.deadline, now + hours{1});
        loop.set_deadline(far.deadline, now + hours{1});
        loop.set_deadline(cleared.deadline, now + milliseconds{5});
        loop.set_deadline(cleared.deadline, kNever);
        loop.set_deadline(moved.deadline, now + milliseconds{20});
        CHECK(turn_until(loop, [&moved] { return moved.count > 0; }));
        CHECK(Clock::now() >= now + milliseconds{20});
        CHECK(cleared.count == 0);
        CHECK(far.count == 0);
        CHECK(far.deadline.is_set());
    }

    TEST_CASE("event loop: a deadline of now, or of long ago, comes in a later turn") {
        EventLoop loop;
        Alarm alarm;
        loop.set_deadline(alarm.deadline, loop.now() - hours{1});
        CHECK(alarm.count == 0);
        CHECK(turn_until(loop, [&alarm] { return alarm.count > 0; }));
        loop.set_deadline(alarm.deadline, loop.now());
        CHECK(turn_until(loop, [&alarm] { return alarm.count == 2; }));
    }

    TEST_CASE("event loop: its clock moves with every task") {
        EventLoop loop;
        TimePoint first{};
        TimePoint second{};
        loop.post([&] { first = loop.now(); });
        CHECK(turn_until(loop, [&first] { return first != TimePoint{}; }));
        loop.post([&] { second = loop.now(); });
        CHECK(turn_until(loop, [&second] { return second != TimePoint{}; }));
        CHECK(second > first);
        CHECK(second <= Clock::now());
    }
}

}  // namespace
}  // namespace weir::net
