#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace weir::sql {

/// Names of what only the end of the server process takes away again.
[[nodiscard]] inline bool is_lasting_call(std::string_view name) {
    static constexpr std::array<std::string_view, 6> kLasting = {
        "setseed",
        "dblink_connect",
        "dblink_connect_u",
        "pg_replication_origin_session_setup",
        "pg_backup_start",
        "pg_start_backup"};
    return std::find(kLasting.begin(), kLasting.end(), name) != kLasting.end();
}

/// Functions of PostgreSQL's own and of its contrib modules that run SQL given to them as text.
[[nodiscard]] inline bool runs_text(std::string_view name) {
    static constexpr std::array<std::string_view, 13> kRunners = {"query_to_xml",
                                                                  "query_to_xmlschema",
                                                                  "query_to_xml_and_xmlschema",
                                                                  "cursor_to_xml",
                                                                  "ts_stat",
                                                                  "ts_rewrite",
                                                                  "crosstab",
                                                                  "crosstab2",
                                                                  "crosstab3",
                                                                  "crosstab4",
                                                                  "crosstabn",
                                                                  "connectby",
                                                                  "xpath_table"};
    return std::find(kRunners.begin(), kRunners.end(), name) != kRunners.end();
}

}  // namespace weir::sql
