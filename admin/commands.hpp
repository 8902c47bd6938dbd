#pragma once

#include "admin/stats_history.hpp"
#include "admin/table.hpp"
#include "base/status.hpp"
#include "conf/model.hpp"
#include "protocol/error_reply.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::admin {

class LedgerVisit;

/// What somebody logged in to the admin database may do: [admin] viewers and admins.
enum class Role : std::uint8_t { Viewer, Admin };

/// What a command must be given before it can answer.
enum class Needs : std::uint8_t {
    Nothing,
    Ledger,       ///< asks the ledger, which takes its time: not on an event loop
    Pools,        ///< a snapshot without rows per connection
    Connections,  ///< a snapshot with them
};

/// Everything a command may look at; valid during the call. The snapshot is empty for
/// Needs::Nothing and Needs::Ledger.
struct CommandInput {
    const status::Snapshot& snapshot;
    const conf::Config& config;
    const StatsHistory& history;
    std::string_view version;
    LedgerVisit* ledger = nullptr;  ///< null: commands of the ledger have no rows
};

/// A row of the one table of commands.
struct Command {
    std::string_view name;  ///< the word after SHOW, in lower case
    Role role = Role::Admin;
    Needs needs = Needs::Nothing;
    std::string_view help;
    std::span<const Column> columns;  ///< none: the answer is the usage notice
    std::vector<Row> (*rows)(const CommandInput&) = nullptr;  ///< null where there are no columns
};

/// @return every SHOW command, in the order SHOW HELP lists them
[[nodiscard]] std::span<const Command> commands();

/// @param name in lower case @return null when there is none
[[nodiscard]] const Command* find_command(std::string_view name);

/// The one place that compares roles. @return what to answer instead when the role is not enough
[[nodiscard]] std::optional<protocol::ErrorFields> refuse(Role needed, Role role);

/// @return the NoticeResponse of SHOW HELP
[[nodiscard]] protocol::ErrorFields usage_notice();

}  // namespace weir::admin
