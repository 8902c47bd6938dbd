#include "net/timing_wheel.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace weir::net {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart = TimePoint{} + 12345678ms;
constexpr std::size_t kDeadlines = 48;

/// Runs the wheel beside a sorted set of (tick, deadline) and counts where they disagree.
class Race {
public:
    explicit Race(unsigned seed) : random_{seed} {
        for (std::size_t i = 0; i < kDeadlines; ++i) {
            entries_.push_back(std::make_unique<Entry>(*this, i));
        }
    }

    void step() {
        switch (random_() % 4) {
            case 0:
            case 1: set(random_() % kDeadlines); break;
            case 2: clear(random_() % kDeadlines); break;
            default: advance(); break;
        }
        check_next_wake();
    }

    [[nodiscard]] int wrong() const { return wrong_; }

    [[nodiscard]] int fired() const { return fired_; }

private:
    struct Entry final : DeadlineListener {
        Entry(Race& owner, std::size_t number) : race{owner}, index{number} {}

        void on_deadline(Deadline& /*deadline*/) override { race.on_fired(*this); }

        Race& race;
        std::size_t index;
        std::int64_t tick = 0;
        Deadline deadline{*this};
    };

    /// @return a wait of any magnitude, negative now and then
    Duration random_wait() {
        constexpr std::array<Duration, 7> kScales{4ms, 40ms, 1s, 5s, 5min, 18h, 60h};
        const Duration scale = kScales[random_() % kScales.size()];
        const auto part = static_cast<std::int64_t>(random_() % 1000001) - 50000;
        return Duration{scale.count() / 1000000 * part + static_cast<std::int64_t>(random_() % 7)};
    }

    void set(std::size_t index) {
        Entry& entry = *entries_[index];
        forget(entry);
        const TimePoint due = now_ + random_wait();
        wheel_.set(entry.deadline, due);
        const Duration since = due - kStart;
        const Duration tick{TimingWheel::kTick};
        const std::int64_t first = since <= Duration{0} ? 0 : (since + tick - Duration{1}) / tick;
        entry.tick = std::max(first, now_tick_ + 1);
        model_.emplace(entry.tick, index);
    }

    void clear(std::size_t index) {
        forget(*entries_[index]);
        if (random_() % 2 == 0) {
            entries_[index]->deadline.clear();
        } else {
            wheel_.set(entries_[index]->deadline, kNever);
        }
    }

    void forget(const Entry& entry) { model_.erase({entry.tick, entry.index}); }

    void on_fired(Entry& entry) {
        ++fired_;
        // Whatever fires must be among the earliest of the model, and its tick must have come.
        expect(!model_.empty() && model_.begin()->first == entry.tick);
        expect(entry.tick <= target_tick_ && !entry.deadline.is_set());
        expect(model_.erase({entry.tick, entry.index}) == 1);
        now_tick_ = entry.tick;
        if (random_() % 3 == 0) {
            set(entry.index);
        }
        if (random_() % 5 == 0) {
            set(random_() % kDeadlines);
        }
        if (random_() % 5 == 0) {
            clear(random_() % kDeadlines);
        }
    }

    void advance() {
        const TimePoint wake = wheel_.next_wake();
        // As the loop does it: when asked to; or some time later, having been busy.
        now_ = wake != kNever && random_() % 2 == 0
                   ? std::max(now_, wake)
                   : now_ + std::max(random_wait() / 8, Duration{0});
        target_tick_ = (now_ - kStart) / Duration{TimingWheel::kTick};
        wheel_.advance(now_);
        now_tick_ = target_tick_;
        expect(model_.empty() || model_.begin()->first > target_tick_);
    }

    void check_next_wake() {
        const TimePoint wake = wheel_.next_wake();
        if (model_.empty()) {
            expect(wake == kNever);
        } else {
            expect(wake <= kStart + Duration{TimingWheel::kTick} * model_.begin()->first);
        }
    }

    void expect(bool holds) { wrong_ += holds ? 0 : 1; }

    std::mt19937 random_;
    TimingWheel wheel_{kStart};
    TimePoint now_ = kStart;
    std::int64_t now_tick_ = 0;
    std::int64_t target_tick_ = 0;
    std::vector<std::unique_ptr<Entry>> entries_;
    std::set<std::pair<std::int64_t, std::size_t>> model_;
    int fired_ = 0;
    int wrong_ = 0;
};

TEST_SUITE("timing_wheel_property") {
    TEST_CASE("wheel: agrees with a sorted model about random deadlines") {
        for (unsigned seed = 1; seed <= 4; ++seed) {
            CAPTURE(seed);
            Race race{seed};
            for (int step = 0; step < 500; ++step) {
                CAPTURE(step);
                race.step();
                REQUIRE(race.wrong() == 0);
            }
            CHECK(race.fired() > 50);
        }
    }
}

}  // namespace
}  // namespace weir::net
