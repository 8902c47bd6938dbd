#pragma once

#include "base/clock.hpp"
#include "base/endpoint.hpp"
#include "policies/breaker_gate.hpp"
#include "policies/election.hpp"
#include "pool/budget.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::pool {

/// What all threads share of one member: how many of its connections are lent, how its calls end.
/// Lives as long as anybody looks at it.
struct MemberLoad {
    policies::BreakerGate gate;
    std::atomic<std::uint64_t> trips{0};  ///< how often its breaker has opened
    std::atomic<std::uint32_t> leased{0};
    std::atomic<std::uint64_t> latency_us{0};  ///< of its answers, smoothed; 0 = none yet
    std::atomic<std::int64_t> answered_at{0};  ///< when it last did, in ns of the clock
    std::atomic<std::int64_t> chosen_at{0};    ///< to be asked though it was slow, the same
    std::array<policies::CallCounters, kWorkersMax> calls;  ///< each written by one worker

    /// @return how all calls to it have ended
    [[nodiscard]] policies::Outcomes outcomes() const {
        policies::Outcomes sum;
        for (const policies::CallCounters& one : calls) {
            sum += one.read();
        }
        return sum;
    }

    /// @return microseconds; half as many with each second that nobody has asked: who was slow once
    /// is given another chance, by one caller at a time
    [[nodiscard]] std::uint64_t latency(TimePoint now) const {
        return faded(now,
                     std::max(answered_at.load(std::memory_order_relaxed),
                              chosen_at.load(std::memory_order_relaxed)));
    }

    /// It is about to be asked.
    void note_chosen(TimePoint now) {
        chosen_at.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    }

    /// An answer took so long. Workers may overwrite each other's: it is an estimate.
    void note_latency(Duration took, TimePoint now) {
        constexpr std::int64_t kShare = 8;
        const auto us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
        const auto old =
            static_cast<std::int64_t>(faded(now, answered_at.load(std::memory_order_relaxed)));
        const std::int64_t fresh = old == 0 ? us : old + (us - old) / kShare;
        latency_us.store(static_cast<std::uint64_t>(std::max<std::int64_t>(1, fresh)),
                         std::memory_order_relaxed);
        answered_at.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    }

private:
    [[nodiscard]] std::uint64_t faded(TimePoint now, std::int64_t since) const {
        constexpr std::int64_t kHalvedAfter = 1'000'000'000;  // ns
        constexpr std::int64_t kHalvesMax = 32;
        const std::int64_t age = now.time_since_epoch().count() - since;
        const std::int64_t halves = std::clamp<std::int64_t>(age / kHalvedAfter, 0, kHalvesMax);
        const std::uint64_t us = latency_us.load(std::memory_order_relaxed);
        return us == 0 ? 0 : std::max<std::uint64_t>(1, us >> static_cast<unsigned>(halves));
    }
};

/// One PostgreSQL of a cluster, as it was last seen.
struct MemberView {
    std::string name;  ///< its address as configured
    Endpoint endpoint;
    unsigned weight = 1;
    policies::MemberRole role = policies::MemberRole::Unknown;
    bool is_up = false;  ///< its last probe was answered
    /// A replica that is there and near enough to the primary.
    bool may_read = false;
    /// Of a replica: what was committed before this it has replayed.
    TimePoint fresh_until = TimePoint::min();
    std::uint64_t position = 0;  ///< bytes of WAL: written by a primary, replayed by a replica
    std::optional<std::uint64_t> lag_bytes;  ///< of a replica whose primary is known
    std::optional<Duration> lag;             ///< the same, as time
    std::string problem;                     ///< why it is not up; "" where it is
    std::shared_ptr<MemberLoad> load;
};

/// A cluster of several members, as of one moment: made by the control loop, never changed.
struct ClusterView {
    std::vector<MemberView> members;
    std::optional<std::size_t> primary;  ///< up and elected; empty = writes wait for one
    /// Changes with the primary and with its timeline: what was opened before leads elsewhere.
    std::uint64_t term = 0;
    TimePoint missing_since = kNever;  ///< since when there is no primary

    [[nodiscard]] bool operator==(const ClusterView&) const = delete;
};

using ClusterViewPtr = std::shared_ptr<const ClusterView>;
/// By the cluster's name; those of one member are not among them.
using ClusterViews = std::map<std::string, ClusterViewPtr>;
using ClusterViewsPtr = std::shared_ptr<const ClusterViews>;

}  // namespace weir::pool
