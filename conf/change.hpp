#pragma once

#include "base/sqlstate.hpp"
#include "conf/model.hpp"

#include <string>
#include <string_view>

namespace weir::conf {

struct Change {
    ConfigPtr config;  ///< null when there is a problem
    SqlState sqlstate;
    std::string problem;  ///< for a person; never repeats a secret
};

/// Changes one setting of a configuration that is in force: SET of the admin database.
///
/// @param key a key as SHOW CONFIG lists it ("pool.max", "database.shop.pool.max"), or PgBouncer's
///        name of one ("default_pool_size"), then with the value in PgBouncer's unit
/// @param value as in the environment: no quotes, lists with commas
[[nodiscard]] Change change(const Config& config, std::string_view key, std::string_view value);

/// @return whether change() knows the key, whatever it says to the value
[[nodiscard]] bool is_setting(const Config& config, std::string_view key);

/// @return whether its value must not be shown; also of a key that is none
[[nodiscard]] bool is_secret(const Config& config, std::string_view key);

}  // namespace weir::conf
