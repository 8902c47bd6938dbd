#pragma once

#include "base/bytes.hpp"
#include "protocol/error_reply.hpp"
#include "protocol/message_frame.hpp"
#include "protocol/message_type.hpp"
#include "protocol/message_writer.hpp"

#include <string>
#include <string_view>

/// What a PostgreSQL server says, one message at a time, for tests that play one.
namespace weir::test {

using protocol::BackendMessage;
using protocol::FrontendMessage;
using protocol::Severity;
using protocol::TransactionStatus;

template <class Write>
[[nodiscard]] std::string said(Write&& write) {
    ByteWriter writer;
    write(writer);
    return std::string{as_text(writer.bytes())};
}

[[nodiscard]] inline std::string ready(TransactionStatus status = TransactionStatus::Idle) {
    return said([&](ByteWriter& writer) { protocol::write_ready_for_query(writer, status); });
}

[[nodiscard]] inline std::string completed(std::string_view tag) {
    return said([&](ByteWriter& writer) { protocol::write_command_complete(writer, tag); });
}

[[nodiscard]] inline std::string parameter(std::string_view name, std::string_view value) {
    return said([&](ByteWriter& writer) { protocol::write_parameter_status(writer, name, value); });
}

[[nodiscard]] inline std::string error(SqlState sqlstate,
                                       const std::string& message,
                                       Severity severity = Severity::Error) {
    return said([&](ByteWriter& writer) {
        protocol::write_error(writer, {severity, sqlstate, message, {}, {}});
    });
}

/// Any message by its type byte and body.
[[nodiscard]] inline std::string message(BackendMessage type, std::string_view body) {
    return said([&](ByteWriter& writer) {
        const protocol::MessageFrame frame{writer, type};
        writer.text(body);
    });
}

/// COPY's first answer: text format, no columns.
[[nodiscard]] inline std::string copy_response(BackendMessage type) {
    return message(type, std::string(3, '\0'));
}

}  // namespace weir::test
