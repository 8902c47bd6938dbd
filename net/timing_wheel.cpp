#include "net/timing_wheel.hpp"

#include <algorithm>

namespace weir::net {

/// @return the first tick at which `when` has passed
std::uint64_t TimingWheel::tick_of(TimePoint when) const {
    if (when <= start_) {
        return 0;
    }
    const Duration since = when - start_;
    return static_cast<std::uint64_t>((since + Duration{kTick} - Duration{1}) / Duration{kTick});
}

void TimingWheel::set(Deadline& deadline, TimePoint due) {
    deadline.unlink();
    if (due == kNever) {
        return;
    }
    deadline.due_ = due;
    place(deadline);
}

void TimingWheel::place(Deadline& deadline) {
    const std::uint64_t tick = std::max(tick_of(deadline.due_), now_tick_ + 1);
    for (std::size_t level = 0; level < kLevels; ++level) {
        const unsigned shift = kSlotBits * static_cast<unsigned>(level);
        const std::uint64_t distance = (tick >> shift) - (now_tick_ >> shift);
        if (distance < kSlots) {
            levels_[level][(tick >> shift) % kSlots].push_back(deadline);
            return;
        }
    }
    constexpr unsigned kTopShift = kSlotBits * (kLevels - 1);
    levels_[kLevels - 1][((now_tick_ >> kTopShift) + kSlots - 1) % kSlots].push_back(deadline);
}

/// Spreads the slot that has come up over the finer levels.
void TimingWheel::cascade(std::size_t level) {
    const unsigned shift = kSlotBits * static_cast<unsigned>(level);
    IntrusiveList<Deadline>& slot = levels_[level][(now_tick_ >> shift) % kSlots];
    for (std::size_t left = slot.size(); left > 0; --left) {
        Deadline* deadline = slot.pop_front();
        if (tick_of(deadline->due_) <= now_tick_) {
            levels_[0][now_tick_ % kSlots].push_back(*deadline);
        } else {
            place(*deadline);
        }
    }
}

void TimingWheel::advance(TimePoint now) {
    if (now < start_) {
        return;
    }
    const auto target = static_cast<std::uint64_t>((now - start_) / Duration{kTick});
    while (now_tick_ < target) {
        const TimePoint wake = next_wake();
        if (wake > now) {
            now_tick_ = target;  // nothing lies between: no need to step through empty ticks
            return;
        }
        const std::uint64_t wake_tick = tick_of(wake);
        now_tick_ = std::max(now_tick_ + 1, std::min(wake_tick, target));
        for (std::size_t level = kLevels - 1; level > 0; --level) {
            if ((now_tick_ & ((std::uint64_t{1} << (kSlotBits * level)) - 1)) == 0) {
                cascade(level);
            }
        }
        IntrusiveList<Deadline>& slot = levels_[0][now_tick_ % kSlots];
        while (Deadline* deadline = slot.pop_front()) {
            deadline->listener_->on_deadline(*deadline);
        }
    }
}

TimePoint TimingWheel::next_wake() const {
    TimePoint earliest = kNever;
    for (std::size_t level = 0; level < kLevels; ++level) {
        const unsigned shift = kSlotBits * static_cast<unsigned>(level);
        const std::uint64_t base = now_tick_ >> shift;
        for (std::uint64_t step = 1; step <= kSlots; ++step) {
            if (!levels_[level][(base + step) % kSlots].empty()) {
                // A coarse slot must be spread when its time begins, even if something finer is due
                // later.
                const auto tick = static_cast<Duration::rep>((base + step) << shift);
                earliest = std::min(earliest, start_ + Duration{kTick} * tick);
                break;
            }
        }
    }
    return earliest;
}

}  // namespace weir::net
