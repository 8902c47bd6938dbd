#pragma once

#include "base/clock.hpp"
#include "base/status.hpp"
#include "maintenance/governor.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

namespace weir::proxy {

/// How busy clients keep the database, from samples of a second each: what holds jobs back. Part of
/// the main program.
///
/// @thread sample(): one; load(): any
class ClientLoad {
public:
    static constexpr std::chrono::seconds kNow{10};
    static constexpr std::chrono::hours kUsual{3};
    static constexpr std::uint64_t kStatementsMin = 50;  ///< fewer say nothing

    void sample(const status::Snapshot& snapshot, TimePoint now);
    [[nodiscard]] maintenance::Load load() const;

private:
    using Buckets = std::array<std::uint64_t, DurationHistogram::kBuckets>;

    struct Sample {
        TimePoint when;
        Buckets buckets;  ///< since the start
    };

    /// @return in milliseconds; 0 = too few statements
    [[nodiscard]] static double p95_between(const Buckets& before, const Buckets& after);

    mutable std::mutex mutex_;
    maintenance::Load load_;
    std::deque<Sample> seconds_;  // of kNow
    std::deque<Sample> minutes_;  // of kUsual
};

}  // namespace weir::proxy
