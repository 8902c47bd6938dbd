#pragma once

#include "conf/import_pgbouncer.hpp"
#include "conf/import_table.hpp"
#include "conf/import_toml.hpp"
#include "conf/pgbouncer_ini.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

/// An import under way.
struct ImportDraft {
    IniFile ini;
    TomlWriter toml;
    PgBouncerImport result;
    std::vector<std::string> users;  ///< names of auth_file

    /// @return the last one of that name in [pgbouncer], as it is the one that holds; or null
    [[nodiscard]] const IniEntry* find(std::string_view name) const;
    [[nodiscard]] std::string value_of(std::string_view name, std::string_view fallback) const;
    [[nodiscard]] IniPlace place_of(std::string_view name) const;
    /// @return the entry's seconds as a duration; "" after complaining
    [[nodiscard]] std::string seconds(const IniEntry& entry);

    void complain(const IniPlace& at, std::string_view key, const std::string& message);
    void find_fault(const IniPlace& at, std::string_view key, const std::string& message);
    /// Writes a key, or finds fault where this version does not take it.
    /// @param name what PgBouncer calls it
    void put(const TomlKey& key,
             const std::string& text,
             const IniPlace& at,
             std::string_view name);
};

[[nodiscard]] std::string lower(std::string text);
/// @return host:port, with the brackets that an IPv6 address needs
[[nodiscard]] std::string tcp_address(const std::string& host, const std::string& port);
[[nodiscard]] std::vector<std::string> split_list(const std::string& text);
/// @param text a number of seconds, with decimals
[[nodiscard]] Parsed<std::string> seconds_text(const std::string& text);

/// [databases], and a cluster for each server they name.
void carry_databases(ImportDraft& draft);
/// [users] and [peers].
void carry_users(ImportDraft& draft);

}  // namespace weir::conf
