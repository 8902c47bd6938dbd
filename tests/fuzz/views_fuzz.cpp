// Every reader of a message's body. The input's first byte is the type (with the high bit: a
// client's), the rest the body.

#include "protocol/backend_views.hpp"
#include "protocol/frame.hpp"
#include "protocol/frontend_views.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

using namespace weir::protocol;

using weir::ByteView;
using weir::ByteWriter;
using weir::fuzz::require;

constexpr unsigned kFromClient = 0x80;

bool lies_within(std::string_view text, ByteView body) {
    const std::string_view all = weir::as_text(body);
    return text.empty() ||
           (text.data() >= all.data() && text.data() + text.size() <= all.data() + all.size());
}

/// @return whether the writer's single message has this body
bool has_body(const ByteWriter& writer, ByteView body) {
    const FrameResult result = read_header(writer.bytes());
    require(result.status == FrameStatus::Complete && result.header.frame_bytes() == writer.size());
    return weir::as_text(body_of(writer.bytes(), result.header)) == weir::as_text(body);
}

void check_error(ByteView body) {
    const auto view = read_error(body);
    if (view) {
        require(lies_within(view->message, body) && lies_within(view->detail, body) &&
                lies_within(view->hint, body));
    }
}

void check_backend(char type, ByteView body) {
    ByteWriter writer;
    switch (static_cast<BackendMessage>(type)) {
        case BackendMessage::ErrorResponse:
        case BackendMessage::NoticeResponse: check_error(body); break;
        case BackendMessage::ParameterStatus:
            if (const auto view = read_parameter_status(body)) {
                write_parameter_status(writer, view->name, view->value);
                require(has_body(writer, body));
            }
            break;
        case BackendMessage::BackendKeyData:
            if (const auto view = read_backend_key(body)) {
                write_backend_key_data(writer, view->process_id, view->secret);
                require(has_body(writer, body));
            }
            break;
        case BackendMessage::ReadyForQuery:
            if (const auto status = read_ready_for_query(body)) {
                write_ready_for_query(writer, *status);
                require(has_body(writer, body));
            }
            break;
        case BackendMessage::Authentication:
            if (const auto view = read_authentication(body)) {
                require(lies_within(view->data, body));
                require(view->mechanisms.size() <= body.size());
            }
            break;
        case BackendMessage::NegotiateProtocolVersion:
            if (const auto view = read_negotiate_protocol_version(body)) {
                require(view->options.size() <= body.size());
            }
            break;
        case BackendMessage::CommandComplete:
            if (const auto tag = read_command_tag(body)) {
                write_command_complete(writer, *tag);
                require(has_body(writer, body));
            }
            break;
        default: break;
    }
}

void check_bind(ByteView body) {
    const auto view = read_bind(body);
    if (!view) {
        return;
    }
    require(view->parameters.size() + view->parameter_formats.size() +
                view->result_formats.size() <=
            body.size());
    for (const auto& parameter : view->parameters) {
        require(!parameter || lies_within(weir::as_text(*parameter), body));
    }
}

void check_password(ByteView body) {
    ByteWriter writer;
    if (const auto view = read_sasl_initial(body)) {
        require(lies_within(view->mechanism, body) && lies_within(view->data, body));
    }
    if (const auto password = read_password(body)) {
        write_password(writer, *password);
        require(has_body(writer, body));
    }
}

void check_frontend(char type, ByteView body) {
    ByteWriter writer;
    switch (static_cast<FrontendMessage>(type)) {
        case FrontendMessage::Query:
            if (const auto view = read_query(body)) {
                write_query(writer, view->sql);
                require(has_body(writer, body));
            }
            break;
        case FrontendMessage::Parse:
            if (const auto view = read_parse(body)) {
                write_parse(writer, view->name, view->sql, view->parameter_types);
                require(has_body(writer, body));
            }
            break;
        case FrontendMessage::Bind: check_bind(body); break;
        case FrontendMessage::Describe:
            if (const auto view = read_describe(body)) {
                write_describe(writer, view->kind, view->name);
                require(has_body(writer, body));
            }
            break;
        case FrontendMessage::Execute:
            if (const auto view = read_execute(body)) {
                require(lies_within(view->portal, body) && view->max_rows <= kMaxMessageBytes);
            }
            break;
        case FrontendMessage::Close:
            if (const auto view = read_close(body)) {
                write_close(writer, view->kind, view->name);
                require(has_body(writer, body));
            }
            break;
        case FrontendMessage::Password: check_password(body); break;
        default: break;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const auto body = weir::fuzz::exact_copy(weir::fuzz::input(data, size).subspan(1));
    const auto type = static_cast<char>(data[0] & ~kFromClient);
    if ((data[0] & kFromClient) != 0) {
        check_frontend(type, body);
    } else {
        check_backend(type, body);
    }
    return 0;
}
