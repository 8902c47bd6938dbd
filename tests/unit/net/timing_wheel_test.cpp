#include "net/timing_wheel.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace weir::net {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart = TimePoint{} + 1000s;

/// Counts, and does what the test says when its deadline has passed.
struct Probe final : DeadlineListener {
    explicit Probe(std::function<void()> action = {}) : then{std::move(action)} {}

    void on_deadline(Deadline& fired) override {
        ++count;
        was_set_inside = fired.is_set();
        if (const auto action = then; action) {  // a copy: it may destroy this probe
            action();
        }
    }

    std::function<void()> then;
    int count = 0;
    bool was_set_inside = false;
    Deadline deadline{*this};
};

TEST_SUITE("timing_wheel") {
    TEST_CASE("wheel: fires never early and at most one tick late, at every distance") {
        const Duration distances[] = {
            0ns,    1ns,         1ms,         4ms - 1ns, 4ms,         4ms + 1ns, 5ms,
            1019ms, 1020ms,      1023ms,      1024ms,    1025ms,      2047ms,    2048ms,
            60s,    262143ms,    262144ms,    262145ms,  5min,        1h,        17h,
            18h,    18h + 38min, 18h + 39min, 24h,       37h + 17min, 1000h};
        const Duration offsets[] = {0ns, 1ms, 3ms, 700ms, 1020ms, 262140ms};
        for (const Duration offset : offsets) {
            for (const Duration distance : distances) {
                CAPTURE(offset.count());
                CAPTURE(distance.count());
                TimingWheel wheel{kStart};
                wheel.advance(kStart + offset);
                Probe probe;
                const TimePoint due = kStart + offset + distance;
                wheel.set(probe.deadline, due);
                CHECK(probe.deadline.is_set());
                CHECK(probe.deadline.due() == due);
                wheel.advance(due - 1ns);
                CHECK(probe.count == 0);
                wheel.advance(due + TimingWheel::kTick);
                CHECK(probe.count == 1);
                CHECK(!probe.was_set_inside);
                CHECK(!probe.deadline.is_set());
                CHECK(probe.deadline.due() == kNever);
                CHECK(wheel.next_wake() == kNever);
            }
        }
    }

    TEST_CASE("wheel: woken only when it asks to be, it is just as punctual") {
        for (const Duration distance : {1ns * 1, 1ns * 1500000000, Duration{5min}, Duration{30h}}) {
            CAPTURE(distance.count());
            TimingWheel wheel{kStart};
            Probe probe;
            const TimePoint due = kStart + distance;
            wheel.set(probe.deadline, due);
            int wakes = 0;
            while (probe.count == 0 && wakes < 100) {
                const TimePoint wake = wheel.next_wake();
                REQUIRE(wake < due + TimingWheel::kTick);
                wheel.advance(wake);
                CHECK((probe.count == 0 || wake >= due));
                ++wakes;
            }
            CHECK(probe.count == 1);
            CHECK(wakes <= 6);
        }
    }

    TEST_CASE("wheel: a deadline already past fires with the next tick") {
        TimingWheel wheel{kStart};
        wheel.advance(kStart + 10s);
        Probe probe;
        wheel.set(probe.deadline, kStart - 5s);
        CHECK(probe.count == 0);
        CHECK(wheel.next_wake() == kStart + 10s + TimingWheel::kTick);
        wheel.advance(kStart + 10s + TimingWheel::kTick);
        CHECK(probe.count == 1);
    }

    TEST_CASE("wheel: a moved deadline fires once, at its last time") {
        TimingWheel wheel{kStart};
        Probe probe;
        wheel.set(probe.deadline, kStart + 10ms);
        wheel.set(probe.deadline, kStart + 2h);
        wheel.advance(kStart + 1h);
        CHECK(probe.count == 0);
        wheel.set(probe.deadline, kStart + 1h + 20ms);
        wheel.advance(kStart + 1h + 24ms);
        CHECK(probe.count == 1);
        wheel.advance(kStart + 3h);
        CHECK(probe.count == 1);
    }

    TEST_CASE("wheel: a cleared deadline stays silent and can be set again") {
        TimingWheel wheel{kStart};
        Probe probe;
        wheel.set(probe.deadline, kStart + 10ms);
        SUBCASE("by clear()") {
            probe.deadline.clear();
        }
        SUBCASE("by kNever") {
            wheel.set(probe.deadline, kNever);
        }
        CHECK(!probe.deadline.is_set());
        CHECK(wheel.next_wake() == kNever);
        wheel.advance(kStart + 1s);
        CHECK(probe.count == 0);
        wheel.set(probe.deadline, kStart + 2s);
        wheel.advance(kStart + 2s + TimingWheel::kTick);
        CHECK(probe.count == 1);
    }

    TEST_CASE("wheel: a destroyed deadline is forgotten") {
        TimingWheel wheel{kStart};
        auto probe = std::make_unique<Probe>();
        wheel.set(probe->deadline, kStart + 5min);
        probe.reset();
        CHECK(wheel.next_wake() == kNever);
        wheel.advance(kStart + 1h);
    }

    TEST_CASE("wheel: time standing still or before the start fires nothing") {
        TimingWheel wheel{kStart};
        Probe probe;
        wheel.set(probe.deadline, kStart + 4ms);
        wheel.advance(kStart - 1h);
        wheel.advance(kStart);
        wheel.advance(kStart);
        CHECK(probe.count == 0);
    }

    TEST_CASE("wheel: fires in the order of time, whatever the order of setting") {
        TimingWheel wheel{kStart};
        std::vector<int> order;
        Probe hour{[&order] { order.push_back(4); }};
        Probe second{[&order] { order.push_back(2); }};
        Probe minute{[&order] { order.push_back(3); }};
        Probe tick{[&order] { order.push_back(1); }};
        wheel.set(hour.deadline, kStart + 1h);
        wheel.set(second.deadline, kStart + 2s);
        wheel.set(minute.deadline, kStart + 10min);
        wheel.set(tick.deadline, kStart + 4ms);
        wheel.advance(kStart + 2h);
        CHECK(order == std::vector{1, 2, 3, 4});
    }

    TEST_CASE("wheel: a deadline may set itself again from its callback") {
        TimingWheel wheel{kStart};
        TimePoint now = kStart;
        Probe probe;
        probe.then = [&] { wheel.set(probe.deadline, now + 1s); };
        wheel.set(probe.deadline, kStart + 1s);
        for (int i = 1; i <= 2500; ++i) {
            now = kStart + 4ms * i;
            wheel.advance(now);
        }
        CHECK(probe.count >= 9);
        CHECK(probe.count <= 10);
    }

    TEST_CASE("wheel: one that sets itself to the past fires once a tick, not for ever") {
        TimingWheel wheel{kStart};
        Probe probe;
        probe.then = [&] { wheel.set(probe.deadline, kStart); };
        wheel.set(probe.deadline, kStart);
        wheel.advance(kStart + 10 * TimingWheel::kTick);
        CHECK(probe.count == 10);
    }

    TEST_CASE("wheel: a callback may set, move, clear and destroy others of its own slot") {
        TimingWheel wheel{kStart};
        const TimePoint due = kStart + 8ms;
        Probe cleared;
        Probe moved;
        Probe added;
        auto destroyed = std::make_unique<Probe>();
        Probe first{[&] {
            cleared.deadline.clear();
            destroyed.reset();
            wheel.set(moved.deadline, due + 1h);
            wheel.set(added.deadline, due + 4ms);
        }};
        wheel.set(first.deadline, due);
        wheel.set(cleared.deadline, due);
        wheel.set(moved.deadline, due);
        wheel.set(destroyed->deadline, due);
        wheel.advance(due + 4ms);
        CHECK(first.count == 1);
        CHECK(cleared.count == 0);
        CHECK(moved.count == 0);
        CHECK(added.count == 1);
        wheel.advance(due + 1h);
        CHECK(moved.count == 1);
    }

    TEST_CASE("wheel: a callback may destroy its own listener") {
        TimingWheel wheel{kStart};
        auto probe = std::make_unique<Probe>();
        Probe other;
        probe->then = [&probe] { probe.reset(); };
        wheel.set(probe->deadline, kStart + 4ms);
        wheel.set(other.deadline, kStart + 4ms);
        wheel.advance(kStart + 4ms);
        CHECK(probe == nullptr);
        CHECK(other.count == 1);
    }

    TEST_CASE("wheel: one set after a long silence is placed by today's time") {
        TimingWheel wheel{kStart};
        Probe probe;
        // Nobody has called advance() for a month, as on a loop without deadlines.
        const TimePoint now = kStart + 24h * 30;
        wheel.set(probe.deadline, now + 10ms);
        CHECK(wheel.next_wake() <= now + 10ms + TimingWheel::kTick);
        wheel.advance(now);
        CHECK(probe.count == 0);
        wheel.advance(now + 14ms);
        CHECK(probe.count == 1);
    }
}

}  // namespace
}  // namespace weir::net
