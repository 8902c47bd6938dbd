#pragma once

#include "proxy/main_maintenance.hpp"

#include <CLI/CLI.hpp>

namespace weir::proxy {

/// `weir doctor`: what was given on the command line.
class DoctorCommand {
public:
    /// Adds its subcommand. @param app is parsed before this is gone
    explicit DoctorCommand(CLI::App& app);

    [[nodiscard]] bool is_wanted() const { return doctor_->parsed(); }

    /// Runs it. @return 0; 1 where something will not work as configured, 2 where Weir cannot work
    [[nodiscard]] int run() const;

private:
    CLI::App* doctor_;
    MaintenanceArguments arguments_;
};

}  // namespace weir::proxy
