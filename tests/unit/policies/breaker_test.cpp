#include "policies/breaker.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

using namespace std::chrono_literals;
using weir::Duration;
using weir::TimePoint;
using weir::policies::Breaker;
using weir::policies::BreakerChange;
using weir::policies::BreakerEvent;
using weir::policies::BreakerGate;
using weir::policies::BreakerSettings;
using weir::policies::BreakerState;
using weir::policies::CallSpeed;
using weir::policies::CallVerdict;
using weir::policies::name_of;
using weir::policies::next_state;
using weir::policies::Outcomes;
using weir::policies::speed_of;

namespace {

constexpr TimePoint kStart{1h};
constexpr BreakerChange kTripped{BreakerState::Closed, BreakerEvent::Tripped, BreakerState::Open};
constexpr BreakerChange kWaitedOut{
    BreakerState::Open, BreakerEvent::WaitedOut, BreakerState::HalfOpen};
constexpr BreakerChange kTrialsPassed{
    BreakerState::HalfOpen, BreakerEvent::TrialsPassed, BreakerState::Closed};
constexpr BreakerChange kTrialsFailed{
    BreakerState::HalfOpen, BreakerEvent::TrialsFailed, BreakerState::Open};

BreakerSettings settings() {
    return {.enabled = true,
            .failure_rate = 0.5,
            .min_calls = 20,
            .window = 10s,
            .open_for = 10s,
            .half_open_calls = 3,
            .slow_call = 0s,
            .slow_rate = 1.0};
}

Outcomes calls(std::uint64_t successes, std::uint64_t failures, std::uint64_t slow = 0) {
    Outcomes ended;
    ended.successes = successes;
    ended.failures = failures;
    ended.slow = slow;
    return ended;
}

Outcomes trials(std::uint64_t successes, std::uint64_t failures, std::uint64_t slow = 0) {
    Outcomes ended = calls(successes, failures, slow);
    ended.trial_successes = successes;
    ended.trial_failures = failures;
    ended.trial_slow = slow;
    return ended;
}

/// A breaker brought to where a test begins; `now` is when it got there.
struct Fixture {
    explicit Fixture(const BreakerSettings& with = settings()) : breaker{with, gate} {}

    void open() { REQUIRE(breaker.add(calls(0, 1000), now) == kTripped); }

    void half_open() {
        open();
        now += 10s;
        REQUIRE(breaker.add({}, now) == kWaitedOut);
    }

    BreakerGate gate;
    Breaker breaker;
    TimePoint now = kStart;
};

}  // namespace

TEST_SUITE("breaker") {
    TEST_CASE("breaker state: every event in every state leads where the table says") {
        constexpr int kNone = -1;
        constexpr int kClosed = 0;
        constexpr int kHalfOpen = 1;
        constexpr int kOpen = 2;
        // A row per state, a column per event, in the order of the enums; typed by hand.
        constexpr std::array<std::array<int, 5>, 3> kExpected = {{
            // Tripped, WaitedOut, TrialsPassed, TrialsFailed, Reset
            {kOpen, kNone, kNone, kNone, kNone},        // Closed
            {kNone, kNone, kClosed, kOpen, kClosed},    // HalfOpen
            {kNone, kHalfOpen, kNone, kNone, kClosed},  // Open
        }};
        for (std::size_t state = 0; state < kExpected.size(); ++state) {
            for (std::size_t event = 0; event < kExpected[state].size(); ++event) {
                CAPTURE(state);
                CAPTURE(event);
                const auto to =
                    next_state(static_cast<BreakerState>(state), static_cast<BreakerEvent>(event));
                CHECK((to ? static_cast<int>(*to) : kNone) == kExpected[state][event]);
            }
        }
    }

    TEST_CASE("breaker: stays closed below the least number of calls") {
        Fixture f;
        CHECK_FALSE(f.breaker.add(calls(0, 19), f.now));
        CHECK(f.breaker.add(calls(1, 0), f.now) == kTripped);
        CHECK(f.gate.state() == BreakerState::Open);
    }

    TEST_CASE("breaker: opens when the rate is reached, not before") {
        Fixture f;
        CHECK_FALSE(f.breaker.add(calls(51, 49), f.now));
        CHECK(f.breaker.add(calls(0, 2), f.now) == kTripped);
        CHECK(f.gate.may_call(f.now).verdict == CallVerdict::Refused);
        CHECK(f.gate.may_call(f.now).retry_at == f.now + 10s);
    }

    TEST_CASE("breaker: failures leave the window with time") {
        Fixture f;
        for (int i = 0; i < 100; ++i) {
            CHECK_FALSE(f.breaker.add(calls(0, 1), f.now));
            f.now += 1s;
        }
        CHECK(f.breaker.window(f.now).calls < 11);
    }

    TEST_CASE("breaker: refused calls are no calls") {
        Fixture f;
        Outcomes refused;
        refused.rejected = 1000;
        CHECK_FALSE(f.breaker.add(refused, f.now));
        CHECK(f.breaker.window(f.now).calls == 0);
    }

    TEST_CASE("breaker: a rate of zero needs a bad call, one above 1 is never reached") {
        BreakerSettings with = settings();
        with.failure_rate = 0;
        with.slow_rate = 0;
        Fixture strict{with};
        CHECK_FALSE(strict.breaker.add(calls(1000, 0), strict.now));
        CHECK(strict.breaker.add(calls(0, 1), strict.now) == kTripped);
        with.failure_rate = 1.1;
        with.slow_rate = std::nan("");
        Fixture never{with};
        CHECK_FALSE(never.breaker.add(calls(0, 1000, 1000), never.now));
    }

    TEST_CASE("breaker: slow calls open it whether they succeeded or failed") {
        BreakerSettings with = settings();
        with.slow_call = 1s;
        with.slow_rate = 0.8;
        Fixture f{with};
        CHECK_FALSE(f.breaker.add(calls(100, 0, 79), f.now));
        CHECK(f.breaker.add(calls(10, 0, 10), f.now) == kTripped);
    }

    TEST_CASE("breaker: with the rate left at 1 it takes that every call is slow") {
        BreakerSettings with = settings();
        with.slow_call = 1s;
        Fixture most{with};
        CHECK_FALSE(most.breaker.add(calls(1000, 0, 999), most.now));
        Fixture all{with};
        CHECK(all.breaker.add(calls(20, 0, 20), all.now) == kTripped);
    }

    TEST_CASE("breaker: a call is slow above the limit, and never without one") {
        BreakerSettings with = settings();
        CHECK(speed_of(with, 1h) == CallSpeed::Normal);
        with.slow_call = 1s;
        CHECK(speed_of(with, 1s) == CallSpeed::Normal);
        CHECK(speed_of(with, 1s + 1ns) == CallSpeed::Slow);
    }

    TEST_CASE("breaker: waits open for exactly as long as configured and forgets meanwhile") {
        Fixture f;
        f.open();
        f.now += 10s - 1ns;
        CHECK_FALSE(f.breaker.add(calls(0, 1000), f.now));
        CHECK(f.gate.state() == BreakerState::Open);
        f.now += 1ns;
        CHECK(f.breaker.add({}, f.now) == kWaitedOut);
        CHECK(f.gate.trials_left() == 3);
        CHECK(f.breaker.window(f.now).calls == 0);
    }

    TEST_CASE("breaker: closes after as many good trials as configured") {
        Fixture f;
        f.half_open();
        CHECK_FALSE(f.breaker.add(trials(1, 0), f.now));
        CHECK_FALSE(f.breaker.add(trials(1, 0), f.now));
        CHECK(f.breaker.add(trials(1, 0), f.now) == kTrialsPassed);
        CHECK(f.gate.may_call(f.now).verdict == CallVerdict::Allowed);
    }

    TEST_CASE("breaker: closes with a bad trial that keeps below the rate") {
        Fixture f;
        f.half_open();
        CHECK_FALSE(f.breaker.add(trials(0, 1), f.now));
        CHECK(f.breaker.add(trials(2, 0), f.now) == kTrialsPassed);
    }

    TEST_CASE("breaker: opens again as soon as the trials cannot pass any more") {
        Fixture f;
        f.half_open();
        CHECK_FALSE(f.breaker.add(trials(0, 1), f.now));
        CHECK(f.breaker.add(trials(0, 1), f.now) == kTrialsFailed);
        CHECK(f.gate.may_call(f.now).retry_at == f.now + 10s);
        f.now += 10s;
        CHECK(f.breaker.add({}, f.now) == kWaitedOut);
        CHECK(f.breaker.add(trials(3, 0), f.now) == kTrialsPassed);
    }

    TEST_CASE("breaker: trials that are slow fail too") {
        BreakerSettings with = settings();
        with.slow_call = 1s;
        with.slow_rate = 0.5;
        Fixture f{with};
        f.half_open();
        CHECK(f.breaker.add(trials(2, 0, 2), f.now) == kTrialsFailed);
    }

    TEST_CASE("breaker: calls that began before decide nothing while it is half-open") {
        Fixture f;
        f.half_open();
        CHECK_FALSE(f.breaker.add(calls(0, 1000), f.now));
        CHECK_FALSE(f.breaker.add(calls(1000, 0), f.now));
        CHECK(f.breaker.add(trials(3, 0), f.now) == kTrialsPassed);
    }

    TEST_CASE("breaker: trials that nobody reports are renewed, what was reported still counts") {
        Fixture f;
        f.half_open();
        for (int i = 0; i < 3; ++i) {
            CHECK(f.gate.may_call(f.now).verdict == CallVerdict::TrialAllowed);
        }
        const auto refused = f.gate.may_call(f.now);
        CHECK(refused.verdict == CallVerdict::Refused);
        CHECK(refused.retry_at == f.now + 10s);
        CHECK_FALSE(f.breaker.add(trials(2, 0), f.now));
        f.now += 10s - 1ns;
        CHECK_FALSE(f.breaker.add({}, f.now));
        CHECK(f.gate.trials_left() == 0);
        f.now += 1ns;
        CHECK_FALSE(f.breaker.add({}, f.now));
        CHECK(f.gate.trials_left() == 3);
        CHECK(f.gate.retry_at() == f.now + 10s);
        CHECK(f.breaker.add(trials(1, 0), f.now) == kTrialsPassed);
    }

    TEST_CASE("breaker: never stays half-open where trials get lost for ever") {
        Fixture f;
        f.half_open();
        for (int renewal = 0; renewal < 100; ++renewal) {
            while (f.gate.may_call(f.now).verdict == CallVerdict::TrialAllowed) {
            }
            f.now += 10s;
            CHECK_FALSE(f.breaker.add({}, f.now));
        }
        CHECK(f.breaker.add(trials(3, 0), f.now) == kTrialsPassed);
    }

    TEST_CASE("breaker: more trials than configured can end, and all of them count") {
        Fixture f;
        f.half_open();
        CHECK(f.breaker.add(trials(6, 3), f.now) == kTrialsPassed);
        Fixture g;
        g.half_open();
        CHECK(g.breaker.add(trials(3, 3), g.now) == kTrialsFailed);
    }

    TEST_CASE("breaker: an operator closes it from wherever it is") {
        Fixture f;
        CHECK_FALSE(f.breaker.reset(f.now));
        f.open();
        CHECK(f.breaker.reset(f.now) ==
              BreakerChange{BreakerState::Open, BreakerEvent::Reset, BreakerState::Closed});
        CHECK(f.gate.may_call(f.now).verdict == CallVerdict::Allowed);
        f.half_open();
        CHECK(f.breaker.reset(f.now) ==
              BreakerChange{BreakerState::HalfOpen, BreakerEvent::Reset, BreakerState::Closed});
        CHECK_FALSE(f.breaker.add({}, f.now));
    }

    TEST_CASE("breaker: a reset while closed forgets what was counted") {
        Fixture f;
        CHECK_FALSE(f.breaker.add(calls(0, 19), f.now));
        CHECK_FALSE(f.breaker.reset(f.now));
        CHECK_FALSE(f.breaker.add(calls(0, 19), f.now));
    }

    TEST_CASE("breaker: switched off it lets everything through, also when it was open") {
        BreakerSettings off = settings();
        off.enabled = false;
        Fixture never{off};
        CHECK_FALSE(never.breaker.add(calls(0, 100000), never.now));
        Fixture f;
        f.open();
        const auto change = f.breaker.configure(off, f.now);
        REQUIRE(change);
        CHECK(change->event == BreakerEvent::Reset);
        CHECK(f.gate.may_call(f.now).verdict == CallVerdict::Allowed);
        CHECK_FALSE(f.breaker.add(calls(0, 100000), f.now));
        CHECK_FALSE(f.breaker.configure(settings(), f.now));
        CHECK(f.breaker.add(calls(0, 20), f.now) == kTripped);
    }

    TEST_CASE("breaker: new settings count from then on, the same ones change nothing") {
        Fixture f;
        CHECK_FALSE(f.breaker.add(calls(0, 19), f.now));
        CHECK_FALSE(f.breaker.configure(settings(), f.now));
        CHECK(f.breaker.window(f.now).calls == 19);
        BreakerSettings easy = settings();
        easy.min_calls = 5;
        CHECK_FALSE(f.breaker.configure(easy, f.now));
        CHECK_FALSE(f.breaker.add(calls(0, 4), f.now));
        CHECK(f.breaker.add(calls(0, 1), f.now) == kTripped);
    }

    TEST_CASE("breaker: values out of range are taken for the nearest that are not") {
        BreakerSettings with = settings();
        with.min_calls = 0;
        with.half_open_calls = 0;
        with.open_for = -5s;
        with.window = 0s;
        Fixture f{with};
        CHECK_FALSE(f.breaker.add({}, f.now));
        CHECK(f.breaker.add(calls(0, 1), f.now) == kTripped);
        f.now += 1ms;
        CHECK(f.breaker.add({}, f.now) == kWaitedOut);
        CHECK(f.gate.trials_left() == 1);
        CHECK(f.breaker.add(trials(1, 0), f.now) == kTrialsPassed);

        with.open_for = Duration::max();
        with.half_open_calls = std::numeric_limits<std::uint32_t>::max();
        Fixture forever{with};
        CHECK(forever.breaker.add(calls(0, 1), forever.now) == kTripped);
        CHECK(forever.gate.retry_at() == weir::kNever);
        CHECK(forever.breaker.add({}, weir::kNever) == kWaitedOut);
        CHECK(forever.gate.trials_left() == BreakerGate::kTrialsMax);
    }

    TEST_CASE("breaker: its states have the names SHOW BREAKERS prints") {
        CHECK(name_of(BreakerState::Closed) == "closed");
        CHECK(name_of(BreakerState::HalfOpen) == "half-open");
        CHECK(name_of(BreakerState::Open) == "open");
    }
}
