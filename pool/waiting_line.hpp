#pragma once

#include "base/clock.hpp"
#include "base/intrusive_list.hpp"
#include "pool/lease_holder.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace weir::pool {

struct Application;

/// Who waits for a backend of one pool on one worker.
///
/// Each lane is a line of its own, for those of one application and one priority, in the order they
/// came; where the configuration has neither there is one lane. Who is next is found among the
/// lanes' first: holders that may not be served yet cost those behind them nothing.
class WaitingLine {
public:
    struct Lane {
        Application* application = nullptr;  ///< nullptr: nobody counts what it holds
        int priority = 0;
        IntrusiveList<LeaseHolder> waiting;
    };

    struct Candidate {
        LeaseHolder* holder = nullptr;  ///< nullptr: there is none
        Application* application = nullptr;
        std::int64_t rank = 0;

        explicit operator bool() const { return holder != nullptr; }
    };

    /// @return the lower is served first: since when it waits (steady clock, ns), where a step of
    /// priority is worth `step` of waiting. Above 0: see Budget::announce_waiter().
    [[nodiscard]] static std::int64_t rank_of(TimePoint waiting_since, int priority, Duration step);

    void add(LeaseHolder& holder, Application* application, int priority);

    /// @return whether anybody waits, or has waited, in another lane than the plain one
    [[nodiscard]] bool has_lanes() const { return !others_.empty(); }

    [[nodiscard]] bool empty() const;
    [[nodiscard]] std::size_t size() const;

    /// @return who waits longest of those whose application may be served; nullptr: nobody
    template <class MayBeServed>
    [[nodiscard]] LeaseHolder* oldest(MayBeServed&& may_be_served) {
        LeaseHolder* oldest = nullptr;
        for_each_lane([&](Lane& lane) {
            LeaseHolder* first = lane.waiting.front();
            if (first != nullptr &&
                (oldest == nullptr || first->waiting_since < oldest->waiting_since) &&
                may_be_served(lane.application)) {
                oldest = first;
            }
        });
        return oldest;
    }

    [[nodiscard]] const LeaseHolder* oldest() const;

    /// @return the one of the lowest rank among those whose application may be served
    template <class MayBeServed>
    [[nodiscard]] Candidate next(Duration step, MayBeServed&& may_be_served) {
        Candidate best;
        for_each_lane([&](Lane& lane) {
            LeaseHolder* first = lane.waiting.front();
            if (first == nullptr || !may_be_served(lane.application)) {
                return;
            }
            const std::int64_t rank = rank_of(first->waiting_since, lane.priority, step);
            if (!best || rank < best.rank) {
                best = {first, lane.application, rank};
            }
        });
        return best;
    }

    /// @return all who wait, by rank
    [[nodiscard]] std::vector<Candidate> by_rank(Duration step);

    /// Calls visit(Lane&) for each lane, the empty ones too. It may let holders go, and add some.
    template <class Visitor>
    void for_each_lane(Visitor&& visit) {
        visit(plain_);
        // NOLINTNEXTLINE(modernize-loop-convert): visiting may add lanes
        for (std::size_t i = 0; i < others_.size(); ++i) {
            visit(*others_[i]);
        }
    }

    template <class Visitor>
    void for_each_lane(Visitor&& visit) const {
        visit(std::as_const(plain_));
        for (const auto& lane : others_) {
            visit(std::as_const(*lane));
        }
    }

    template <class Visitor>
    void for_each(Visitor&& visit) {
        for_each_lane([&](Lane& lane) { lane.waiting.for_each(visit); });
    }

    /// Lets all go and forgets the lanes. @return those who waited, who has waited longest first
    [[nodiscard]] std::vector<LeaseHolder*> clear();

private:
    [[nodiscard]] Lane& lane_for(Application* application, int priority);

    Lane plain_;
    std::vector<std::unique_ptr<Lane>> others_;  // one that is empty is given to somebody else
};

}  // namespace weir::pool
