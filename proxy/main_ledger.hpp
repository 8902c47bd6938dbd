#pragma once

#include "admin/change_notes.hpp"
#include "base/clock.hpp"
#include "base/events.hpp"
#include "base/status.hpp"
#include "conf/model.hpp"
#include "ledger/ledger.hpp"
#include "proxy/server.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace weir::proxy {

/// Tells the ledger what befalls the process: start and stop, reloads, drains, and what samples
/// show; and tells it of new settings. Part of the main program.
///
/// @thread the control loop's
class LedgerNotes {
public:
    /// @param ledger null = off; outlives this, as the server does
    LedgerNotes(ledger::Ledger* ledger, Server& server);

    void started();
    void stopped();
    void on_event(ServerEvent event);
    void on_sample(const status::Snapshot& snapshot, TimePoint now);

private:
    void note(events::Severity severity, const char* kind, std::string what);

    ledger::Ledger* ledger_;
    Server& server_;
    std::unique_ptr<admin::ChangeNotes> changes_;  ///< null where there is no ledger
    conf::ConfigPtr applied_;                      ///< whose settings the ledger has
    conf::ConfigPtr before_;                       ///< in force when the reload under way began
};

/// `weir monitor …` and `weir ledger …`: what was given on the command line.
class LedgerCommands {
public:
    /// Adds its subcommands. @param app is parsed before this is gone
    explicit LedgerCommands(CLI::App& app);

    /// @return whether one of them was given
    [[nodiscard]] bool is_wanted() const;
    /// Runs it. @return the exit status
    [[nodiscard]] int run() const;

private:
    void add_file(CLI::App& command);
    void add_forms(CLI::App& command);
    void add_hours(CLI::App& command);

    CLI::App* monitor_;
    CLI::App* ledger_;
    CLI::App* slow_queries_;
    CLI::App* summary_;
    CLI::App* query_;
    CLI::App* backup_;
    CLI::App* verify_;
    CLI::App* export_;
    std::string config_path_;
    std::string file_;  ///< --ledger
    bool json_ = false;
    bool csv_ = false;
    std::int64_t hours_ = 24;
    std::int64_t limit_ = 20;
    std::string cursor_;
    double threshold_ms_ = 0;
    std::string sql_;
    std::string backup_to_;
    std::string table_ = "statements";
};

}  // namespace weir::proxy
