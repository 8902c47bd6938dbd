#include "admin/show.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;

constexpr Column kPoolColumns[] = {
    {"database", Text},
    {"user", Text},
    {"cl_active", Int4},
    {"cl_waiting", Int4},
    {"cl_active_cancel_req", Int4},
    {"cl_waiting_cancel_req", Int4},
    {"sv_active", Int4},
    {"sv_active_cancel", Int4},
    {"sv_being_canceled", Int4},
    {"sv_idle", Int4},
    {"sv_used", Int4},
    {"sv_tested", Int4},
    {"sv_login", Int4},
    {"maxwait", Int4},
    {"maxwait_us", Int4},
    {"pool_mode", Text},
    {"load_balance_hosts", Text},
    {"open", Int4},
    {"max", Int4},
    {"min", Int4},
    {"reserve", Int4},
    {"application_max", Int4},
    {"cl_application_waiting", Int4},
};

/// The pools of replicas are counted with the primary's: who knows PgBouncer expects one row for a
/// database and user.
std::vector<status::Pool> with_replicas(const std::vector<status::Pool>& pools) {
    std::vector<status::Pool> sums;
    for (const status::Pool& pool : pools) {
        const bool is_more =
            !sums.empty() && sums.back().database == pool.database && sums.back().user == pool.user;
        if (!is_more) {
            sums.push_back(pool);
            continue;
        }
        status::Pool& sum = sums.back();
        sum.add(pool);
        sum.open += pool.open;
        sum.size_max += pool.size_max;
        sum.size_min += pool.size_min;
        sum.reserve += pool.reserve;
        sum.application_max += pool.application_max;
    }
    return sums;
}

std::vector<Row> pool_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::Pool& pool : with_replicas(input.snapshot.pools)) {
        rows.push_back(
            {pool.database,
             pool.user,
             // PgBouncer has no idle clients: who is logged in and does not wait is active.
             cell(pool.clients_active + pool.clients_idle),
             cell(pool.clients_waiting),
             cell(pool.clients_active_cancel),
             cell(pool.clients_waiting_cancel),
             cell(pool.backends_active),
             cell(pool.backends_active_cancel),
             cell(pool.backends_being_canceled),
             cell(pool.backends_idle),
             cell(pool.backends_used),
             cell(pool.backends_tested),
             cell(pool.backends_login),
             pool.longest_wait_us / kMicrosecondsPerSecond,
             pool.longest_wait_us % kMicrosecondsPerSecond,
             pool.mode,
             Cell{},
             cell(pool.open),
             cell(pool.size_max),
             cell(pool.size_min),
             cell(pool.reserve),
             cell(pool.application_max),
             cell(pool.application_waiting)});
    }
    return rows;
}

constexpr Column kDatabaseColumns[] = {
    {"name", Text},
    {"host", Text},
    {"port", Int4},
    {"database", Text},
    {"force_user", Text},
    {"pool_size", Int4},
    {"min_pool_size", Int4},
    {"reserve_pool_size", Int4},
    {"server_lifetime", Int4},
    {"pool_mode", Text},
    {"load_balance_hosts", Text},
    {"max_connections", Int4},
    {"current_connections", Int4},
    {"max_client_connections", Int4},
    {"current_client_connections", Int4},
    {"paused", Int4},
    {"disabled", Int4},
    // As PgBouncer before 1.24 called reserve_pool_size; exporters still ask for it.
    {"reserve_pool", Int4},
};

const Cell kZero = std::int64_t{0};

/// The admin database as PgBouncer lists its own: no host, no pool.
Row admin_database_row(const conf::Config& config) {
    std::int64_t port = 0;
    for (const conf::Address& address : config.listen.addresses) {
        if (address.kind == conf::Address::Kind::Tcp) {
            port = address.port;
            break;
        }
    }
    return {config.admin.database,
            Cell{},
            port,
            config.admin.database,
            Cell{},
            kZero,
            kZero,
            kZero,
            kZero,
            std::string{"statement"},
            Cell{},
            kZero,
            kZero,
            kZero,
            kZero,
            kZero,
            kZero,
            kZero};
}

std::vector<Row> database_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::Database& database : input.snapshot.databases) {
        if (database.name == input.config.admin.database) {
            continue;  // it has its own row below
        }
        rows.push_back({database.name,
                        text_or_null(database.host),
                        std::int64_t{database.port},
                        database.dbname,
                        text_or_null(database.force_user),
                        cell(database.pool_size),
                        cell(database.min_pool_size),
                        cell(database.reserve),
                        database.max_lifetime_s,
                        database.mode,
                        Cell{},
                        cell(input.config.limits.max_database_connections),
                        cell(database.connections),
                        cell(database.max_client_connections),
                        cell(database.client_connections),
                        std::int64_t{database.is_paused ? 1 : 0},
                        std::int64_t{database.is_disabled ? 1 : 0},
                        cell(database.reserve)});
    }
    rows.push_back(admin_database_row(input.config));
    return rows;
}

constexpr Column kUserColumns[] = {
    {"name", Text},
    {"pool_size", Int4},
    {"reserve_pool_size", Int4},
    {"pool_mode", Text},
    {"max_user_connections", Int4},
    {"current_connections", Int4},
    {"max_user_client_connections", Int4},
    {"current_client_connections", Int4},
};

struct UserUse {
    std::uint64_t backends = 0;
    std::uint64_t clients = 0;
};

std::string mode_text(conf::PoolMode mode) {
    switch (mode) {
        case conf::PoolMode::Session: return "session";
        case conf::PoolMode::Transaction: return "transaction";
        case conf::PoolMode::Statement: return "statement";
    }
    return "";
}

Row user_row(const std::string& name, const UserUse& use, const conf::Config& config) {
    // What a user does not override is NULL: it comes from the database or from [pool].
    Cell pool_size;
    Cell reserve;
    Cell mode;
    Cell clients_max = kZero;
    if (const conf::UserSettings* user = config.find_user(name); user != nullptr) {
        pool_size = user->pool.max ? cell(*user->pool.max) : Cell{};
        reserve = user->pool.reserve ? cell(*user->pool.reserve) : Cell{};
        mode = user->pool.mode ? Cell{mode_text(*user->pool.mode)} : Cell{};
        clients_max = cell(user->max_clients);
    }
    return {name,
            pool_size,
            reserve,
            mode,
            cell(config.limits.max_user_connections),
            cell(use.backends),
            clients_max,
            cell(use.clients)};
}

std::vector<Row> user_rows(const CommandInput& input) {
    std::map<std::string, UserUse> users;  // also those whom trust let in without a section
    for (const auto& [name, settings] : input.config.users) {
        users[name];
    }
    for (const status::Pool& pool : input.snapshot.pools) {
        UserUse& use = users[pool.user];
        use.backends += pool.open;
        use.clients += pool.clients_active + pool.clients_idle + pool.clients_waiting;
    }
    std::vector<Row> rows;
    rows.reserve(users.size());
    for (const auto& [name, use] : users) {
        rows.push_back(user_row(name, use, input.config));
    }
    return rows;
}

constexpr Column kListColumns[] = {{"list", Text}, {"items", Int4}};

std::vector<Row> list_rows(const CommandInput& input) {
    const status::Snapshot& snapshot = input.snapshot;
    std::uint64_t clients = 0;
    std::uint64_t logins = 0;
    for (const auto& [state, count] : snapshot.totals.clients_by_state) {
        (state == "login" ? logins : clients) += count;
    }
    std::uint64_t backends = 0;
    for (const status::Pool& pool : snapshot.pools) {
        backends += pool.backends_active + pool.backends_active_cancel +
                    pool.backends_being_canceled + pool.backends_idle + pool.backends_used +
                    pool.backends_tested + pool.backends_login;
    }
    const auto row = [](std::string_view list, std::uint64_t items) {
        return Row{std::string{list}, cell(items)};
    };
    return {
        row("databases", database_rows(input).size()),
        row("users", snapshot.users),
        row("peers", 0),
        row("pools", snapshot.pools.size()),
        row("peer_pools", 0),
        row("free_clients", 0),  // PgBouncer's spare objects; Weir keeps none
        row("used_clients", clients),
        row("login_clients", logins),
        row("free_servers", 0),
        row("used_servers", backends),
        row("dns_names", 0),
        row("dns_zones", 0),
        row("dns_queries", 0),
        row("dns_pending", 0),
    };
}

}  // namespace

Show show_pools() {
    return {kPoolColumns, pool_rows};
}

Show show_databases() {
    return {kDatabaseColumns, database_rows};
}

Show show_users() {
    return {kUserColumns, user_rows};
}

Show show_lists() {
    return {kListColumns, list_rows};
}

}  // namespace weir::admin
