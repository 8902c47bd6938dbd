#pragma once

#include "base/clock.hpp"
#include "base/status.hpp"
#include "conf/model.hpp"
#include "net/connector.hpp"
#include "net/event_loop.hpp"

#include <map>
#include <memory>
#include <string>

namespace weir::proxy {

/// Whether the servers nobody is connected to could be reached: what readiness rests on before the
/// first client comes.
///
/// For clusters of one member: the others are watched (ClusterWatch). A server with an open backend
/// is not asked. The others are connected to and left again every
/// five seconds, which PostgreSQL does not log. Lives on the control loop.
class Reachability {
public:
    explicit Reachability(net::EventLoop& loop) : loop_{loop} {}

    /// Begins the checks that are due. Called about once a second.
    void update(const conf::Config& config, const status::Snapshot& snapshot);
    /// @return why the cluster cannot be reached, "" when it can or is not known yet
    [[nodiscard]] std::string problem_of(const std::string& cluster) const;

private:
    struct Check {
        std::unique_ptr<net::Connector> connector;  // while one is under way
        std::string problem;
        TimePoint next_at{};
    };

    void begin(const std::string& name, Check& check, const Endpoint& endpoint);

    net::EventLoop& loop_;
    std::map<std::string, Check> checks_;
};

}  // namespace weir::proxy
