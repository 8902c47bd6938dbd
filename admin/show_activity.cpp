#include "admin/show.hpp"

#include <algorithm>
#include <map>

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kFdColumns[] = {
    {"fd", Int4},
    {"task", Text},
    {"user", Text},
    {"database", Text},
    {"addr", Text},
    {"port", Int4},
    {"cancel", Int8},
    {"link", Int4},
    {"client_encoding", Text},
    {"std_strings", Text},
    {"datestyle", Text},
    {"timezone", Text},
    {"password", Text},
    {"scram_client_key", Text},
    {"scram_server_key", Text},
};

using Fds = std::map<std::uint64_t, int>;  ///< of a connection, by its id

Cell setting_of(const status::Connection& connection, const char* name) {
    const auto found = connection.settings.find(name);
    return found == connection.settings.end() ? Cell{} : Cell{found->second};
}

/// Keys and passwords are NULL, whatever there is: nobody needs them from here.
Row fd_row(std::string_view task, const status::Connection& connection, const Fds& fds) {
    const auto linked = fds.find(connection.link_id);
    return {std::int64_t{connection.fd},
            std::string{task},
            connection.user,
            connection.database,
            connection.address,
            std::int64_t{connection.port},
            Cell{},
            std::int64_t{linked == fds.end() ? 0 : linked->second},
            setting_of(connection, "client_encoding"),
            setting_of(connection, "standard_conforming_strings"),
            setting_of(connection, "datestyle"),
            setting_of(connection, "timezone"),
            Cell{},
            Cell{},
            Cell{}};
}

Row listener_row(const status::Listener& listener) {
    Row row(std::size(kFdColumns));
    row[0] = std::int64_t{listener.fd};
    row[1] = std::string{"pooler"};
    row[4] = listener.address;
    row[5] = std::int64_t{listener.port};
    return row;
}

std::vector<Row> fd_rows(const CommandInput& input) {
    const status::Snapshot& snapshot = input.snapshot;
    Fds fds;
    std::vector<Row> rows;
    for (const status::Listener& listener : snapshot.listeners) {
        rows.push_back(listener_row(listener));
    }
    for (const auto* connections : {&snapshot.clients, &snapshot.backends}) {
        for (const status::Connection& connection : *connections) {
            fds[connection.id] = connection.fd;
        }
    }
    for (const status::Connection& client : snapshot.clients) {
        rows.push_back(fd_row("client", client, fds));
    }
    for (const status::Connection& backend : snapshot.backends) {
        rows.push_back(fd_row("server", backend, fds));
    }
    return rows;
}

constexpr Column kActivityColumns[] = {
    {"pid", Int4},
    {"database", Text},
    {"user", Text},
    {"application_name", Text},
    {"client_id", Int8},
    {"client_addr", Text},
    {"client_port", Int4},
    {"client_pid", Int4},
    {"state", Text},
    {"transaction_start", Text},
    {"statement_start", Text},
    {"statement", Text},
    {"server_id", Int8},
    {"worker", Int4},
    {"wait_reason", Text},
};

/// pg_stat_activity's words, and "waiting" for who has no server connection yet.
std::string activity_state(const status::Connection& client) {
    if (client.state == "waiting") {
        return client.state;
    }
    if (client.is_busy) {
        return "active";
    }
    return client.transaction_time_unix_ms != 0 ? "idle in transaction" : "idle";
}

/// Clients that hold a server connection or wait for one.
std::vector<Row> activity_rows(const CommandInput& input) {
    std::map<std::uint64_t, const status::Connection*> backends;
    for (const status::Connection& backend : input.snapshot.backends) {
        backends[backend.id] = &backend;
    }
    std::vector<Row> rows;
    for (const status::Connection& client : input.snapshot.clients) {
        const auto found = backends.find(client.link_id);
        const bool has_backend = found != backends.end();
        if (!has_backend && client.state != "waiting") {
            continue;
        }
        rows.push_back({has_backend ? Cell{found->second->remote_pid} : Cell{},
                        client.database,
                        client.user,
                        client.application_name,
                        cell(client.id),
                        client.address,
                        std::int64_t{client.port},
                        client.remote_pid,
                        activity_state(client),
                        time_cell(client.transaction_time_unix_ms),
                        time_cell(client.request_time_unix_ms),
                        text_or_null(client.statement),
                        has_backend ? cell(client.link_id) : Cell{},
                        std::int64_t{client.worker},
                        text_or_null(client.wait_reason)});
    }
    return rows;
}

}  // namespace

Show show_fds() {
    return {kFdColumns, fd_rows};
}

Show show_activity() {
    return {kActivityColumns, activity_rows};
}

}  // namespace weir::admin
