#pragma once

#include "base/clock.hpp"

#include <atomic>
#include <cstdint>

namespace weir::cache {

/// Until when this process may trust what it has cached. FreshnessWatch extends it on its loop; any
/// thread asks. It runs out by itself, so that a loop that hangs, or is cut off, cannot leave
/// anybody serving what others have changed.
class FreshnessLease {
public:
    /// Thread: any.
    [[nodiscard]] bool holds(TimePoint now) const {
        return now.time_since_epoch().count() < until_.load(std::memory_order_acquire);
    }

    /// @return the one that all versions must be counted in, while the lease holds. Thread: any.
    [[nodiscard]] std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

    /// Only while the lease does not hold. Thread: the watch's.
    void begin_epoch(std::uint64_t epoch) { epoch_.store(epoch, std::memory_order_release); }

    /// Thread: the watch's.
    void extend(TimePoint until) {
        until_.store(until.time_since_epoch().count(), std::memory_order_release);
    }

    /// @return whether Redis may have what a write of this process has made wrong, because it could
    /// not be told yet. Thread: any.
    [[nodiscard]] bool has_untold() const { return untold_.load(std::memory_order_acquire) > 0; }

    /// A thread has such writes, from now on or no more. Thread: any.
    void note_untold(bool has) { has ? untold_.fetch_add(1) : untold_.fetch_sub(1); }

    /// Thread: the watch's.
    void end() { until_.store(0, std::memory_order_release); }

private:
    std::atomic<Duration::rep> until_{0};
    std::atomic<std::uint64_t> epoch_{0};
    std::atomic<unsigned> untold_{0};  // threads
};

}  // namespace weir::cache
