#pragma once

#include "base/clock.hpp"

namespace weir::pool {

/// How soon a cancel is asked for again.
inline constexpr std::chrono::milliseconds kCancelAgain{10};

/// How long the statements of a lease may run, and what has become of the one that runs.
struct TimeLimit {
    bool is_on = false;  ///< for one of them at least: the backend's deadline is a statement's
    Duration usual{};    ///< of what has none of its own; zero: none
    TimePoint began_at = kNever;  ///< since when something of the holder's runs
    bool is_overdue = false;      ///< what runs now: its cancel has been asked for
    TimePoint overdue_since{};
    bool is_cancelling = false;  ///< a cancel is on its way, to what runs now or has just ended
    TimePoint orphan_due{};      ///< until then what a client has left is cancelled again and again

    /// The server has nothing to do.
    void rest() {
        began_at = kNever;
        is_overdue = false;
    }
};

}  // namespace weir::pool
