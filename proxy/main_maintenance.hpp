#pragma once

#include "conf/model.hpp"
#include "maintenance/connection.hpp"
#include "maintenance/job.hpp"
#include "maintenance/report.hpp"

#include <CLI/CLI.hpp>

#include <cstddef>
#include <functional>
#include <string>

namespace weir::proxy {

/// What all commands take that work on the database themselves.
struct MaintenanceArguments {
    std::string config_path;
    std::string database;  ///< "" = maintenance.database
    bool is_dry = false;
    bool json = false;
    bool csv = false;
    std::size_t limit = 0;   ///< rows of a list; 0 = all
    std::size_t cursor = 0;  ///< rows before the first that is wanted
};

/// --config and --database.
void add_place(CLI::App& command, MaintenanceArguments& arguments);
/// --json, --csv, --limit and --cursor.
void add_forms(CLI::App& command, MaintenanceArguments& arguments);
/// --dry-run.
void add_dry_run(CLI::App& command, MaintenanceArguments& arguments);

/// What such a command is given.
struct MaintenanceSession {
    const conf::Config& config;
    maintenance::Connection& db;
    maintenance::JobContext& job;  ///< reports to the terminal
};

/// Loads the configuration, logs in to the primary and runs `work`; the first INT or TERM ends it
/// at the next border, the second at once.
/// @return what `work` does, or 2 after having said why it could not be run
[[nodiscard]] int run_maintenance(const MaintenanceArguments& arguments,
                                  const std::function<int(MaintenanceSession&)>& work);

/// Prints it to standard output as the arguments say.
void print(const maintenance::Report& report, const MaintenanceArguments& arguments);
/// Says what is wrong. @return 2
int complain(const maintenance::Problem& problem);
/// Says how a job ended. @return 0, or 1 where something is left to be done, 2 where it failed
int conclude(const maintenance::JobResult& result);

}  // namespace weir::proxy
