#pragma once

#include "conf/model.hpp"

#include <string>
#include <vector>

/// What the schema and a configuration look like to people. Everything here is generated from the
/// table in schema.cpp.
namespace weir::conf {

/// One setting in force. SHOW CONFIG.
struct SettingRow {
    std::string key;            ///< "listen.threads", "database.shop.pool.max"
    std::string value;          ///< a secret that is set shows as ********
    std::string default_value;  ///< for pool sizes that of the profile in force
    bool reloadable = false;
};

/// @return every setting of the fixed sections, then those written for clusters, databases and
/// users (of the users only
///         those with a section; users_file may name thousands)
[[nodiscard]] std::vector<SettingRow> rows(const Config& config);

/// @return an annotated weir.toml with every key at its default; the file shipped as conf/weir.toml
[[nodiscard]] std::string defaults_toml();

/// @return the settings in force as TOML, secrets masked
[[nodiscard]] std::string config_toml(const Config& config);

/// @return docs/config.md
[[nodiscard]] std::string reference_markdown();

}  // namespace weir::conf
