#pragma once

#include "base/clock.hpp"
#include "base/events.hpp"
#include "base/status.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace weir::admin {

/// Tells events from what two samples have between them: what pools went through, once a minute
/// each; that a cluster has another primary; that a member came, went, or its circuit breaker
/// turned.
///
/// @thread the one that samples
class ChangeNotes {
public:
    static constexpr std::chrono::seconds kPoolsEvery{60};

    /// @param sink outlives this
    explicit ChangeNotes(events::Sink& sink) : sink_{sink} {}

    /// To be called with every sample.
    void on_sample(const status::Snapshot& snapshot, TimePoint now);

private:
    using PoolName = std::tuple<std::string, std::string, std::string>;  // database, user, member
    using MemberName = std::pair<std::string, std::string>;              // cluster, address
    using PoolEvents = decltype(status::Pool::events);

    /// What is remembered of a member.
    struct Member {
        bool is_up = false;
        bool is_primary = false;
        std::string breaker;
        std::uint64_t trips = 0;
    };

    void note_pools(const status::Snapshot& snapshot);
    void note_pool(const PoolName& name, const PoolEvents& counts);
    void note_members(const status::Snapshot& snapshot);
    void note_member(const status::Member& now, const Member& before);
    void note(events::Severity severity,
              const char* kind,
              std::string object,
              std::string what,
              std::string data = {});

    events::Sink& sink_;
    bool has_pools_ = false;
    TimePoint pools_at_{};
    std::map<PoolName, PoolEvents> pools_;  // as they were then
    std::map<MemberName, Member> members_;  // as they were in the last sample
};

/// @return the word of weir_pool_events_total for each event, in the order of status::PoolEvent
[[nodiscard]] const std::array<const char*, 10>& pool_event_names();

}  // namespace weir::admin
