#pragma once

#include "conf/reference.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

/// What PgBouncer calls one of our settings, and in what it counts.
struct PgbouncerName {
    enum class Unit : std::uint8_t { Same, Seconds, Bytes, Switch };

    std::string_view name;  ///< "default_pool_size"
    std::string_view key;   ///< "pool.max"
    Unit unit = Unit::Same;
};

[[nodiscard]] std::span<const PgbouncerName> pgbouncer_names();
/// @return null for a name that PgBouncer does not have, or that has no counterpart here
[[nodiscard]] const PgbouncerName* find_pgbouncer_name(std::string_view name);

/// @return the value as our own setting takes it: "30" seconds become "30s"
[[nodiscard]] std::string from_pgbouncer(const PgbouncerName& name, std::string_view value);

/// @return the settings in force that PgBouncer has too, under its names and in its units
[[nodiscard]] std::vector<SettingRow> pgbouncer_rows(const Config& config);

}  // namespace weir::conf
