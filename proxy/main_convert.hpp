#pragma once

#include "maintenance/convert_facts.hpp"
#include "proxy/main_maintenance.hpp"

#include <CLI/CLI.hpp>

#include <string>

namespace weir::proxy {

/// `weir partition convert …`: what was given on the command line.
class ConvertCommand {
public:
    /// Adds it to `weir partition`. @param partition is parsed before this is gone
    explicit ConvertCommand(CLI::App& partition);

    [[nodiscard]] bool is_wanted() const { return convert_->parsed(); }

    /// Runs it. @return the exit status
    [[nodiscard]] int run() const;

private:
    [[nodiscard]] maintenance::Answer<maintenance::ConvertWish> wish(
        const MaintenanceSession& session) const;

    CLI::App* convert_;
    MaintenanceArguments arguments_;
    std::string table_;
    std::string key_;
    std::string interval_;
    std::string ahead_;
    std::string name_;
    std::string timezone_;
    bool widens_primary_key_ = false;
    bool empties_default_ = false;
};

}  // namespace weir::proxy
