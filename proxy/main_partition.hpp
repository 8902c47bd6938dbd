#pragma once

#include "proxy/main_maintenance.hpp"

#include <CLI/CLI.hpp>

#include <string>

namespace weir::proxy {

/// `weir partition …`: what was given on the command line.
class PartitionCommands {
public:
    /// Adds its subcommands. @param app is parsed before this is gone
    explicit PartitionCommands(CLI::App& app);

    [[nodiscard]] bool is_wanted() const { return partition_->parsed(); }

    /// Runs it. @return the exit status
    [[nodiscard]] int run() const;

private:
    CLI::App* partition_;
    CLI::App* list_;
    MaintenanceArguments arguments_;
    std::string table_;
};

}  // namespace weir::proxy
