#include "admin/show.hpp"

/// What PgBouncer has and Weir has not: its columns, so that tools can ask, and truly no rows.
namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kPeerColumns[] = {
    {"peer_id", Int4}, {"host", Text}, {"port", Int4}, {"pool_size", Int4}};

constexpr Column kPeerPoolColumns[] = {{"peer_id", Int4},
                                       {"cl_active_cancel_req", Int4},
                                       {"cl_waiting_cancel_req", Int4},
                                       {"sv_active_cancel", Int4},
                                       {"sv_login", Int4}};

constexpr Column kHostColumns[] = {{"hostname", Text}, {"ttl", Int8}, {"addrs", Text}};

constexpr Column kZoneColumns[] = {{"zonename", Text}, {"serial", Int8}, {"count", Int4}};

std::vector<Row> no_rows(const CommandInput& /*input*/) {
    return {};
}

}  // namespace

Show show_peers() {
    return {kPeerColumns, no_rows};
}

Show show_peer_pools() {
    return {kPeerPoolColumns, no_rows};
}

Show show_dns_hosts() {
    return {kHostColumns, no_rows};
}

Show show_dns_zones() {
    return {kZoneColumns, no_rows};
}

}  // namespace weir::admin
