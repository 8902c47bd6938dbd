#include "proxy/main_maintenance.hpp"

#include "admin/report_table.hpp"
#include "conf/load.hpp"
#include "maintenance/connect_options.hpp"
#include "maintenance/terminal_reporter.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <optional>
#include <utility>
#include <vector>

namespace weir::proxy {

namespace {

constexpr int kFine = 0;
constexpr int kFindings = 1;
constexpr int kFailed = 2;

maintenance::StopSignal& stop_signal() {
    static maintenance::StopSignal signal;
    return signal;
}

extern "C" void on_stop(int /*signal*/) {
    if (stop_signal().is_asked()) {
        stop_signal().cut();
    }
    stop_signal().ask();
}

void heed_signals() {
    static_cast<void>(stop_signal());  // made before a handler may ask for it

    struct sigaction action {};

    action.sa_handler = &on_stop;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

admin::Cell cell_of(const std::optional<std::string>& value, bool is_number) {
    if (!value) {
        return {};
    }
    std::int64_t number = 0;
    const char* const end = value->data() + value->size();
    if (is_number) {
        const auto [at, error] = std::from_chars(value->data(), end, number);
        if (error == std::errc{} && at == end) {
            return number;
        }
    }
    return *value;
}

admin::ReportForm form_of(const MaintenanceArguments& arguments) {
    if (arguments.json) {
        return admin::ReportForm::Json;
    }
    return arguments.csv ? admin::ReportForm::Csv : admin::ReportForm::Text;
}

}  // namespace

void add_place(CLI::App& command, MaintenanceArguments& arguments) {
    command.add_option("-c,--config",
                       arguments.config_path,
                       "the weir.toml; without it DATABASE_URL or DB_* are used");
    command.add_option("--database",
                       arguments.database,
                       "the [database.NAME] to work on; maintenance.database without it");
}

void add_forms(CLI::App& command, MaintenanceArguments& arguments) {
    auto* json = command.add_flag("--json", arguments.json, "print JSON");
    command.add_flag("--csv", arguments.csv, "print CSV")->excludes(json);
    command.add_option("--limit", arguments.limit, "rows at most (all)")
        ->check(CLI::PositiveNumber);
    command.add_option("--cursor", arguments.cursor, "where the page before ended: it says so")
        ->check([](const std::string& text) {
            return text.find_first_not_of("0123456789") == std::string::npos
                       ? std::string{}
                       : text + " is no cursor: the page before says it";
        });
}

void add_dry_run(CLI::App& command, MaintenanceArguments& arguments) {
    command.add_flag(
        "--dry-run", arguments.is_dry, "print the statements and what they lock; change nothing");
}

int run_maintenance(const MaintenanceArguments& arguments,
                    const std::function<int(MaintenanceSession&)>& work) {
    const conf::LoadResult loaded =
        conf::load(arguments.config_path, conf::Environment::of_process());
    if (loaded.config == nullptr) {
        for (const conf::Problem& problem : loaded.problems) {
            std::cerr << problem.text() << '\n';
        }
        return kFailed;
    }
    heed_signals();
    const auto options = maintenance::connect_options(*loaded.config, arguments.database);
    if (!options) {
        return complain(options.error());
    }
    auto connection = maintenance::Connection::open(*options, &stop_signal());
    if (!connection) {
        return complain(connection.error());
    }
    using maintenance::TerminalReporter;
    TerminalReporter reporter{std::cout,
                              std::cerr,
                              isatty(STDERR_FILENO) != 0 ? TerminalReporter::Form::Terminal
                                                         : TerminalReporter::Form::Plain,
                              arguments.is_dry};
    maintenance::JobContext job{.db = *connection,
                                .settings = loaded.config->maintenance,
                                .stop = stop_signal(),
                                .reporter = reporter,
                                .is_dry = arguments.is_dry};
    MaintenanceSession session{*loaded.config, *connection, job};
    const int status = work(session);
    return status == kFine && reporter.has_warned() ? kFindings : status;
}

void print(const maintenance::Report& report, const MaintenanceArguments& arguments) {
    std::vector<admin::Column> columns;
    for (const maintenance::Report::Column& column : report.columns) {
        columns.push_back(
            {column.name, column.is_number ? admin::ColumnType::Int8 : admin::ColumnType::Text});
    }
    const std::size_t all = report.rows.size();
    const std::size_t begin = std::min(arguments.cursor, all);
    const std::size_t end =
        arguments.limit == 0 ? all : begin + std::min(arguments.limit, all - begin);
    std::vector<admin::Row> rows;
    for (std::size_t at = begin; at < end; ++at) {
        const auto& values = report.rows[at];
        admin::Row row;
        for (std::size_t i = 0; i < values.size(); ++i) {
            row.push_back(cell_of(values[i], report.columns[i].is_number));
        }
        rows.push_back(std::move(row));
    }
    admin::print_report(std::cout,
                        form_of(arguments),
                        columns,
                        rows,
                        end < all ? std::to_string(end) : std::string{});
}

int complain(const maintenance::Problem& problem) {
    std::cerr << "weir: " << problem.line() << '\n';
    return kFailed;
}

int conclude(const maintenance::JobResult& result) {
    using End = maintenance::JobResult::End;
    if (!result.text.empty()) {
        std::cerr << (result.end == End::Failed ? "weir: " : "") << result.text << '\n';
    }
    switch (result.end) {
        case End::Done:
        case End::Skipped: return kFine;
        case End::Later:
        case End::PutOff:
        case End::Standby: return kFindings;
        case End::Failed: return kFailed;
    }
    return kFailed;
}

}  // namespace weir::proxy
