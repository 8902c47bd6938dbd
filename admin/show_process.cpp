#include "admin/show.hpp"
#include "conf/reference.hpp"

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kConfigColumns[] = {
    {"key", Text}, {"value", Text}, {"default", Text}, {"changeable", Text}};

std::vector<Row> config_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const conf::SettingRow& setting : conf::rows(input.config)) {
        rows.push_back({setting.key,
                        setting.value,
                        setting.default_value,
                        std::string{setting.reloadable ? "yes" : "no"}});
    }
    return rows;
}

constexpr Column kStateColumns[] = {{"key", Text}, {"value", Text}};

/// Weir has no PAUSE and no SUSPEND, so it is always active.
std::vector<Row> state_rows(const CommandInput& /*input*/) {
    return {Row{"active", "yes"}, Row{"paused", "no"}, Row{"suspended", "no"}};
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
