#include "proxy/main_task.hpp"

#include "maintenance/task.hpp"

#include <algorithm>

namespace weir::proxy {

TaskCommands::TaskCommands(CLI::App& app)
    : task_{app.add_subcommand("task", "SQL of your own that is run on a schedule")},
      run_{task_->add_subcommand("run", "run one now, whatever its schedule says")} {
    task_->require_subcommand(1);
    add_place(*run_, arguments_);
    add_dry_run(*run_, arguments_);
    run_->add_option("name", names_, "the name of a [[task]]; several are run in this order")
        ->required();
}

int TaskCommands::run() const {
    return run_maintenance(arguments_, [this](MaintenanceSession& session) {
        int worst = 0;
        for (const std::string& name : names_) {
            const auto& tasks = session.config.tasks;
            const auto task = std::find_if(
                tasks.begin(), tasks.end(), [&name](const auto& one) { return one.name == name; });
            const int status =
                task == tasks.end()
                    ? complain({name + ": no such task", {}, "it must be the name of a [[task]]"})
                    : conclude(maintenance::run_task(session.job, *task));
            worst = std::max(worst, status);
        }
        return worst;
    });
}

}  // namespace weir::proxy
