#pragma once

#include "base/clock.hpp"
#include "maintenance/job.hpp"

#include <chrono>
#include <functional>
#include <string>

namespace weir::maintenance {

/// How busy a database is right now; zero = not known.
struct Load {
    double p95_ms = 0;                        ///< of the statements of clients
    double usual_p95_ms = 0;                  ///< the same in the hours before
    double pool_usage = 0;                    ///< 0..1, of the fullest pool
    std::chrono::milliseconds replica_lag{};  ///< of the replica that is furthest behind
};

/// Holds jobs back by [maintenance] governor. Once it has, they go on when nothing has been too
/// much for two seconds: what a job itself causes would else have it start and stop all the time.
///
/// @thread one at a time
class LoadGovernor final : public Governor {
public:
    /// @param ask is asked at most every quarter of a second
    /// @param now for tests
    LoadGovernor(conf::GovernorSettings settings,
                 std::function<Load()> ask,
                 std::function<TimePoint()> now = &Clock::now);

    [[nodiscard]] std::string why_wait() override;

private:
    [[nodiscard]] std::string excess(const Load& load) const;

    conf::GovernorSettings settings_;
    std::function<Load()> ask_;
    std::function<TimePoint()> now_;
    std::string why_;  // "" = jobs may go on
    TimePoint asked_{};
    TimePoint last_excess_{};
    bool has_asked_ = false;
};

/// @return what asks that server itself for the lag of its replicas: all a command line can know
/// @param db outlives it, and is used between the statements of the job
[[nodiscard]] std::function<Load()> load_of_replicas(Connection& db);

}  // namespace weir::maintenance
