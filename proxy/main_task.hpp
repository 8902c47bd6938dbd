#pragma once

#include "proxy/main_maintenance.hpp"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace weir::proxy {

/// `weir task …`: what was given on the command line.
class TaskCommands {
public:
    /// Adds its subcommands. @param app is parsed before this is gone
    explicit TaskCommands(CLI::App& app);

    [[nodiscard]] bool is_wanted() const { return task_->parsed(); }

    /// Runs it. @return the exit status
    [[nodiscard]] int run() const;

private:
    CLI::App* task_;
    CLI::App* run_;
    MaintenanceArguments arguments_;
    std::vector<std::string> names_;
};

}  // namespace weir::proxy
