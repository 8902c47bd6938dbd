#pragma once

#include "base/clock.hpp"
#include "base/intrusive_list.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace weir::net {

class Deadline;

class DeadlineListener {
public:
    /// The deadline has passed and is no longer set; it may be set again, and the listener may be
    /// destroyed here.
    virtual void on_deadline(Deadline& deadline) = 0;

protected:
    ~DeadlineListener() = default;
};

/// One point in time somebody waits for; a field, not a handle. Destroying it clears it. Lives on
/// its wheel's thread.
class Deadline : public ListNode<Deadline> {
public:
    explicit Deadline(DeadlineListener& listener) : listener_{&listener} {}

    [[nodiscard]] bool is_set() const { return is_linked(); }

    [[nodiscard]] TimePoint due() const { return is_set() ? due_ : kNever; }

    void clear() { unlink(); }

private:
    friend class TimingWheel;
    DeadlineListener* listener_;
    TimePoint due_{};
};

/// Deadlines of one thread: setting, moving and clearing are O(1). Three levels of 256 slots: 4 ms,
/// 1 s and 262 s wide; a deadline fires up to one tick (4 ms) late and never early; those further
/// away than 18 hours wait in the last level.
///
/// @thread its loop's
class TimingWheel {
public:
    static constexpr std::chrono::milliseconds kTick{4};

    explicit TimingWheel(TimePoint start) : start_{start} {}

    /// Sets or moves a deadline; kNever clears it.
    void set(Deadline& deadline, TimePoint due);

    /// Fires everything due at `now`, in order of slots.
    void advance(TimePoint now);

    /// @return when advance() should be called next at the latest; kNever when nothing is set
    [[nodiscard]] TimePoint next_wake() const;

private:
    static constexpr unsigned kSlotBits = 8;
    static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
    static constexpr std::size_t kLevels = 3;
    using Slots = std::array<IntrusiveList<Deadline>, kSlots>;

    [[nodiscard]] std::uint64_t tick_of(TimePoint when) const;
    void place(Deadline& deadline);
    void cascade(std::size_t level);

    TimePoint start_;
    std::uint64_t now_tick_ = 0;
    std::array<Slots, kLevels> levels_;
};

}  // namespace weir::net
