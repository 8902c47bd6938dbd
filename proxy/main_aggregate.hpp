#pragma once

#include "proxy/main_maintenance.hpp"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace weir::proxy {

/// `weir aggregate …`: what was given on the command line.
class AggregateCommands {
public:
    /// Adds its subcommands. @param app is parsed before this is gone
    explicit AggregateCommands(CLI::App& app);

    [[nodiscard]] bool is_wanted() const { return aggregate_->parsed(); }

    /// Runs it. @return the exit status
    [[nodiscard]] int run() const;

private:
    /// What is told on the command line instead of in the configuration.
    struct Given {
        std::string source;
        std::string target;
        std::string time;
        std::string bucket;
        std::string late;
        std::string delay;
        std::string view;
        std::string track = "counters";
        std::string kind;
        std::vector<std::string> group_by;
        std::vector<std::string> columns;  ///< NAME=EXPRESSION
        std::vector<std::string> map;      ///< WORD=COLUMN
    };

    void add_definition(CLI::App& command);
    [[nodiscard]] maintenance::Answer<conf::AggregateSettings> given_settings() const;
    [[nodiscard]] maintenance::Answer<std::vector<conf::AggregateSettings>> chosen(
        const conf::Config& config) const;
    [[nodiscard]] int run_all(MaintenanceSession& session) const;
    [[nodiscard]] int list_all(MaintenanceSession& session) const;
    [[nodiscard]] int verify_all(MaintenanceSession& session) const;
    [[nodiscard]] int forget_all(MaintenanceSession& session) const;

    CLI::App* aggregate_;
    CLI::App* run_;
    CLI::App* list_;
    CLI::App* backfill_;
    CLI::App* verify_;
    CLI::App* forget_;
    MaintenanceArguments arguments_;
    Given given_;
    std::vector<std::string> targets_;
    std::string from_;
    std::string to_;
    bool rebuilds_ = false;
    bool repairs_ = false;
};

}  // namespace weir::proxy
