#include "policies/breaker_gate.hpp"

#include "policies/breaker.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weir::TimePoint;
using weir::policies::Breaker;
using weir::policies::BreakerGate;
using weir::policies::BreakerState;
using weir::policies::CallCounters;
using weir::policies::CallEnd;
using weir::policies::CallPermit;
using weir::policies::CallSpeed;
using weir::policies::CallVerdict;
using weir::policies::kNoTrial;
using weir::policies::Outcomes;
using weir::policies::TrialPhase;

namespace {

constexpr TimePoint kStart{1h};
constexpr unsigned kThreads = 4;

}  // namespace

TEST_SUITE("breaker gate") {
    TEST_CASE("breaker gate: is closed and lets through before anybody publishes") {
        BreakerGate gate;
        CHECK(gate.state() == BreakerState::Closed);
        CHECK(gate.may_call(kStart).verdict == CallVerdict::Allowed);
        CHECK(gate.may_call(kStart).trial == kNoTrial);
        CHECK(gate.trials_left() == 0);
        CHECK_FALSE(gate.is_current(kNoTrial));
    }

    TEST_CASE("breaker gate: says when to come again, never a time that is over") {
        BreakerGate gate;
        gate.publish(BreakerState::Open, 3, kStart + 5s);
        CHECK(gate.may_call(kStart).retry_at == kStart + 5s);
        CHECK(gate.may_call(kStart + 6s).retry_at == kStart + 6s);
    }

    TEST_CASE("breaker gate: gives as many trials as the phase has") {
        BreakerGate gate;
        gate.publish(BreakerState::HalfOpen, 2, kStart + 5s);
        const CallPermit first = gate.may_call(kStart);
        CHECK(first.verdict == CallVerdict::TrialAllowed);
        CHECK(gate.is_current(first.trial));
        CHECK(gate.may_call(kStart).trial == first.trial);
        CHECK(gate.may_call(kStart).verdict == CallVerdict::Refused);
        gate.renew_trials(kStart + 9s);
        CHECK(gate.may_call(kStart).trial == first.trial);
        CHECK(gate.retry_at() == kStart + 9s);
    }

    TEST_CASE("breaker gate: a trial that never began can be given back, once and in time") {
        BreakerGate gate;
        gate.publish(BreakerState::HalfOpen, 1, kStart);
        const CallPermit permit = gate.may_call(kStart);
        CHECK(gate.trials_left() == 0);
        gate.give_back(kNoTrial);
        gate.give_back(permit.trial + 1);
        CHECK(gate.trials_left() == 0);
        gate.give_back(permit.trial);
        gate.give_back(permit.trial);
        CHECK(gate.trials_left() == 1);
        gate.publish(BreakerState::Open, 1, kStart);
        gate.give_back(permit.trial);
        CHECK(gate.state() == BreakerState::Open);
        CHECK(gate.trials_left() == 0);
        gate.publish(BreakerState::HalfOpen, 1, kStart);
        CHECK(gate.may_call(kStart).trial != permit.trial);
        gate.give_back(permit.trial);
        CHECK(gate.trials_left() == 0);
    }

    TEST_CASE("breaker gate: trials of a phase that is over are calls as any other") {
        BreakerGate gate;
        CallCounters counters;
        gate.publish(BreakerState::HalfOpen, 3, kStart);
        const TrialPhase phase = gate.may_call(kStart).trial;
        counters.finish(gate, phase, CallEnd::Failed, CallSpeed::Slow);
        counters.finish(gate, phase, CallEnd::Succeeded, CallSpeed::Normal);
        gate.publish(BreakerState::Open, 3, kStart);
        gate.publish(BreakerState::HalfOpen, 3, kStart);
        counters.finish(gate, phase, CallEnd::Failed, CallSpeed::Slow);
        counters.finish(gate, kNoTrial, CallEnd::Succeeded, CallSpeed::Normal);
        counters.refuse();
        const Outcomes expected{.successes = 2,
                                .failures = 2,
                                .slow = 2,
                                .rejected = 1,
                                .trial_successes = 1,
                                .trial_failures = 1,
                                .trial_slow = 1};
        CHECK(counters.read() == expected);
    }

    TEST_CASE("breaker gate: outcomes add up and leave what came since") {
        const Outcomes one{1, 2, 3, 4, 5, 6, 7};
        Outcomes sum = one;
        sum += one;
        CHECK(sum == Outcomes{2, 4, 6, 8, 10, 12, 14});
        CHECK(sum.since(one) == one);
        CHECK(one.since(one) == Outcomes{});
    }

    TEST_CASE("breaker gate: threads take exactly the trials there are, each once") {
        constexpr std::uint32_t kTrials = 100;
        BreakerGate gate;
        gate.publish(BreakerState::HalfOpen, kTrials, kStart);
        std::atomic<unsigned> taken{0};
        std::vector<std::thread> threads;
        threads.reserve(kThreads);
        for (unsigned i = 0; i < kThreads; ++i) {
            threads.emplace_back([&gate, &taken] {
                for (int turn = 0; turn < 500; ++turn) {
                    const CallPermit permit = gate.may_call(kStart);
                    if (permit.verdict != CallVerdict::TrialAllowed) {
                        continue;
                    }
                    if (turn % 3 == 0) {
                        gate.give_back(permit.trial);
                    } else {
                        ++taken;
                    }
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(taken.load() + gate.trials_left() == kTrials);
    }

    TEST_CASE("breaker gate: while it changes nobody gets a trial that its phase does not have") {
        constexpr std::uint32_t kTrials = 3;
        constexpr std::uint32_t kPhases = 150;
        BreakerGate gate;
        std::atomic<bool> over{false};
        std::array<std::atomic<unsigned>, kPhases + 2> taken{};
        std::atomic<unsigned> wrong{0};
        std::vector<std::thread> threads;
        threads.reserve(kThreads);
        for (unsigned i = 0; i < kThreads; ++i) {
            threads.emplace_back([&] {
                while (!over.load()) {
                    const CallPermit permit = gate.may_call(kStart);
                    switch (permit.verdict) {
                        case CallVerdict::Allowed: wrong += permit.trial == kNoTrial ? 0 : 1; break;
                        case CallVerdict::TrialAllowed: ++taken.at(permit.trial); break;
                        case CallVerdict::Refused: wrong += permit.retry_at > kStart ? 0 : 1; break;
                    }
                }
            });
        }
        for (std::uint32_t phase = 0; phase < kPhases; ++phase) {
            gate.publish(BreakerState::Open, kTrials, kStart + (3 * phase + 1) * 1s);
            gate.publish(BreakerState::HalfOpen, kTrials, kStart + (3 * phase + 2) * 1s);
            gate.publish(BreakerState::Closed, kTrials, kStart + (3 * phase + 3) * 1s);
        }
        over.store(true);
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(wrong.load() == 0);
        for (const std::atomic<unsigned>& of_phase : taken) {
            CHECK(of_phase.load() <= kTrials);
        }
    }

    TEST_CASE("breaker gate: workers and the breaker's thread agree on every call there was") {
        BreakerGate gate;
        std::array<CallCounters, kThreads> counters;
        std::array<Outcomes, kThreads> done{};
        std::atomic<unsigned> running{kThreads};
        std::vector<std::thread> threads;
        threads.reserve(kThreads);
        for (unsigned i = 0; i < kThreads; ++i) {
            threads.emplace_back([&, i] {
                for (unsigned turn = 0; turn < 3000; ++turn) {
                    const CallPermit permit = gate.may_call(kStart);
                    if (permit.verdict == CallVerdict::Refused) {
                        counters[i].refuse();
                        ++done[i].rejected;
                        continue;
                    }
                    const bool fails = turn % 7 < 4;
                    counters[i].finish(gate,
                                       permit.trial,
                                       fails ? CallEnd::Failed : CallEnd::Succeeded,
                                       CallSpeed::Normal);
                    ++(fails ? done[i].failures : done[i].successes);
                }
                --running;
            });
        }
        Breaker breaker{{.window = 10ms, .open_for = 1ms, .half_open_calls = 2, .slow_call = 0s},
                        gate};
        Outcomes known;
        TimePoint now = kStart;
        bool is_last = false;
        while (!is_last) {
            is_last = running.load() == 0;
            Outcomes all;
            for (const CallCounters& one : counters) {
                all += one.read();
            }
            now += 1ms;
            static_cast<void>(breaker.add(all.since(known), now));
            known = all;
            CHECK(breaker.state() == gate.state());
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        Outcomes expected;
        for (const Outcomes& one : done) {
            expected += one;
        }
        CHECK(known.successes == expected.successes);
        CHECK(known.failures == expected.failures);
        CHECK(known.rejected == expected.rejected);
        CHECK(known.trial_failures <= known.failures);
    }
}
