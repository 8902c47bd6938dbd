#include "proxy/main_cache.hpp"

#include "admin/cache_command.hpp"
#include "conf/load.hpp"

#include <iostream>

namespace weir::proxy {

namespace {

constexpr int kFailed = 2;

}  // namespace

CacheCommands::CacheCommands(CLI::App& app)
    : cache_{app.add_subcommand("cache", "the results that the running process keeps for reuse")},
      stats_{cache_->add_subcommand("stats", "how many there are, and how useful they were")},
      clear_{cache_->add_subcommand("clear", "drop them; without an option all")} {
    cache_->require_subcommand(1);
    for (CLI::App* command : {stats_, clear_}) {
        command->add_option("-c,--config",
                            config_path_,
                            "the weir.toml the process runs with; asks its admin "
                            "database at the first of listen.addresses");
        command->add_option("--user",
                            user_,
                            "who asks (the first of admin.admins); the password is that of the "
                            "weir.toml where it is plain there, or PGPASSWORD's");
    }
    stats_->add_flag("--json", json_, "print what /api/cache says");
    auto* table = clear_->add_option("--table", table_, "results that were read from this table");
    clear_
        ->add_option(
            "--pattern", pattern_, "results of statements like this; * stands for any characters")
        ->excludes(table);
}

int CacheCommands::run() const {
    const conf::LoadResult loaded = conf::load(config_path_, conf::Environment::of_process());
    if (loaded.config == nullptr) {
        for (const conf::Problem& problem : loaded.problems) {
            std::cerr << problem.text() << '\n';
        }
        return kFailed;
    }
    const admin::CacheCommand command{
        .config = *loaded.config, .user = user_, .out = std::cout, .problems = std::cerr};
    if (clear_->parsed()) {
        return admin::clear_cache(command, {.table = table_, .pattern = pattern_});
    }
    return admin::print_cache(command, json_ ? admin::CacheForm::Json : admin::CacheForm::Text);
}

}  // namespace weir::proxy
