#include "proxy/main_ledger.hpp"

#include "admin/ledger_command.hpp"
#include "conf/load.hpp"

#include <iostream>
#include <utility>

namespace weir::proxy {

using events::Severity;

LedgerNotes::LedgerNotes(ledger::Ledger* ledger, Server& server)
    : ledger_{ledger},
      server_{server},
      changes_{ledger == nullptr ? nullptr : std::make_unique<admin::ChangeNotes>(*ledger)},
      applied_{server.config()} {}

void LedgerNotes::on_sample(const status::Snapshot& snapshot, TimePoint now) {
    if (ledger_ == nullptr) {
        return;
    }
    changes_->on_sample(snapshot, now);
    // A reload, or SET.
    if (conf::ConfigPtr config = server_.config(); config != applied_) {
        ledger_->apply(config->ledger);
        applied_ = std::move(config);
    }
}

void LedgerNotes::note(Severity severity, const char* kind, std::string what) {
    if (ledger_ != nullptr) {
        ledger_->note(events::Event{
            .kind = kind, .object = "", .severity = severity, .what = std::move(what), .data = ""});
    }
}

void LedgerNotes::started() {
    note(Severity::Info, "process", std::string{"Weir "} + WEIR_VERSION + " has started");
}

void LedgerNotes::stopped() {
    note(Severity::Info, "process", "Weir has ended");
}

void LedgerNotes::on_event(ServerEvent event) {
    switch (event) {
        case ServerEvent::Listening: return;
        case ServerEvent::ReloadBegan: before_ = server_.config(); return;
        case ServerEvent::ReloadEnded: {
            // A configuration that was taken is another object, also where it says the same.
            const bool is_taken = std::exchange(before_, nullptr) != server_.config();
            note(is_taken ? Severity::Info : Severity::Warning,
                 "reload",
                 is_taken ? "the configuration was read again"
                          : "the configuration was refused, and that before goes on; the log says "
                            "why");
            return;
        }
        case ServerEvent::DrainBegan:
            note(Severity::Info, "process", "the drain has begun");
            return;
        case ServerEvent::CutShort: return;
    }
}

LedgerCommands::LedgerCommands(CLI::App& app)
    : monitor_{app.add_subcommand("monitor", "what the ledger says of the last hours")},
      ledger_{app.add_subcommand("ledger", "the file of the ledger")},
      slow_queries_{monitor_->add_subcommand("slow-queries", "slow statements, newest first")},
      summary_{monitor_->add_subcommand("summary", "statements, errors and waits in numbers")},
      query_{ledger_->add_subcommand("query", "run a SELECT over its tables")},
      backup_{ledger_->add_subcommand("backup", "copy it, also while Weir writes it")},
      verify_{ledger_->add_subcommand("verify", "whether the audit is as it was written")},
      export_{ledger_->add_subcommand("export", "print one of its lists, all pages of it")} {
    constexpr std::int64_t kLimitMax = 1000;
    monitor_->require_subcommand(1);
    ledger_->require_subcommand(1);
    for (CLI::App* command : {slow_queries_, summary_, query_, backup_, verify_, export_}) {
        add_file(*command);
    }
    for (CLI::App* command : {slow_queries_, summary_, query_}) {
        add_forms(*command);
    }
    for (CLI::App* command : {slow_queries_, summary_, export_}) {
        add_hours(*command);
    }
    slow_queries_->add_option("--limit", limit_, "rows at most (20)")
        ->check(CLI::Range(std::int64_t{1}, kLimitMax));
    slow_queries_->add_option("--cursor", cursor_, "where the page before ended: it says so");
    slow_queries_->add_option("--threshold", threshold_ms_, "those that took so many ms, or more")
        ->check(CLI::NonNegativeNumber);
    query_->add_option("sql", sql_, "the SELECT")->required();
    backup_->add_option("to", backup_to_, "the copy; must not exist")->required();
    export_->add_flag("--csv", csv_, "as CSV")->required();
    export_->add_option("--table", table_, "the list (statements)")
        ->check(CLI::IsMember({"statements", "slow", "errors", "sessions", "events", "audit"}));
}

void LedgerCommands::add_file(CLI::App& command) {
    auto* config = command.add_option(
        "-c,--config", config_path_, "the weir.toml that says where it is (ledger.path)");
    command.add_option("--ledger", file_, "the file itself")->excludes(config);
}

void LedgerCommands::add_forms(CLI::App& command) {
    auto* json = command.add_flag("--json", json_, "as JSON");
    command.add_flag("--csv", csv_, "as CSV")->excludes(json);
}

void LedgerCommands::add_hours(CLI::App& command) {
    constexpr std::int64_t kHoursMax = 87'600;
    command.add_option("--hours", hours_, "how far to look back (24)")
        ->check(CLI::Range(std::int64_t{1}, kHoursMax));
}

bool LedgerCommands::is_wanted() const {
    return monitor_->parsed() || ledger_->parsed();
}

int LedgerCommands::run() const {
    using admin::ReportForm;
    std::string file = file_;
    if (file.empty()) {
        const conf::LoadResult loaded = conf::load(config_path_, conf::Environment::of_process());
        if (loaded.config == nullptr) {
            for (const conf::Problem& problem : loaded.problems) {
                std::cerr << problem.text() << '\n';
            }
            return admin::kLedgerFailed;
        }
        file = loaded.config->ledger.path;
    }
    const admin::LedgerCommand command{
        .file = std::move(file),
        .form = json_ ? ReportForm::Json : (csv_ ? ReportForm::Csv : ReportForm::Text),
        .hours = hours_,
        .limit = static_cast<std::size_t>(limit_),
        .cursor = cursor_,
        .threshold_ms = threshold_ms_,
        .out = std::cout,
        .problems = std::cerr};
    if (slow_queries_->parsed()) {
        return admin::print_slow_queries(command);
    }
    if (summary_->parsed()) {
        return admin::print_summary(command);
    }
    if (query_->parsed()) {
        return admin::print_query(command, sql_);
    }
    if (verify_->parsed()) {
        return admin::print_verification(command);
    }
    return backup_->parsed() ? admin::print_backup(command, backup_to_)
                             : admin::print_export(command, table_);
}

}  // namespace weir::proxy
