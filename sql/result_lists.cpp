#include "sql/result_lists.hpp"

#include <algorithm>
#include <array>

#include "sql/name_list.hpp"

namespace weir::sql {

namespace {

/// Chosen of all that PostgreSQL 15 calls stable. Left out besides what the time, privileges, the
/// catalog or the server decide: timetz and the casts to it, which take the day's offset;
/// age(), which with one argument asks for today; json_to_record and the like, json_populate_*,
/// the input functions of types, which read 'now' where a row says so; the *_tz of jsonpath.
constexpr std::array<std::string_view, 107> kSettled = {
    "anytextcat",
    "array_out",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "convert",
    "convert_from",
    "convert_to",
    "current_database",
    "current_user",
    "date",
    "date_cmp_timestamptz",
    "date_eq_timestamptz",
    "date_ge_timestamptz",
    "date_gt_timestamptz",
    "date_le_timestamptz",
    "date_lt_timestamptz",
    "date_ne_timestamptz",
    "date_out",
    "date_part",
    "date_trunc",
    "enum_first",
    "enum_last",
    "enum_out",
    "enum_range",
    "extract",
    "format",
    "generate_series",
    "in_range",
    "interval_out",
    "interval_pl_timestamptz",
    "json_agg",
    "json_agg_transfn",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "json_object_agg_transfn",
    "json_to_tsvector",
    "jsonb_agg",
    "jsonb_agg_finalfn",
    "jsonb_agg_transfn",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "jsonb_object_agg_finalfn",
    "jsonb_object_agg_transfn",
    "jsonb_to_tsvector",
    "length",
    "make_timestamptz",
    "money",
    "multirange_out",
    "numeric",
    "overlaps",
    "phraseto_tsquery",
    "pg_collation_for",
    "pg_typeof",
    "plainto_tsquery",
    "quote_literal",
    "quote_nullable",
    "range_out",
    "record_out",
    "row_to_json",
    "session_user",
    "textanycat",
    "time",
    "timestamp",
    "timestamp_cmp_timestamptz",
    "timestamp_eq_timestamptz",
    "timestamp_ge_timestamptz",
    "timestamp_gt_timestamptz",
    "timestamp_le_timestamptz",
    "timestamp_lt_timestamptz",
    "timestamp_ne_timestamptz",
    "timestamp_out",
    "timestamptz",
    "timestamptz_cmp_date",
    "timestamptz_cmp_timestamp",
    "timestamptz_eq_date",
    "timestamptz_eq_timestamp",
    "timestamptz_ge_date",
    "timestamptz_ge_timestamp",
    "timestamptz_gt_date",
    "timestamptz_gt_timestamp",
    "timestamptz_le_date",
    "timestamptz_le_timestamp",
    "timestamptz_lt_date",
    "timestamptz_lt_timestamp",
    "timestamptz_mi_interval",
    "timestamptz_ne_date",
    "timestamptz_ne_timestamp",
    "timestamptz_out",
    "timestamptz_pl_interval",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "websearch_to_tsquery",
    "xml_is_well_formed",
};

/// The large objects are PostgreSQL's own tables, and what reads them is never kept.
constexpr std::array<std::string_view, 8> kNoTableBeginnings = {
    "RI_FKey_", "binary_upgrade_", "brin_", "currtid", "gin_", "lo_", "pg_", "txid_"};

constexpr std::array<std::string_view, 21> kNoTable = {
    "bernoulli",
    "clock_timestamp",
    "current_query",
    "currval",
    "gen_random_uuid",
    "lastval",
    "loread",
    "lowrite",
    "nextval",
    "random",
    "random_normal",
    "set_config",
    "setseed",
    "setval",
    "suppress_redundant_updates_trigger",
    "system",
    "timeofday",
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
    "uuidv4",
    "uuidv7",
};

/// Of uuid-ossp, pgcrypto, and the triggers of the contrib module spi.
constexpr std::array<std::string_view, 11> kHarmlessExtension = {
    "autoinc",
    "check_primary_key",
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "insert_username",
    "moddatetime",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "triggered_change_notification",
};

constexpr std::array<std::string_view, 7> kRunsText = {
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "ts_rewrite",
    "ts_stat",
};

}  // namespace

bool is_settled(std::string_view name) {
    return is_in(kSettled, name);
}

bool writes_no_table(std::string_view name) {
    return is_in(kNoTable, name) || begins_as_one_of(kNoTableBeginnings, name);
}

bool is_harmless_extension(std::string_view name) {
    return is_in(kHarmlessExtension, name);
}

bool runs_text(std::string_view name) {
    return is_in(kRunsText, name);
}

}  // namespace weir::sql
