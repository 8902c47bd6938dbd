#pragma once

#include "maintenance/partition_analyze.hpp"
#include "proxy/main_convert.hpp"
#include "proxy/main_maintenance.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

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
    using Job = std::function<maintenance::JobResult(maintenance::JobContext&,
                                                     const conf::PartitionSettings&)>;

    void add_create();
    void add_cleanup();
    void add_analyze();

    [[nodiscard]] int list(MaintenanceSession& session) const;
    [[nodiscard]] int analyze(MaintenanceSession& session) const;
    [[nodiscard]] int create(MaintenanceSession& session) const;
    [[nodiscard]] int create_for_value(MaintenanceSession& session) const;
    [[nodiscard]] int cleanup(MaintenanceSession& session) const;
    /// Does a job for each of the tables that are meant; what befalls one is no other's.
    [[nodiscard]] int for_each(MaintenanceSession& session, const Job& job) const;
    /// @return the entries of the configuration that are meant, with the switches on top
    [[nodiscard]] maintenance::Answer<std::vector<conf::PartitionSettings>> wanted(
        MaintenanceSession& session) const;
    [[nodiscard]] std::vector<conf::PartitionSettings> all_configured(
        const conf::Config& config) const;
    [[nodiscard]] maintenance::Answer<std::vector<conf::PartitionSettings>> named(
        MaintenanceSession& session) const;
    [[nodiscard]] maintenance::Answer<void> add_switches(conf::PartitionSettings& settings) const;
    [[nodiscard]] maintenance::Answer<void> add_retention(conf::PartitionSettings& settings) const;
    [[nodiscard]] conf::MaintenanceSettings maintenance_of(const MaintenanceSession& session) const;

    CLI::App* partition_;
    CLI::App* list_;
    CLI::App* analyze_;
    CLI::App* create_;
    CLI::App* cleanup_;
    ConvertCommand convert_;
    MaintenanceArguments arguments_;
    std::string table_;
    std::string key_;
    std::string interval_;
    std::string ahead_min_;
    std::string ahead_max_;
    std::string default_;
    std::string name_;
    std::string value_;
    std::string timezone_;
    std::string retention_;
    std::string action_;
    std::string quarantine_;
    std::string archive_schema_;
    unsigned max_drops_ = 0;
    bool is_enforced_ = false;
    maintenance::PartitionThresholds thresholds_;
};

}  // namespace weir::proxy
