#pragma once

#include "base/clock.hpp"
#include "conf/model.hpp"
#include "net/event_loop.hpp"
#include "policies/breaker.hpp"
#include "policies/election.hpp"
#include "policies/freshness.hpp"
#include "pool/cluster_view.hpp"
#include "pool/member_probe.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::proxy {

/// Who is told when something about a cluster has changed.
class ClusterListener {
public:
    virtual void on_cluster_changed() = 0;

protected:
    ~ClusterListener() = default;
};

/// Keeps an eye on one cluster: asks each member, again and again, who it is and how far it has
/// come, and decides who is primary and which replicas may be read from.
///
/// @thread the control loop's
class ClusterWatch final : private net::DeadlineListener {
public:
    /// @param before how the cluster stood when it was watched otherwise; nullptr: it was not
    ClusterWatch(net::EventLoop& loop,
                 const conf::ClusterSettings& settings,
                 pool::ProbeLogin login,
                 bool is_fast,
                 const pool::ClusterView* before,
                 ClusterListener& listener);
    ClusterWatch(const ClusterWatch&) = delete;
    ClusterWatch& operator=(const ClusterWatch&) = delete;
    ClusterWatch(ClusterWatch&&) = delete;
    ClusterWatch& operator=(ClusterWatch&&) = delete;
    ~ClusterWatch();

    /// @return whether these settings would watch the same members in the same way
    [[nodiscard]] bool is_watching(const conf::ClusterSettings& settings,
                                   const pool::ProbeLogin& login,
                                   bool is_fast) const;

    /// @return how it stands; another one each time something has changed
    [[nodiscard]] const pool::ClusterViewPtr& view() const { return view_; }

    /// Somebody could not reach a member: it is asked now.
    void hurry();

    /// When members get no calls for a while.
    void set_breakers(const conf::BreakerSettings& settings);
    /// An operator says that a member is well.
    /// @param member its address as configured; "" = all of them
    /// @return whether there is such a member
    bool reset_breaker(const std::string& member);

private:
    struct Member {
        conf::MemberSettings settings;
        std::unique_ptr<pool::MemberProbe> probe;
        policies::MemberFacts facts;
        std::uint64_t replayed = 0;  ///< of a replica
        std::uint32_t followed = 0;  ///< the timeline of that
        std::optional<Duration> replay_age;
        std::string address;  ///< where its name has led to
        std::string problem;
        TimePoint ask_at{};
        std::shared_ptr<pool::MemberLoad> load;
        std::unique_ptr<policies::Breaker> breaker;
        policies::Outcomes counted;  ///< of its calls, has been told to the breaker
    };

    void add(const conf::MemberSettings& one);
    void on_deadline(net::Deadline& deadline) override;
    void ask(std::size_t index);
    void on_answer(std::size_t index, const pool::ProbeAnswer& answer);
    [[nodiscard]] bool take_row(Member& member, const pool::ProbeAnswer& answer);
    void decide();
    void note_primary(std::size_t elected);
    void tell(const std::vector<policies::ElectionEvent>& events);
    [[nodiscard]] bool has_primarys_history(const Member& replica) const;
    [[nodiscard]] pool::MemberView describe(std::size_t index) const;
    void schedule();
    void watch_breakers();
    void note(Member& member, const std::optional<policies::BreakerChange>& change) const;

    net::EventLoop& loop_;
    conf::ClusterSettings settings_;
    pool::ProbeLogin login_;
    bool is_fast_;
    ClusterListener& listener_;
    std::vector<Member> members_;
    policies::Election election_;
    policies::PositionHistory history_;
    std::uint32_t timeline_ = 0;  // the primary's
    std::optional<std::size_t> last_primary_;
    std::string primary_address_;
    std::optional<Endpoint> inherited_primary_;  // until there is one of our own
    std::uint64_t term_ = 0;
    TimePoint missing_since_;
    pool::ClusterViewPtr view_;
    net::Deadline tick_{*this};
    net::Deadline breakers_tick_{*this};
};

}  // namespace weir::proxy
