#pragma once

#include "proxy/main_maintenance.hpp"

#include <CLI/CLI.hpp>

namespace weir::proxy {

/// `weir maintain` and `weir optimize …`: what was given on the command line.
class MaintainCommands {
public:
    /// Adds its subcommands. @param app is parsed before this is gone
    explicit MaintainCommands(CLI::App& app);

    [[nodiscard]] bool is_wanted() const { return maintain_->parsed() || optimize_->parsed(); }

    /// Runs it. @return the exit status
    [[nodiscard]] int run() const;

private:
    [[nodiscard]] int maintain() const;
    [[nodiscard]] int optimize_maintenance() const;

    CLI::App* maintain_;
    CLI::App* optimize_;
    CLI::App* optimize_maintenance_;
    MaintenanceArguments arguments_;
    bool no_partitions_ = false;
    bool no_aggregates_ = false;
    bool no_refresh_ = false;
    bool no_analyze_ = false;
    bool vacuums_ = false;
    bool drops_old_partitions_ = false;
    bool applies_ = false;
};

}  // namespace weir::proxy
