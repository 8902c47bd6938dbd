#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace weir::proxy {

/// `weir cache …`: what was given on the command line. Part of the main program.
class CacheCommands {
public:
    /// Adds its subcommands. @param app is parsed before this is gone
    explicit CacheCommands(CLI::App& app);

    /// @return whether one of them was given
    [[nodiscard]] bool is_wanted() const { return cache_->parsed(); }

    /// Runs it. @return the exit status
    [[nodiscard]] int run() const;

private:
    CLI::App* cache_;
    CLI::App* stats_;
    CLI::App* clear_;
    std::string config_path_;
    std::string user_;
    bool json_ = false;
    std::string table_;
    std::string pattern_;
};

}  // namespace weir::proxy
