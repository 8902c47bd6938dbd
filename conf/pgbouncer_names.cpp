#include "conf/pgbouncer_names.hpp"

#include "conf/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

namespace weir::conf {

namespace {

using Unit = PgbouncerName::Unit;

/// @source doc/config.md of PgBouncer 1.25
constexpr std::array kNames{
    PgbouncerName{"admin_users", "admin.admins"},
    PgbouncerName{"application_name_add_host", "listen.application_name_add_host", Unit::Switch},
    PgbouncerName{"auth_file", "auth.users_file"},
    PgbouncerName{"auth_type", "auth.method"},
    PgbouncerName{"client_idle_timeout", "listen.client_idle_timeout", Unit::Seconds},
    PgbouncerName{"client_login_timeout", "listen.client_login_timeout", Unit::Seconds},
    PgbouncerName{"default_pool_size", "pool.max"},
    PgbouncerName{"idle_transaction_timeout", "pool.idle_in_transaction_timeout", Unit::Seconds},
    PgbouncerName{"listen_backlog", "listen.backlog"},
    PgbouncerName{"logfile", "log.file"},
    PgbouncerName{"max_client_conn", "listen.max_clients"},
    PgbouncerName{"max_db_connections", "limits.max_database_connections"},
    PgbouncerName{"max_packet_size", "limits.max_message", Unit::Bytes},
    PgbouncerName{"max_prepared_statements", "pool.prepared_statements"},
    PgbouncerName{"max_user_connections", "limits.max_user_connections"},
    PgbouncerName{"min_pool_size", "pool.min"},
    PgbouncerName{"pool_mode", "pool.mode"},
    PgbouncerName{"query_wait_timeout", "pool.acquire_timeout", Unit::Seconds},
    PgbouncerName{"reserve_pool_size", "pool.reserve"},
    PgbouncerName{"reserve_pool_timeout", "pool.reserve_after", Unit::Seconds},
    PgbouncerName{"server_check_delay", "pool.check_after", Unit::Seconds},
    PgbouncerName{"server_idle_timeout", "pool.idle_timeout", Unit::Seconds},
    PgbouncerName{"server_lifetime", "pool.max_lifetime", Unit::Seconds},
    PgbouncerName{"server_reset_query", "pool.reset_query"},
    PgbouncerName{"stats_period", "admin.stats_period", Unit::Seconds},
    PgbouncerName{"stats_users", "admin.viewers"},
    PgbouncerName{"suspend_timeout", "admin.suspend_timeout", Unit::Seconds},
    PgbouncerName{"transaction_timeout", "pool.transaction_timeout", Unit::Seconds},
    PgbouncerName{"unix_socket_mode", "listen.unix_socket_mode"},
};

/// @return the number of our text in PgBouncer's unit; what is no number stays
std::string to_pgbouncer(const PgbouncerName& name, const std::string& value) {
    switch (name.unit) {
        case Unit::Same: return value;
        case Unit::Switch: return value == "true" ? "1" : "0";
        case Unit::Seconds:
            if (const auto parsed = parse_duration(value); parsed.value) {
                return fmt::format("{}", std::chrono::duration<double>(*parsed.value).count());
            }
            return value;
        case Unit::Bytes:
            if (const auto parsed = parse_size(value); parsed.value) {
                return std::to_string(*parsed.value);
            }
            return value;
    }
    return value;
}

}  // namespace

std::span<const PgbouncerName> pgbouncer_names() {
    return kNames;
}

const PgbouncerName* find_pgbouncer_name(std::string_view name) {
    const auto* const found =
        std::find_if(kNames.begin(), kNames.end(), [name](const PgbouncerName& one) {
            return one.name == name;
        });
    return found == kNames.end() ? nullptr : found;
}

std::string from_pgbouncer(const PgbouncerName& name, std::string_view value) {
    std::string text{value};
    double number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool is_number = error == std::errc{} && end == value.data() + value.size();
    switch (name.unit) {
        case Unit::Same: return text;
        case Unit::Switch:
            if (text == "1" || text == "on" || text == "yes") {
                return "true";
            }
            return text == "0" || text == "off" || text == "no" ? "false" : text;
        case Unit::Seconds: {
            constexpr double kMillisecondsPerSecond = 1000;
            constexpr double kSecondsMax = 1e9;
            return is_number && number >= 0 && number < kSecondsMax
                       ? fmt::format("{}ms", std::llround(number * kMillisecondsPerSecond))
                       : text;
        }
        case Unit::Bytes: return is_number ? text + "B" : text;
    }
    return text;
}

std::vector<SettingRow> pgbouncer_rows(const Config& config) {
    std::map<std::string, SettingRow, std::less<>> ours;
    for (SettingRow& row : rows(config)) {
        std::string key = row.key;
        ours.emplace(std::move(key), std::move(row));
    }
    std::vector<SettingRow> all;
    for (const PgbouncerName& name : kNames) {
        if (const auto found = ours.find(name.key); found != ours.end()) {
            const SettingRow& row = found->second;
            all.push_back({std::string{name.name},
                           to_pgbouncer(name, row.value),
                           to_pgbouncer(name, row.default_value),
                           row.reloadable});
        }
    }
    return all;
}

}  // namespace weir::conf
