#pragma once

#include "admin/commands.hpp"

#include <span>
#include <vector>

/// Columns and rows of the SHOW commands, for the table in commands.cpp. PgBouncer's columns come
/// first, under its names, with its types and in its order; ours follow. What Weir does not have
/// shows PgBouncer's value for "off".
///
/// @source PgBouncer 1.25's doc/usage.md
namespace weir::admin {

/// One answer: what its columns are and how its rows come about.
struct Show {
    std::span<const Column> columns;
    std::vector<Row> (*rows)(const CommandInput&);
};

[[nodiscard]] Show show_pools();
[[nodiscard]] Show show_databases();
[[nodiscard]] Show show_users();
[[nodiscard]] Show show_lists();

[[nodiscard]] Show show_clients();
[[nodiscard]] Show show_servers();
[[nodiscard]] Show show_pins();
[[nodiscard]] Show show_members();
[[nodiscard]] Show show_breakers();
[[nodiscard]] Show show_cache();
[[nodiscard]] Show show_cache_rules();
[[nodiscard]] Show show_sockets();
[[nodiscard]] Show show_active_sockets();
[[nodiscard]] Show show_fds();
[[nodiscard]] Show show_activity();

[[nodiscard]] Show show_stats();
[[nodiscard]] Show show_stats_totals();
[[nodiscard]] Show show_stats_averages();
[[nodiscard]] Show show_totals();

[[nodiscard]] Show show_config();
[[nodiscard]] Show show_state();
[[nodiscard]] Show show_version();
[[nodiscard]] Show show_mem();
[[nodiscard]] Show show_health();
[[nodiscard]] Show show_alerts();
[[nodiscard]] Show show_jobs();
[[nodiscard]] Show show_partitions();

// What the ledger tells. Of Needs::Ledger, but for the last.
[[nodiscard]] Show show_statements();
[[nodiscard]] Show show_slow();
[[nodiscard]] Show show_errors();
[[nodiscard]] Show show_sessions();
[[nodiscard]] Show show_events();
[[nodiscard]] Show show_audit();
[[nodiscard]] Show show_ledger();

// What PgBouncer has and Weir has not: columns without rows.
[[nodiscard]] Show show_peers();
[[nodiscard]] Show show_peer_pools();
[[nodiscard]] Show show_dns_hosts();
[[nodiscard]] Show show_dns_zones();

}  // namespace weir::admin
