#include "admin/commands.hpp"

#include "admin/orders.hpp"
#include "admin/show.hpp"

#include <algorithm>
#include <array>

namespace weir::admin {

namespace {

Command make(
    std::string_view name, Role role, Needs needs, std::string_view help, const Show& show) {
    return {.name = name,
            .role = role,
            .needs = needs,
            .help = help,
            .columns = show.columns,
            .rows = show.rows};
}

const auto& table() {
    using enum Needs;
    constexpr Role kViewer = Role::Viewer;
    static const std::array kCommands{
        make("help", kViewer, Nothing, "this list", Show{}),
        make("config", kViewer, Nothing, "the settings in force, secrets masked", show_config()),
        make("databases", kViewer, Pools, "the databases clients can ask for", show_databases()),
        make("pools",
             kViewer,
             Pools,
             "one row per database and user: clients, server connections, waits",
             show_pools()),
        make("clients", kViewer, Connections, "one row per client", show_clients()),
        make("servers", kViewer, Connections, "one row per server connection", show_servers()),
        make("pins",
             kViewer,
             Connections,
             "clients that keep a server connection, since when and because of which statement",
             show_pins()),
        make("sockets",
             kViewer,
             Connections,
             "one row per connection, with what its buffers hold",
             show_sockets()),
        make("active_sockets",
             kViewer,
             Connections,
             "those of them that are in use",
             show_active_sockets()),
        make("fds", Role::Admin, Connections, "the open sockets; no secrets", show_fds()),
        make("activity",
             kViewer,
             Connections,
             "what each busy server connection does, and for whom",
             show_activity()),
        make("users", kViewer, Pools, "the users known, with their limits", show_users()),
        make("version", kViewer, Nothing, "Weir's version", show_version()),
        make("lists", kViewer, Pools, "how many there are of everything", show_lists()),
        make("state", kViewer, Pools, "whether Weir is active, paused or suspended", show_state()),
        make("mem", kViewer, Pools, "memory by kind of object", show_mem()),
        make("health", kViewer, Pools, "what is wrong, and what to do about it", show_health()),
        make("peers", kViewer, Nothing, "none: Weir has no peers", show_peers()),
        make("peer_pools", kViewer, Nothing, "none: Weir has no peers", show_peer_pools()),
        make("dns_hosts", kViewer, Nothing, "none: Weir keeps no DNS cache", show_dns_hosts()),
        make("dns_zones", kViewer, Nothing, "none: Weir keeps no DNS cache", show_dns_zones()),
        make("stats",
             kViewer,
             Pools,
             "per database: totals since the start, averages of the last minute",
             show_stats()),
        make("stats_totals",
             kViewer,
             Pools,
             "per database: totals since the start",
             show_stats_totals()),
        make("stats_averages",
             kViewer,
             Pools,
             "per database: averages of the last minute",
             show_stats_averages()),
        make("totals", kViewer, Pools, "totals and averages over all databases", show_totals()),
    };
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
    detail += "\n\tSET key = arg";
    for (const OrderCommand& command : order_commands()) {
        detail += "\n\t" + std::string{command.usage};
    }
    return {.severity = protocol::Severity::Notice,
            .sqlstate = SqlState{"00000"},
            .message = "Console usage",
            .detail = detail,
            .hint = ""};
}

}  // namespace weir::admin
