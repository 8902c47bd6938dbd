#pragma once

#include "base/status.hpp"
#include "conf/model.hpp"
#include "net/event_loop.hpp"
#include "pool/cluster_view.hpp"
#include "proxy/cluster_watch.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace weir::proxy {

/// The watches of all clusters that have more than one member. One member needs none: where it is
/// does not change, and databases that use it pay nothing.
/// @thread the control loop's
class ClusterWatches final : public ClusterListener {
public:
    /// @param on_views is told how the clusters stand whenever something has changed
    ClusterWatches(net::EventLoop& loop, std::function<void(pool::ClusterViewsPtr)> on_views);
    ClusterWatches(const ClusterWatches&) = delete;
    ClusterWatches& operator=(const ClusterWatches&) = delete;
    ClusterWatches(ClusterWatches&&) = delete;
    ClusterWatches& operator=(ClusterWatches&&) = delete;
    ~ClusterWatches();

    /// A configuration is in force: clusters that are watched as it says go on being watched.
    void apply(const conf::Config& config);
    /// Somebody could not reach a member.
    void hurry(const std::string& cluster);
    /// @param member its address as configured; "" = all of them
    /// @return whether some cluster of several members has it
    [[nodiscard]] bool reset_breaker(const std::string& member);

    [[nodiscard]] const pool::ClusterViewsPtr& views() const { return views_; }

    void on_cluster_changed() override;

private:
    void publish();

    net::EventLoop& loop_;
    std::function<void(pool::ClusterViewsPtr)> on_views_;
    std::map<std::string, std::unique_ptr<ClusterWatch>> watches_;
    pool::ClusterViewsPtr views_ = std::make_shared<const pool::ClusterViews>();
    bool is_applying_ = false;
};

/// @return why nobody can write there (or read, where the configuration calls all members
/// replicas); "" where somebody can
[[nodiscard]] std::string problem_of(const pool::ClusterView& view,
                                     const conf::ClusterSettings& settings);

/// Tells how the members stand.
void add_members(const pool::ClusterViews& views, status::Snapshot& snapshot);

}  // namespace weir::proxy
