#include "admin/commands.hpp"

#include "admin/orders.hpp"
#include "admin/policy_question.hpp"
#include "admin/show.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace weir::admin {

namespace {

/// A command before what it shows is looked up.
struct Entry {
    std::string_view name;
    Role role;
    Needs needs;
    std::string_view help;
    Show (*show)();  ///< null: the usage notice
};

using enum Needs;

constexpr Role kViewer = Role::Viewer;

constexpr std::array kEntries{
    Entry{"help", kViewer, Nothing, "this list", nullptr},
    Entry{"config", kViewer, Nothing, "the settings in force, secrets masked", &show_config},
    Entry{"databases", kViewer, Pools, "the databases clients can ask for", &show_databases},
    Entry{"pools",
          kViewer,
          Pools,
          "one row per database and user: clients, server connections, waits",
          &show_pools},
    Entry{"clients", kViewer, Connections, "one row per client", &show_clients},
    Entry{"servers", kViewer, Connections, "one row per server connection", &show_servers},
    Entry{"pins",
          kViewer,
          Connections,
          "clients that keep a server connection, since when and because of which statement",
          &show_pins},
    Entry{"members",
          kViewer,
          Pools,
          "the servers of clusters that have several: role, state, how far a replica is behind",
          &show_members},
    Entry{"breakers",
          kViewer,
          Pools,
          "the circuit breakers of those servers: state, calls, when they are tried again",
          &show_breakers},
    Entry{"cache", kViewer, Pools, "the results kept for reuse: how many, how useful", &show_cache},
    Entry{"cache_rules",
          kViewer,
          Pools,
          "the same by who has said that results may be reused: the rules, the default, comments",
          &show_cache_rules},
    Entry{"sockets",
          kViewer,
          Connections,
          "one row per connection, with what its buffers hold",
          &show_sockets},
    Entry{"active_sockets",
          kViewer,
          Connections,
          "those of them that are in use",
          &show_active_sockets},
    Entry{"fds", Role::Admin, Connections, "the open sockets; no secrets", &show_fds},
    Entry{"activity",
          kViewer,
          Connections,
          "what each busy server connection does, and for whom",
          &show_activity},
    Entry{"users", kViewer, Pools, "the users known, with their limits", &show_users},
    Entry{"version", kViewer, Nothing, "Weir's version", &show_version},
    Entry{"lists", kViewer, Pools, "how many there are of everything", &show_lists},
    Entry{"state", kViewer, Pools, "whether Weir is active, paused or suspended", &show_state},
    Entry{"mem", kViewer, Pools, "memory by kind of object", &show_mem},
    Entry{"health", kViewer, Pools, "what is wrong, and what to do about it", &show_health},
    Entry{"alerts",
          kViewer,
          Pools,
          "the alerts of the configuration, and whether they fire",
          &show_alerts},
    Entry{"jobs",
          kViewer,
          Pools,
          "the jobs of maintenance: when they are due, how far they are, how they ended",
          &show_jobs},
    Entry{"partitions",
          kViewer,
          Pools,
          "the partitioned tables of the configuration: how far ahead there is room",
          &show_partitions},
    Entry{"statements",
          kViewer,
          Ledger,
          "the statements of the last 24 hours that took the most time",
          &show_statements},
    Entry{"slow", kViewer, Ledger, "slow and failed statements, newest first", &show_slow},
    Entry{"errors",
          kViewer,
          Ledger,
          "the errors of the last 24 hours by SQLSTATE, then by pattern",
          &show_errors},
    Entry{"sessions", kViewer, Ledger, "clients that have gone, newest first", &show_sessions},
    Entry{"events",
          kViewer,
          Ledger,
          "reloads, failovers, breakers, what pools went through",
          &show_events},
    Entry{"audit", Role::Admin, Ledger, "who changed what, newest first", &show_audit},
    Entry{"ledger", kViewer, Nothing, "how the ledger does, and what it had to drop", &show_ledger},
    Entry{"peers", kViewer, Nothing, "none: Weir has no peers", &show_peers},
    Entry{"peer_pools", kViewer, Nothing, "none: Weir has no peers", &show_peer_pools},
    Entry{"dns_hosts", kViewer, Nothing, "none: Weir keeps no DNS cache", &show_dns_hosts},
    Entry{"dns_zones", kViewer, Nothing, "none: Weir keeps no DNS cache", &show_dns_zones},
    Entry{"stats",
          kViewer,
          Pools,
          "per database: totals since the start, averages of the last minute",
          &show_stats},
    Entry{
        "stats_totals", kViewer, Pools, "per database: totals since the start", &show_stats_totals},
    Entry{"stats_averages",
          kViewer,
          Pools,
          "per database: averages of the last minute",
          &show_stats_averages},
    Entry{"totals", kViewer, Pools, "totals and averages over all databases", &show_totals},
};

std::vector<Command> make_table() {
    std::vector<Command> made;
    made.reserve(kEntries.size());
    for (const Entry& entry : kEntries) {
        const Show show = entry.show == nullptr ? Show{} : entry.show();
        made.push_back({.name = entry.name,
                        .role = entry.role,
                        .needs = entry.needs,
                        .help = entry.help,
                        .columns = show.columns,
                        .rows = show.rows});
    }
    return made;
}

const std::vector<Command>& table() {
    static const std::vector<Command> kCommands = make_table();
    return kCommands;
}

std::string upper(std::string_view text) {
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return result;
}

}  // namespace

std::span<const Command> commands() {
    return table();
}

const Command* find_command(std::string_view name) {
    const auto found = std::find_if(table().begin(), table().end(), [name](const Command& command) {
        return command.name == name;
    });
    return found == table().end() ? nullptr : &*found;
}

std::optional<protocol::ErrorFields> refuse(Role needed, Role role) {
    if (needed == Role::Admin && role != Role::Admin) {
        return protocol::ErrorFields{.severity = protocol::Severity::Error,
                                     .sqlstate = sqlstate::kInsufficientPrivilege,
                                     .message = "admin access needed",
                                     .detail = "",
                                     .hint = ""};
    }
    return std::nullopt;
}

protocol::ErrorFields usage_notice() {
    constexpr std::size_t kHelpColumn = 16;
    std::string detail;
    for (const Command& command : commands()) {
        const std::string name = upper(command.name);
        detail += "\n\tSHOW " + name +
                  std::string(kHelpColumn - std::min(kHelpColumn - 1, name.size()), ' ');
        detail += command.help;
    }
    detail += "\n\t" + std::string{kPolicyUsage};
    detail += "\n\tSET key = arg";
    for (const OrderCommand& command : order_commands()) {
        detail += "\n\t" + std::string{command.usage};
    }
    return {.severity = protocol::Severity::Notice,
            .sqlstate = sqlstate::kSuccessfulCompletion,
            .message = "Console usage",
            .detail = detail,
            .hint = ""};
}

}  // namespace weir::admin
