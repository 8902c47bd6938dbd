#include "admin/show.hpp"

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kPinColumns[] = {
    {"client", Int8},
    {"database", Text},
    {"user", Text},
    {"application_name", Text},
    {"addr", Text},
    {"port", Int4},
    {"server", Int8},
    {"remote_pid", Int4},
    {"reason", Text},
    {"since", Text},
    {"statement", Text},
};

std::vector<Row> pin_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::Connection& client : input.snapshot.clients) {
        for (const status::Pin& pin : client.pins) {
            rows.push_back({cell(client.id),
                            client.database,
                            client.user,
                            client.application_name,
                            client.address,
                            std::int64_t{client.port},
                            cell(client.link_id),
                            client.remote_backend_pid,
                            pin.reason,
                            time_cell(pin.since_unix_ms),
                            pin.statement});
        }
    }
    return rows;
}

}  // namespace

Show show_pins() {
    return {kPinColumns, pin_rows};
}

}  // namespace weir::admin
