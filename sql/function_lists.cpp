#include "sql/function_lists.hpp"

#include <algorithm>
#include <array>

#include "sql/name_list.hpp"

namespace weir::sql {

namespace {

constexpr std::array<std::string_view, 37> kPrimaryBeginnings = {
    "dblink",
    "inet_server_",
    "lo_",
    "pg_advisory_",
    "pg_backup_",
    "pg_cancel_",
    "pg_control_",
    "pg_copy_",
    "pg_create_",
    "pg_current_log",
    "pg_current_snapshot",
    "pg_current_wal_",
    "pg_current_xact",
    "pg_drop_",
    "pg_export_",
    "pg_file_",
    "pg_get_wal_",
    "pg_last_",
    "pg_log_",
    "pg_logical_",
    "pg_ls_",
    "pg_notif",
    "pg_read_",
    "pg_reload_",
    "pg_replication_",
    "pg_rotate_",
    "pg_show_",
    "pg_snapshot_",
    "pg_stat_",
    "pg_switch_",
    "pg_terminate_",
    "pg_try_advisory_",
    "pg_visible_in_snapshot",
    "pg_wal",
    "pg_xact_",
    "txid_",
    "pg_available_",
};

/// current_setting() is one because of what it is asked for: in_hot_standby and
/// transaction_read_only, as a literal, which no digest shows. The *_to_xml functions read what
/// their literals name or say.
constexpr std::array<std::string_view, 34> kPrimary = {
    "currval",
    "lastval",
    "nextval",
    "setval",
    "pg_sequence_last_value",
    "current_setting",
    "set_config",
    "setseed",
    "loread",
    "lowrite",
    "pg_is_in_recovery",
    "pg_is_in_backup",
    "pg_is_wal_replay_paused",
    "pg_promote",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_postmaster_start_time",
    "pg_conf_load_time",
    "pg_config",
    "pg_lock_status",
    "pg_blocking_pids",
    "pg_safe_snapshot_blocking_pids",
    "pg_prepared_xact",
    "pg_prepared_statement",
    "pg_cursor",
    "pg_listening_channels",
    "pg_my_temp_schema",
    "pg_is_other_temp_schema",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_get_replication_slots",
    "pg_get_backend_memory_contexts",
    "pg_get_shmem_allocations",
    "pg_tablespace_location",
};

constexpr std::array<std::string_view, 14> kHarmlessVolatile = {
    "bernoulli",
    "clock_timestamp",
    "current_query",
    "gen_random_uuid",
    "pg_backend_pid",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "random",
    "random_normal",
    "system",
    "timeofday",
    "uuidv4",
    "uuidv7",
};

constexpr std::array<std::string_view, 19> kServerRelations = {
    "pg_aios",
    "pg_available_extension_versions",
    "pg_available_extensions",
    "pg_backend_memory_contexts",
    "pg_buffercache",
    "pg_config",
    "pg_cursors",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_locks",
    "pg_prepared_statements",
    "pg_prepared_xacts",
    "pg_replication_origin_status",
    "pg_replication_slots",
    "pg_sequences",
    "pg_settings",
    "pg_shmem_allocations",
    "pg_shmem_allocations_numa",
};

}  // namespace

bool must_run_on_primary(std::string_view name) {
    return begins_as_one_of(kPrimaryBeginnings, name) || is_in(kPrimary, name) ||
           name.find("_to_xml") != std::string_view::npos;
}

bool is_harmless_volatile(std::string_view name) {
    return is_in(kHarmlessVolatile, name);
}

bool is_about_server(std::string_view schema, std::string_view name) {
    return is_temporary_schema(schema) || name.starts_with("pg_stat_") ||
           name.starts_with("pg_statio_") || is_in(kServerRelations, name);
}

bool is_temporary_schema(std::string_view schema) {
    return schema == "pg_temp" || schema.starts_with("pg_temp_") ||
           schema.starts_with("pg_toast_temp");
}

}  // namespace weir::sql
