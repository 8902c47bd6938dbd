#pragma once

#include "base/bytes.hpp"
#include "protocol/error_reply.hpp"
#include "protocol/message_frame.hpp"
#include "protocol/message_type.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

/// The messages Weir itself says: each function appends one whole message. Text goes out up to its
/// first zero byte, so no value can grow into another field. Nothing is sent and nothing fails.
/// Thread: any.
///
/// @source PostgreSQL 18 manual, "Message Formats"
namespace weir::protocol {

struct BindView;

/// @name What a backend says to a client
/// @{
void write_authentication_ok(ByteWriter& writer);
void write_authentication_cleartext(ByteWriter& writer);
void write_authentication_md5(ByteWriter& writer, std::span<const std::byte, 4> salt);
void write_authentication_sasl(ByteWriter& writer, std::span<const std::string_view> mechanisms);
void write_authentication_sasl_continue(ByteWriter& writer, std::string_view data);
void write_authentication_sasl_final(ByteWriter& writer, std::string_view data);

/// @param secret kMinCancelSecretBytes to kMaxCancelSecretBytes; 4 for a client of protocol 3.0
void write_backend_key_data(ByteWriter& writer, std::uint32_t process_id, ByteView secret);
void write_parameter_status(ByteWriter& writer, std::string_view name, std::string_view value);
void write_ready_for_query(ByteWriter& writer, TransactionStatus status);

/// Writes both severities, 'S' and 'V'; we do not translate, so they are the same word.
void write_error(ByteWriter& writer, const ErrorFields& fields);
/// Writes a backend's error as it said it.
/// @param body an ErrorResponse's
void write_error_body(ByteWriter& writer, ByteView body);
/// Writes a backend's error with another message text, and all its other fields.
/// @param body an ErrorResponse's that read_error() understands
void write_error_reworded(ByteWriter& writer, ByteView body, std::string_view message);
void write_notice(ByteWriter& writer, const ErrorFields& fields);

/// @param newest_minor of major version 3. On the wire stands the whole version (196610 for 3.2):
///        PostgreSQL sends and libpq expects that, although the manual speaks of the minor alone.
void write_negotiate_protocol_version(ByteWriter& writer,
                                      std::uint32_t newest_minor,
                                      std::span<const std::string> unknown_options);

/// One column of a reply of our own, in text format.
struct ColumnDescription {
    std::string name;
    std::uint32_t type_oid = 25;    ///< pg_type.oid; 25 = text
    std::int16_t type_length = -1;  ///< pg_type.typlen; -1 = of variable length
};

/// @param columns at most 65535; PostgreSQL itself stops at 1664
void write_row_description(ByteWriter& writer, std::span<const ColumnDescription> columns);
/// @param values in text format; nothing = NULL
void write_data_row(ByteWriter& writer, std::span<const std::optional<std::string>> values);
void write_command_complete(ByteWriter& writer, std::string_view tag);
void write_empty_query_response(ByteWriter& writer);
void write_parse_complete(ByteWriter& writer);
void write_bind_complete(ByteWriter& writer);
void write_close_complete(ByteWriter& writer);
void write_no_data(ByteWriter& writer);
void write_parameter_description(ByteWriter& writer, std::span<const std::uint32_t> type_oids);
void write_portal_suspended(ByteWriter& writer);
/// @}

/// @name What a client says to a backend
/// @{
/// @param minor of protocol version 3
void write_startup(ByteWriter& writer,
                   std::uint16_t minor,
                   std::span<const std::pair<std::string, std::string>> parameters);
void write_ssl_request(ByteWriter& writer);
void write_cancel_request(ByteWriter& writer, std::uint32_t process_id, ByteView secret);

void write_password(ByteWriter& writer, std::string_view text);
void write_sasl_initial_response(ByteWriter& writer,
                                 std::string_view mechanism,
                                 std::string_view data);
void write_sasl_response(ByteWriter& writer, std::string_view data);

void write_query(ByteWriter& writer, std::string_view sql);
void write_parse(ByteWriter& writer,
                 std::string_view name,
                 std::string_view sql,
                 std::span<const std::uint32_t> type_oids);
/// Binds parameters and asks for results in text format.
/// @param parameters nothing = NULL
void write_bind(ByteWriter& writer,
                std::string_view portal,
                std::string_view statement,
                std::span<const std::optional<std::string>> parameters);
/// Binds what another Bind has bound, in the same formats, and asks for results in text format.
/// @param bound only its parameters and their formats count
void write_rebind(ByteWriter& writer,
                  std::string_view portal,
                  std::string_view statement,
                  const BindView& bound);
/// @param kind 'S' (prepared statement) or 'P' (portal)
void write_describe(ByteWriter& writer, char kind, std::string_view name);
/// @param max_rows 0 = all
void write_execute(ByteWriter& writer, std::string_view portal, std::uint32_t max_rows);
/// @param kind 'S' (prepared statement) or 'P' (portal)
void write_close(ByteWriter& writer, char kind, std::string_view name);
void write_sync(ByteWriter& writer);
void write_flush(ByteWriter& writer);
void write_copy_fail(ByteWriter& writer, std::string_view reason);
void write_terminate(ByteWriter& writer);
/// @}

}  // namespace weir::protocol
