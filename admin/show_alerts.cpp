#include "admin/show.hpp"

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kColumns[] = {
    {"name", Text},
    {"when", Text},
    {"state", Text},
    {"object", Text},
    {"value", Float8},
    {"threshold", Float8},
    {"since", Text},
    {"fired", Int8},
    {"webhook", Text},
    {"webhook_outcome", Text},
};

std::vector<Row> alert_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::Alert& alert : input.snapshot.alerts) {
        rows.push_back({alert.name,
                        alert.when,
                        alert.state,
                        text_or_null(alert.object),
                        alert.value ? Cell{*alert.value} : Cell{},
                        alert.threshold,
                        time_cell(alert.since_unix_ms),
                        cell(alert.fired),
                        text_or_null(alert.webhook),
                        text_or_null(alert.webhook_outcome)});
    }
    return rows;
}

}  // namespace

Show show_alerts() {
    return {kColumns, alert_rows};
}

}  // namespace weir::admin
