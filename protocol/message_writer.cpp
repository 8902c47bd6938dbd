#include "protocol/message_writer.hpp"

#include "base/check.hpp"
#include "protocol/limits.hpp"
#include "protocol/startup.hpp"

#include <limits>

namespace weir::protocol {

namespace {

enum AuthenticationCode : std::uint32_t {
    Ok = 0,
    Cleartext = 3,
    Md5 = 5,
    Sasl = 10,
    SaslContinue = 11,
    SaslFinal = 12,
};

void write_authentication(ByteWriter& writer, AuthenticationCode code, ByteView data) {
    const MessageFrame frame{writer, BackendMessage::Authentication};
    writer.u32(code);
    writer.raw(data);
}

void write_empty(ByteWriter& writer, BackendMessage type) {
    const MessageFrame frame{writer, type};
}

void write_field(ByteWriter& writer, char field, std::string_view value) {
    writer.u8(static_cast<std::uint8_t>(field));
    writer.cstring(value);
}

void write_error_fields(ByteWriter& writer, BackendMessage type, const ErrorFields& fields) {
    const MessageFrame frame{writer, type};
    write_field(writer, 'S', name_of(fields.severity));
    write_field(writer, 'V', name_of(fields.severity));
    write_field(writer, 'C', fields.sqlstate.text());
    write_field(writer, 'M', fields.message);
    if (!fields.detail.empty()) {
        write_field(writer, 'D', fields.detail);
    }
    if (!fields.hint.empty()) {
        write_field(writer, 'H', fields.hint);
    }
    writer.u8(0);
}

void write_count(ByteWriter& writer, std::size_t count) {
    WEIR_ASSERT(count <= std::numeric_limits<std::uint16_t>::max());
    writer.u16(static_cast<std::uint16_t>(count));
}

}  // namespace

void write_authentication_ok(ByteWriter& writer) {
    write_authentication(writer, Ok, {});
}

void write_authentication_cleartext(ByteWriter& writer) {
    write_authentication(writer, Cleartext, {});
}

void write_authentication_md5(ByteWriter& writer, std::span<const std::byte, 4> salt) {
    write_authentication(writer, Md5, salt);
}

void write_authentication_sasl(ByteWriter& writer, std::span<const std::string_view> mechanisms) {
    const MessageFrame frame{writer, BackendMessage::Authentication};
    writer.u32(Sasl);
    for (const std::string_view mechanism : mechanisms) {
        writer.cstring(mechanism);
    }
    writer.u8(0);
}

void write_authentication_sasl_continue(ByteWriter& writer, std::string_view data) {
    write_authentication(writer, SaslContinue, as_bytes(data));
}

void write_authentication_sasl_final(ByteWriter& writer, std::string_view data) {
    write_authentication(writer, SaslFinal, as_bytes(data));
}

void write_backend_key_data(ByteWriter& writer, std::uint32_t process_id, ByteView secret) {
    WEIR_ASSERT(secret.size() >= kMinCancelSecretBytes);
    WEIR_ASSERT(secret.size() <= kMaxCancelSecretBytes);
    const MessageFrame frame{writer, BackendMessage::BackendKeyData};
    writer.u32(process_id);
    writer.raw(secret);
}

void write_parameter_status(ByteWriter& writer, std::string_view name, std::string_view value) {
    const MessageFrame frame{writer, BackendMessage::ParameterStatus};
    writer.cstring(name);
    writer.cstring(value);
}

void write_ready_for_query(ByteWriter& writer, TransactionStatus status) {
    const MessageFrame frame{writer, BackendMessage::ReadyForQuery};
    writer.u8(static_cast<std::uint8_t>(status));
}

void write_error(ByteWriter& writer, const ErrorFields& fields) {
    write_error_fields(writer, BackendMessage::ErrorResponse, fields);
}

void write_error_body(ByteWriter& writer, ByteView body) {
    const MessageFrame frame{writer, BackendMessage::ErrorResponse};
    writer.raw(body);
}

void write_error_reworded(ByteWriter& writer, ByteView body, std::string_view message) {
    const MessageFrame frame{writer, BackendMessage::ErrorResponse};
    ByteReader reader{body};
    for (auto field = reader.u8(); field && *field != 0; field = reader.u8()) {
        const auto value = reader.cstring();
        write_field(
            writer, static_cast<char>(*field), *field == 'M' ? message : value.value_or(""));
    }
    writer.u8(0);
}

void write_notice(ByteWriter& writer, const ErrorFields& fields) {
    write_error_fields(writer, BackendMessage::NoticeResponse, fields);
}

void write_negotiate_protocol_version(ByteWriter& writer,
                                      std::uint32_t newest_minor,
                                      std::span<const std::string> unknown_options) {
    WEIR_ASSERT(newest_minor <= std::numeric_limits<std::uint16_t>::max());
    const MessageFrame frame{writer, BackendMessage::NegotiateProtocolVersion};
    writer.u32((std::uint32_t{kProtocolMajor} << 16U) | newest_minor);
    writer.u32(static_cast<std::uint32_t>(unknown_options.size()));
    for (const std::string& option : unknown_options) {
        writer.cstring(option);
    }
}

void write_row_description(ByteWriter& writer, std::span<const ColumnDescription> columns) {
    constexpr std::uint32_t kNoTable = 0;
    constexpr std::uint16_t kNoAttribute = 0;
    constexpr std::int32_t kNoModifier = -1;
    constexpr std::uint16_t kTextFormat = 0;
    const MessageFrame frame{writer, BackendMessage::RowDescription};
    write_count(writer, columns.size());
    for (const ColumnDescription& column : columns) {
        writer.cstring(column.name);
        writer.u32(kNoTable);
        writer.u16(kNoAttribute);
        writer.u32(column.type_oid);
        writer.u16(static_cast<std::uint16_t>(column.type_length));
        writer.i32(kNoModifier);
        writer.u16(kTextFormat);
    }
}

void write_data_row(ByteWriter& writer, std::span<const std::optional<std::string>> values) {
    constexpr std::int32_t kNull = -1;
    const MessageFrame frame{writer, BackendMessage::DataRow};
    write_count(writer, values.size());
    for (const std::optional<std::string>& value : values) {
        if (!value) {
            writer.i32(kNull);
            continue;
        }
        writer.u32(static_cast<std::uint32_t>(value->size()));
        writer.text(*value);
    }
}

void write_command_complete(ByteWriter& writer, std::string_view tag) {
    const MessageFrame frame{writer, BackendMessage::CommandComplete};
    writer.cstring(tag);
}

void write_empty_query_response(ByteWriter& writer) {
    write_empty(writer, BackendMessage::EmptyQueryResponse);
}

void write_parse_complete(ByteWriter& writer) {
    write_empty(writer, BackendMessage::ParseComplete);
}

void write_bind_complete(ByteWriter& writer) {
    write_empty(writer, BackendMessage::BindComplete);
}

void write_close_complete(ByteWriter& writer) {
    write_empty(writer, BackendMessage::CloseComplete);
}

void write_no_data(ByteWriter& writer) {
    write_empty(writer, BackendMessage::NoData);
}

void write_parameter_description(ByteWriter& writer, std::span<const std::uint32_t> type_oids) {
    const MessageFrame frame{writer, BackendMessage::ParameterDescription};
    write_count(writer, type_oids.size());
    for (const std::uint32_t oid : type_oids) {
        writer.u32(oid);
    }
}

void write_portal_suspended(ByteWriter& writer) {
    write_empty(writer, BackendMessage::PortalSuspended);
}

}  // namespace weir::protocol
