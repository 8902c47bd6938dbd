#pragma once

#include "base/control.hpp"
#include "base/status.hpp"
#include "ledger/ledger.hpp"
#include "maintenance/scheduler.hpp"
#include "proxy/main_load.hpp"
#include "proxy/server.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace weir::proxy {

/// The jobs of [maintenance] in the process that serves: begun when it is first enabled, ended with
/// it.
///
/// @thread the control loop's
class MaintenanceJobs {
public:
    /// @param ledger null = off; outlives this
    /// @param server is asked while it runs; may be gone before this is
    /// @param patience how long a job that runs may take to come to a border once a drain has begun
    MaintenanceJobs(ledger::Ledger* ledger,
                    const Server& server,
                    std::chrono::milliseconds patience)
        : ledger_{ledger}, server_{server}, patience_{patience} {}

    /// Every second: follow(), and how busy clients keep the database.
    void on_sample(const status::Snapshot& snapshot, TimePoint now);
    /// Does what the configuration in force says.
    void follow();
    void on_event(ServerEvent event);
    [[nodiscard]] control::Answer run_job(const std::string& name);
    void add_to(status::Snapshot& snapshot) const;
    /// Ends them: waits for what is left of the patience of a drain, not at all without one. TERM,
    /// INT and QUIT end the wait.
    void stop();

private:
    ledger::Ledger* ledger_;
    const Server& server_;
    std::chrono::milliseconds patience_;
    conf::ConfigPtr followed_;
    ClientLoad load_;  // outlives the scheduler, which asks it
    std::unique_ptr<maintenance::Scheduler> scheduler_;
    std::optional<TimePoint> asked_at_;
    bool is_cut_short_ = false;
};

}  // namespace weir::proxy
