#pragma once

#include "proxy/main_maintenance.hpp"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace weir::proxy {

/// `weir view …`: what was given on the command line.
class ViewCommands {
public:
    /// Adds its subcommands. @param app is parsed before this is gone
    explicit ViewCommands(CLI::App& app);

    [[nodiscard]] bool is_wanted() const { return view_->parsed(); }

    /// Runs it. @return the exit status
    [[nodiscard]] int run() const;

private:
    [[nodiscard]] int list() const;
    [[nodiscard]] int refresh() const;

    CLI::App* view_;
    CLI::App* list_;
    CLI::App* refresh_;
    MaintenanceArguments arguments_;
    std::vector<std::string> names_;
    bool is_forced_ = false;
};

}  // namespace weir::proxy
