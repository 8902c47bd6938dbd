#include "admin/show.hpp"
#include "conf/pgbouncer_names.hpp"
#include "conf/reference.hpp"

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kConfigColumns[] = {
    {"key", Text}, {"value", Text}, {"default", Text}, {"changeable", Text}};

Row config_row(const conf::SettingRow& setting) {
    return {setting.key,
            setting.value,
            setting.default_value,
            std::string{setting.reloadable ? "yes" : "no"}};
}

/// Ours, then under PgBouncer's names what tools look for.
std::vector<Row> config_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const conf::SettingRow& setting : conf::rows(input.config)) {
        rows.push_back(config_row(setting));
    }
    for (const conf::SettingRow& setting : conf::pgbouncer_rows(input.config)) {
        rows.push_back(config_row(setting));
    }
    return rows;
}

constexpr Column kStateColumns[] = {{"key", Text}, {"value", Text}};

std::vector<Row> state_rows(const CommandInput& input) {
    const auto row = [](std::string_view key, bool value) {
        return Row{std::string{key}, std::string{value ? "yes" : "no"}};
    };
    const status::Snapshot& now = input.snapshot;
    return {row("active", !now.paused && !now.suspended),
            row("paused", now.paused),
            row("suspended", now.suspended)};
}

constexpr Column kVersionColumns[] = {{"version", Text}};

std::vector<Row> version_rows(const CommandInput& input) {
    std::vector<Row> rows;
    rows.push_back(Row{"Weir " + std::string{input.version}});
    return rows;
}

}  // namespace

Show show_config() {
    return {kConfigColumns, config_rows};
}

Show show_state() {
    return {kStateColumns, state_rows};
}

Show show_version() {
    return {kVersionColumns, version_rows};
}

}  // namespace weir::admin
