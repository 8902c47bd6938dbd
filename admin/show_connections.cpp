#include "admin/show.hpp"

#include <cstdio>

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;

constexpr Column kColumns[] = {
    {"type", Text},
    {"user", Text},
    {"database", Text},
    {"replication", Text},
    {"state", Text},
    {"addr", Text},
    {"port", Int4},
    {"local_addr", Text},
    {"local_port", Int4},
    {"connect_time", Text},
    {"request_time", Text},
    {"wait", Int4},
    {"wait_us", Int4},
    {"close_needed", Int4},
    {"ptr", Text},
    {"link", Text},
    {"remote_pid", Int4},
    {"tls", Text},
    {"application_name", Text},
    {"prepared_statements", Int4},
    {"id", Int8},
    {"worker", Int4},
};

/// The same with the state of the buffers before our own column.
constexpr Column kSocketColumns[] = {
    {"type", Text},
    {"user", Text},
    {"database", Text},
    {"replication", Text},
    {"state", Text},
    {"addr", Text},
    {"port", Int4},
    {"local_addr", Text},
    {"local_port", Int4},
    {"connect_time", Text},
    {"request_time", Text},
    {"wait", Int4},
    {"wait_us", Int4},
    {"close_needed", Int4},
    {"ptr", Text},
    {"link", Text},
    {"remote_pid", Int4},
    {"tls", Text},
    {"application_name", Text},
    {"prepared_statements", Int4},
    {"id", Int8},
    {"recv_pos", Int4},
    {"pkt_pos", Int4},
    {"pkt_remain", Int4},
    {"send_pos", Int4},
    {"send_remain", Int4},
    {"pkt_avail", Int4},
    {"send_avail", Int4},
    {"worker", Int4},
};

/// PgBouncer shows addresses of its memory here; people only use them to find the other end of a
/// link.
std::string handle(std::uint64_t id) {
    if (id == 0) {
        return "";
    }
    std::array<char, 24> text{};
    const int length =
        std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(id));
    return {text.data(), static_cast<std::size_t>(length)};
}

Row row_of(std::string_view type, const status::Connection& connection) {
    return {std::string{type},
            connection.user,
            connection.database,
            std::string{connection.replication ? "yes" : "none"},
            connection.state,
            connection.address,
            std::int64_t{connection.port},
            connection.local_address,
            std::int64_t{connection.local_port},
            time_cell(connection.connect_time_unix_ms),
            time_cell(connection.request_time_unix_ms),
            connection.wait_us / kMicrosecondsPerSecond,
            connection.wait_us % kMicrosecondsPerSecond,
            std::int64_t{connection.close_needed ? 1 : 0},
            handle(connection.id),
            handle(connection.link_id),
            connection.remote_pid,
            connection.tls,
            connection.application_name,
            cell(connection.prepared_statements),
            cell(connection.id),
            std::int64_t{connection.worker}};
}

std::vector<Row> rows_of(std::string_view type,
                         const std::vector<status::Connection>& connections) {
    std::vector<Row> rows;
    rows.reserve(connections.size());
    for (const status::Connection& connection : connections) {
        rows.push_back(row_of(type, connection));
    }
    return rows;
}

/// PgBouncer's positions are those in a buffer of fixed size. Weir's grow: what is in them begins
/// at 0.
void add_buffers(Row& row, const status::Connection& connection) {
    const Cell worker = std::move(row.back());
    row.pop_back();
    for (const std::uint64_t value : {connection.unread,
                                      std::uint64_t{0},
                                      connection.left_of_message,
                                      std::uint64_t{0},
                                      connection.left_of_message,
                                      connection.unread,
                                      connection.unsent}) {
        row.push_back(cell(value));
    }
    row.push_back(worker);
}

bool is_any(const status::Connection& /*connection*/) {
    return true;
}

/// Something is under way on it.
bool is_active(const status::Connection& connection) {
    return connection.unread + connection.unsent + connection.left_of_message > 0 ||
           connection.is_busy || connection.link_id != 0;
}

std::vector<Row> socket_rows_of(const CommandInput& input,
                                bool (*is_wanted)(const status::Connection&)) {
    std::vector<Row> rows;
    const auto add = [&](std::string_view type, const status::Connection& connection) {
        if (is_wanted(connection)) {
            add_buffers(rows.emplace_back(row_of(type, connection)), connection);
        }
    };
    for (const status::Connection& client : input.snapshot.clients) {
        add("C", client);
    }
    for (const status::Connection& backend : input.snapshot.backends) {
        add("S", backend);
    }
    return rows;
}

std::vector<Row> socket_rows(const CommandInput& input) {
    return socket_rows_of(input, is_any);
}

std::vector<Row> active_socket_rows(const CommandInput& input) {
    return socket_rows_of(input, is_active);
}

std::vector<Row> client_rows(const CommandInput& input) {
    return rows_of("C", input.snapshot.clients);
}

std::vector<Row> server_rows(const CommandInput& input) {
    return rows_of("S", input.snapshot.backends);
}

}  // namespace

Show show_clients() {
    return {kColumns, client_rows};
}

Show show_servers() {
    return {kColumns, server_rows};
}

Show show_sockets() {
    return {kSocketColumns, socket_rows};
}

Show show_active_sockets() {
    return {kSocketColumns, active_socket_rows};
}

}  // namespace weir::admin
