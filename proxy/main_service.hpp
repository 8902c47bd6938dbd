#pragma once

#include "base/clock.hpp"
#include "base/status.hpp"
#include "proxy/server.hpp"

#include <chrono>
#include <string>

namespace weir::proxy {

/// Tells the service manager how the process is: ready, reloading, stopping, and with every sample
/// that all event loops have turned (a sample is gathered by all of them).
///
/// @thread the control loop's
class ServiceReport {
public:
    ServiceReport();

    void on_event(ServerEvent event);
    /// To be called with every sample.
    void on_sample(const status::Snapshot& snapshot, TimePoint now);

private:
    std::chrono::microseconds watchdog_;
    std::string status_;  // as last told
    TimePoint next_alive_{};
    bool is_stopping_ = false;
};

}  // namespace weir::proxy
