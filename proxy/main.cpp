// The program: arguments -> configuration -> Server -> exit code. Wires the folders together;
// nobody includes it.

#include "admin/alerts.hpp"
#include "admin/health_command.hpp"
#include "admin/http_endpoint.hpp"
#include "admin/ledger_visit.hpp"
#include "admin/stats_history.hpp"
#include "base/log.hpp"
#include "conf/import_pgbouncer.hpp"
#include "conf/load.hpp"
#include "conf/reference.hpp"
#include "ledger/ledger.hpp"
#include "net/service.hpp"
#include "proxy/admin_consoles.hpp"
#include "proxy/main_aggregate.hpp"
#include "proxy/main_cache.hpp"
#include "proxy/main_doctor.hpp"
#include "proxy/main_healing.hpp"
#include "proxy/main_jobs.hpp"
#include "proxy/main_ledger.hpp"
#include "proxy/main_maintain.hpp"
#include "proxy/main_partition.hpp"
#include "proxy/main_service.hpp"
#include "proxy/main_stats.hpp"
#include "proxy/main_task.hpp"
#include "proxy/main_view.hpp"
#include "proxy/pid_file.hpp"
#include "proxy/server.hpp"
#include "proxy/tls_contexts.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr int kExitFine = 0;
constexpr int kExitFindings = 1;
constexpr int kExitCritical = 2;

struct Arguments {
    std::string config_path;
    std::string ini_path;
    bool defaults = false;
    bool reference = false;
    bool json = false;
    double drain_timeout_s = 30;
};

void print_problems(const weir::conf::LoadResult& loaded) {
    for (const weir::conf::Problem& problem : loaded.problems) {
        std::cerr << problem.text() << '\n';
    }
}

/// Starts the HTTP side, if it is configured.
/// @return "" or what is wrong, for a person
std::string start_http(weir::proxy::Server& server,
                       const weir::admin::StatsHistory& history,
                       weir::ledger::Ledger* ledger,
                       std::unique_ptr<weir::admin::HttpEndpoint>& http) {
    const weir::conf::ConfigPtr config = server.config();
    if (!config->http.address) {
        return {};
    }
    weir::admin::HttpOptions options;
    options.address = *config->http.address;
    options.credentials = {config->http.user, config->http.password};
    weir::admin::HttpStart started = weir::admin::HttpEndpoint::start(
        options, {server, history, [&server] { return server.config(); }, WEIR_VERSION, ledger});
    http = std::move(started.endpoint);
    if (http != nullptr) {
        weir::log::info("http_listening",
                        {{"address", config->http.address->host}, {"port", http->port()}});
    }
    return started.problem;
}

/// Everything between the configuration and the exit code.
int run_server(const Arguments& arguments, weir::conf::LoadResult loaded) {
    weir::proxy::ServerOptions options;
    options.config_path = arguments.config_path;
    options.drain_timeout =
        std::chrono::milliseconds{static_cast<std::int64_t>(arguments.drain_timeout_s * 1000)};
    const std::chrono::milliseconds drain_timeout = options.drain_timeout;
    std::vector<std::string> socket_problems;
    options.sockets = weir::net::take_inherited_sockets(socket_problems);
    for (const std::string& problem : socket_problems) {
        weir::log::warn("inherited_socket", {{"problem", problem}});
    }
    std::unique_ptr<weir::proxy::PidFile> pid_file;
    if (const std::string& path = loaded.config->pid_file; !path.empty()) {
        std::string problem;
        pid_file = weir::proxy::PidFile::open(path, problem);
        if (pid_file == nullptr) {
            weir::log::error("start_failed", {{"reason", problem}});
            return kExitCritical;
        }
    }
    std::unique_ptr<weir::ledger::Ledger> ledger;  // outlives the workers, which write into it
    if (const weir::conf::LedgerSettings& settings = loaded.config->ledger;
        !settings.path.empty()) {
        weir::ledger::Ledger::Options ledger_options;
        ledger_options.settings = settings;
        ledger_options.workers = loaded.config->listen.threads;
        ledger = std::make_unique<weir::ledger::Ledger>(std::move(ledger_options));
    }
    weir::proxy::ServiceReport service;
    weir::proxy::StatsLine stats_line;
    weir::admin::StatsHistory history;
    weir::admin::Alerts alerts{ledger.get(), WEIR_VERSION};  // outlives the server, which asks it
    std::unique_ptr<weir::proxy::AdminConsoles>
        consoles;  // outlives the workers, which the server ends
    std::optional<weir::proxy::MaintenanceJobs>
        jobs;  // outlives the server: workers ask it to the last
    weir::proxy::Server* running = nullptr;
    weir::proxy::Healing healing{[&running] { return running->config(); }, ledger.get()};
    weir::proxy::Server server{std::move(options), std::move(loaded)};
    running = &server;
    server.set_healing(healing);
    consoles =
        std::make_unique<weir::proxy::AdminConsoles>(server, history, WEIR_VERSION, ledger.get());
    server.set_consoles(consoles.get());
    if (ledger != nullptr) {
        server.set_ledger(*ledger);
    }
    weir::proxy::LedgerNotes notes{ledger.get(), server};
    jobs.emplace(ledger.get(), server, drain_timeout);
    server.set_on_event([&](weir::proxy::ServerEvent event) {
        service.on_event(event);
        notes.on_event(event);
        jobs->on_event(event);
    });
    server.set_run_job([&jobs](const std::string& name) { return jobs->run_job(name); });
    server.set_on_gathered([&](weir::status::Snapshot& snapshot) {
        alerts.add_to(snapshot);
        jobs->add_to(snapshot);
    });
    server.set_on_sample([&](const weir::status::Snapshot& snapshot) {
        const weir::TimePoint now = weir::Clock::now();
        history.set_period(server.config()->admin.stats_period);
        history.sample(snapshot, now);
        service.on_sample(snapshot, now);
        stats_line.on_sample(snapshot, now, server.config()->log.stats_every);
        notes.on_sample(snapshot, now);
        jobs->on_sample(snapshot, now);
        const weir::conf::ConfigPtr config = server.config();
        weir::admin::LedgerVisit visit{ledger.get()};
        alerts.on_sample({snapshot, *config, history, WEIR_VERSION, &visit}, now);
    });
    std::unique_ptr<weir::admin::HttpEndpoint> http;
    std::string problem = start_http(server, history, ledger.get(), http);
    if (problem.empty()) {
        problem = server.start();
    }
    if (!problem.empty()) {
        weir::log::error("start_failed", {{"reason", problem}});
        return kExitCritical;
    }
    weir::log::info("started",
                    {{"version", WEIR_VERSION}, {"threads", server.config()->listen.threads}});
    notes.started();
    jobs->follow();
    server.run();
    healing.stop();
    jobs->stop();
    notes.stopped();
    return kExitFine;
}

int serve(const Arguments& arguments) {
    weir::conf::LoadResult loaded =
        weir::conf::load(arguments.config_path, weir::conf::Environment::of_process());
    if (loaded.config == nullptr) {
        print_problems(loaded);
        return kExitCritical;
    }
    if (const std::string problem = weir::log::start(loaded.config->log); !problem.empty()) {
        std::cerr << "weir: cannot open the log: " << problem << '\n';
        return kExitCritical;
    }
    for (const std::string& note : loaded.notes) {
        weir::log::warn("config_note", {{"note", note}});
    }
    std::signal(SIGPIPE, SIG_IGN);
    const int exit_code = run_server(arguments, std::move(loaded));
    weir::log::info("stopped");
    weir::log::stop();
    return exit_code;
}

int check(const Arguments& arguments) {
    weir::conf::LoadResult loaded =
        weir::conf::load(arguments.config_path, weir::conf::Environment::of_process());
    if (loaded.config != nullptr) {
        loaded.problems = weir::proxy::open_tls(*loaded.config, loaded).problems;
    }
    for (const weir::conf::Problem& problem : loaded.problems) {
        std::cout << problem.text() << '\n';
    }
    for (const std::string& note : loaded.notes) {
        std::cout << "note: " << note << '\n';
    }
    if (loaded.problems.empty()) {
        std::cout << "fine: "
                  << (arguments.config_path.empty() ? "environment" : arguments.config_path)
                  << '\n';
    }
    return loaded.problems.empty() ? kExitFine : kExitFindings;
}

int show_config(const Arguments& arguments) {
    if (arguments.defaults) {
        std::cout << weir::conf::defaults_toml();
        return kExitFine;
    }
    if (arguments.reference) {
        std::cout << weir::conf::reference_markdown();
        return kExitFine;
    }
    const weir::conf::LoadResult loaded =
        weir::conf::load(arguments.config_path, weir::conf::Environment::of_process());
    if (loaded.config == nullptr) {
        print_problems(loaded);
        return kExitCritical;
    }
    std::cout << weir::conf::config_toml(*loaded.config);
    return kExitFine;
}

int health(const Arguments& arguments) {
    const weir::conf::LoadResult loaded =
        weir::conf::load(arguments.config_path, weir::conf::Environment::of_process());
    if (loaded.config == nullptr) {
        print_problems(loaded);
        return kExitCritical;
    }
    using weir::admin::HealthForm;
    return weir::admin::print_health(loaded.config->http,
                                     arguments.json ? HealthForm::Json : HealthForm::Text,
                                     std::cout,
                                     std::cerr);
}

int import_pgbouncer(const Arguments& arguments) {
    const weir::conf::PgBouncerImport import = weir::conf::import_pgbouncer(arguments.ini_path);
    for (const weir::conf::Problem& problem : import.problems) {
        std::cerr << problem.text() << '\n';
    }
    if (!import.problems.empty()) {
        return kExitCritical;
    }
    std::cout << import.toml;
    for (const weir::conf::Problem& finding : import.findings) {
        std::cerr << finding.text() << '\n';
    }
    for (const std::string& note : import.notes) {
        std::cerr << "note: " << note << '\n';
    }
    return import.findings.empty() ? kExitFine : kExitFindings;
}

int run(int argc, char** argv) {
    Arguments arguments;
    CLI::App app{"Weir: a connection-pooling proxy for PostgreSQL"};
    app.set_version_flag("--version", std::string{"weir "} + WEIR_VERSION);
    app.require_subcommand(0, 1);
    const auto add_config = [&arguments](CLI::App& command) {
        command.add_option("-c,--config",
                           arguments.config_path,
                           "the weir.toml; without it DATABASE_URL or DB_* are used");
    };
    const auto add_serve = [&](CLI::App& command) {
        add_config(command);
        command.add_option("--drain-timeout",
                           arguments.drain_timeout_s,
                           "seconds that transactions may take after TERM");
    };
    add_serve(app);
    add_serve(*app.add_subcommand("serve", "run the proxy (the default)"));
    CLI::App* check_command =
        app.add_subcommand("check", "say every mistake in a configuration; exit 1 if any");
    add_config(*check_command);
    CLI::App* import_command = app.add_subcommand(
        "import-pgbouncer",
        "print the weir.toml that does what a pgbouncer.ini does; exit 1 if anything differs");
    import_command->add_option("file", arguments.ini_path, "the pgbouncer.ini")->required();
    CLI::App* config_command =
        app.add_subcommand("config", "print the settings in force, secrets masked");
    add_config(*config_command);
    config_command->add_flag(
        "--defaults", arguments.defaults, "print every setting with its default");
    config_command->add_flag(
        "--reference", arguments.reference, "print the reference of all settings (docs/config.md)");
    CLI::App* health_command = app.add_subcommand(
        "health", "say how the running process does; exit 1 if degraded, 2 if critical");
    add_config(*health_command);
    health_command->add_flag("--json", arguments.json, "print what /api/health says");
    const weir::proxy::CacheCommands cache_commands{app};
    const weir::proxy::LedgerCommands ledger_commands{app};
    const weir::proxy::PartitionCommands partition_commands{app};
    const weir::proxy::AggregateCommands aggregate_commands{app};
    const weir::proxy::DoctorCommand doctor_command{app};
    const weir::proxy::MaintainCommands maintain_commands{app};
    const weir::proxy::TaskCommands task_commands{app};
    const weir::proxy::ViewCommands view_commands{app};
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& problem) {
        return app.exit(problem) == 0 ? kExitFine : kExitCritical;
    }
    if (check_command->parsed()) {
        return check(arguments);
    }
    if (import_command->parsed()) {
        return import_pgbouncer(arguments);
    }
    if (config_command->parsed()) {
        return show_config(arguments);
    }
    if (health_command->parsed()) {
        return health(arguments);
    }
    if (cache_commands.is_wanted()) {
        return cache_commands.run();
    }
    if (ledger_commands.is_wanted()) {
        return ledger_commands.run();
    }
    if (partition_commands.is_wanted()) {
        return partition_commands.run();
    }
    if (aggregate_commands.is_wanted()) {
        return aggregate_commands.run();
    }
    if (doctor_command.is_wanted()) {
        return doctor_command.run();
    }
    if (maintain_commands.is_wanted()) {
        return maintain_commands.run();
    }
    if (task_commands.is_wanted()) {
        return task_commands.run();
    }
    if (view_commands.is_wanted()) {
        return view_commands.run();
    }
    return serve(arguments);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& problem) {
        std::cerr << "weir: " << problem.what() << '\n';
        return kExitCritical;
    }
}
