// The client's half of message_writer.hpp: what Weir says to a backend.

#include "base/check.hpp"
#include "protocol/frontend_views.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"
#include "protocol/startup.hpp"

#include <limits>

namespace weir::protocol {

namespace {

void write_empty(ByteWriter& writer, FrontendMessage type) {
    const MessageFrame frame{writer, type};
}

void write_count(ByteWriter& writer, std::size_t count) {
    WEIR_ASSERT(count <= std::numeric_limits<std::uint16_t>::max());
    writer.u16(static_cast<std::uint16_t>(count));
}

void write_kind_and_name(ByteWriter& writer,
                         FrontendMessage type,
                         char kind,
                         std::string_view name) {
    WEIR_ASSERT(kind == 'S' || kind == 'P');
    const MessageFrame frame{writer, type};
    writer.u8(static_cast<std::uint8_t>(kind));
    writer.cstring(name);
}

}  // namespace

void write_startup(ByteWriter& writer,
                   std::uint16_t minor,
                   std::span<const std::pair<std::string, std::string>> parameters) {
    const std::size_t start = writer.size();
    writer.u32(0);
    writer.u16(kProtocolMajor);
    writer.u16(minor);
    for (const auto& [name, value] : parameters) {
        // An empty name would end the list in front of the rest.
        WEIR_ASSERT(!name.empty());
        writer.cstring(name);
        writer.cstring(value);
    }
    writer.u8(0);
    writer.patch_u32(start, static_cast<std::uint32_t>(writer.size() - start));
}

void write_ssl_request(ByteWriter& writer) {
    constexpr std::uint32_t kSslRequestBytes = 8;
    writer.u32(kSslRequestBytes);
    writer.u32(kSslRequestCode);
}

void write_cancel_request(ByteWriter& writer, std::uint32_t process_id, ByteView secret) {
    WEIR_ASSERT(secret.size() >= kMinCancelSecretBytes);
    WEIR_ASSERT(secret.size() <= kMaxCancelSecretBytes);
    constexpr std::uint32_t kFixedBytes = 12;
    writer.u32(kFixedBytes + static_cast<std::uint32_t>(secret.size()));
    writer.u32(kCancelRequestCode);
    writer.u32(process_id);
    writer.raw(secret);
}

void write_password(ByteWriter& writer, std::string_view text) {
    const MessageFrame frame{writer, FrontendMessage::Password};
    writer.cstring(text);
}

void write_sasl_initial_response(ByteWriter& writer,
                                 std::string_view mechanism,
                                 std::string_view data) {
    const MessageFrame frame{writer, FrontendMessage::Password};
    writer.cstring(mechanism);
    writer.u32(static_cast<std::uint32_t>(data.size()));
    writer.text(data);
}

void write_sasl_response(ByteWriter& writer, std::string_view data) {
    const MessageFrame frame{writer, FrontendMessage::Password};
    writer.text(data);
}

void write_query(ByteWriter& writer, std::string_view sql) {
    const MessageFrame frame{writer, FrontendMessage::Query};
    writer.cstring(sql);
}

void write_parse(ByteWriter& writer,
                 std::string_view name,
                 std::string_view sql,
                 std::span<const std::uint32_t> type_oids) {
    const MessageFrame frame{writer, FrontendMessage::Parse};
    writer.cstring(name);
    writer.cstring(sql);
    write_count(writer, type_oids.size());
    for (const std::uint32_t oid : type_oids) {
        writer.u32(oid);
    }
}

void write_bind(ByteWriter& writer,
                std::string_view portal,
                std::string_view statement,
                std::span<const std::optional<std::string>> parameters) {
    constexpr std::uint16_t kAllText = 0;  // no format codes at all mean text for everything
    constexpr std::int32_t kNull = -1;
    const MessageFrame frame{writer, FrontendMessage::Bind};
    writer.cstring(portal);
    writer.cstring(statement);
    writer.u16(kAllText);
    write_count(writer, parameters.size());
    for (const std::optional<std::string>& value : parameters) {
        if (!value) {
            writer.i32(kNull);
            continue;
        }
        writer.u32(static_cast<std::uint32_t>(value->size()));
        writer.text(*value);
    }
    writer.u16(kAllText);
}

void write_rebind(ByteWriter& writer,
                  std::string_view portal,
                  std::string_view statement,
                  const BindView& bound) {
    constexpr std::int32_t kNull = -1;
    const MessageFrame frame{writer, FrontendMessage::Bind};
    writer.cstring(portal);
    writer.cstring(statement);
    write_count(writer, bound.parameter_formats.size());
    for (const std::uint16_t format : bound.parameter_formats) {
        writer.u16(format);
    }
    write_count(writer, bound.parameters.size());
    for (const std::optional<ByteView>& value : bound.parameters) {
        if (!value) {
            writer.i32(kNull);
            continue;
        }
        writer.u32(static_cast<std::uint32_t>(value->size()));
        writer.raw(*value);
    }
    writer.u16(0);
}

void write_describe(ByteWriter& writer, char kind, std::string_view name) {
    write_kind_and_name(writer, FrontendMessage::Describe, kind, name);
}

void write_execute(ByteWriter& writer, std::string_view portal, std::uint32_t max_rows) {
    const MessageFrame frame{writer, FrontendMessage::Execute};
    writer.cstring(portal);
    writer.u32(max_rows);
}

void write_close(ByteWriter& writer, char kind, std::string_view name) {
    write_kind_and_name(writer, FrontendMessage::Close, kind, name);
}

void write_sync(ByteWriter& writer) {
    write_empty(writer, FrontendMessage::Sync);
}

void write_flush(ByteWriter& writer) {
    write_empty(writer, FrontendMessage::Flush);
}

void write_copy_fail(ByteWriter& writer, std::string_view reason) {
    const MessageFrame frame{writer, FrontendMessage::CopyFail};
    writer.cstring(reason);
}

void write_terminate(ByteWriter& writer) {
    write_empty(writer, FrontendMessage::Terminate);
}

}  // namespace weir::protocol
