#include "protocol/message_type.hpp"

namespace weir::protocol {

namespace {

// One switch per direction; the compiler reports a missing enumerator. "" stands for a byte that is
// none of them.

constexpr std::string_view frontend_name(FrontendMessage type) {
    switch (type) {
        case FrontendMessage::Bind: return "Bind";
        case FrontendMessage::Close: return "Close";
        case FrontendMessage::CopyData: return "CopyData";
        case FrontendMessage::CopyDone: return "CopyDone";
        case FrontendMessage::CopyFail: return "CopyFail";
        case FrontendMessage::Describe: return "Describe";
        case FrontendMessage::Execute: return "Execute";
        case FrontendMessage::Flush: return "Flush";
        case FrontendMessage::FunctionCall: return "FunctionCall";
        case FrontendMessage::Parse: return "Parse";
        case FrontendMessage::Password: return "Password";
        case FrontendMessage::Query: return "Query";
        case FrontendMessage::Sync: return "Sync";
        case FrontendMessage::Terminate: return "Terminate";
    }
    return {};
}

constexpr std::string_view backend_name(BackendMessage type) {
    switch (type) {
        case BackendMessage::Authentication: return "Authentication";
        case BackendMessage::BackendKeyData: return "BackendKeyData";
        case BackendMessage::BindComplete: return "BindComplete";
        case BackendMessage::CloseComplete: return "CloseComplete";
        case BackendMessage::CommandComplete: return "CommandComplete";
        case BackendMessage::CopyBothResponse: return "CopyBothResponse";
        case BackendMessage::CopyData: return "CopyData";
        case BackendMessage::CopyDone: return "CopyDone";
        case BackendMessage::CopyInResponse: return "CopyInResponse";
        case BackendMessage::CopyOutResponse: return "CopyOutResponse";
        case BackendMessage::DataRow: return "DataRow";
        case BackendMessage::EmptyQueryResponse: return "EmptyQueryResponse";
        case BackendMessage::ErrorResponse: return "ErrorResponse";
        case BackendMessage::FunctionCallResponse: return "FunctionCallResponse";
        case BackendMessage::NegotiateProtocolVersion: return "NegotiateProtocolVersion";
        case BackendMessage::NoData: return "NoData";
        case BackendMessage::NoticeResponse: return "NoticeResponse";
        case BackendMessage::NotificationResponse: return "NotificationResponse";
        case BackendMessage::ParameterDescription: return "ParameterDescription";
        case BackendMessage::ParameterStatus: return "ParameterStatus";
        case BackendMessage::ParseComplete: return "ParseComplete";
        case BackendMessage::PortalSuspended: return "PortalSuspended";
        case BackendMessage::ReadyForQuery: return "ReadyForQuery";
        case BackendMessage::RowDescription: return "RowDescription";
    }
    return {};
}

}  // namespace

bool is_frontend_message(char type) {
    return !frontend_name(static_cast<FrontendMessage>(type)).empty();
}

bool is_backend_message(char type) {
    return !backend_name(static_cast<BackendMessage>(type)).empty();
}

bool is_extended(FrontendMessage type) {
    switch (type) {
        case FrontendMessage::Bind:
        case FrontendMessage::Close:
        case FrontendMessage::Describe:
        case FrontendMessage::Execute:
        case FrontendMessage::Parse: return true;
        case FrontendMessage::CopyData:
        case FrontendMessage::CopyDone:
        case FrontendMessage::CopyFail:
        case FrontendMessage::Flush:
        case FrontendMessage::FunctionCall:
        case FrontendMessage::Password:
        case FrontendMessage::Query:
        case FrontendMessage::Sync:
        case FrontendMessage::Terminate: return false;
    }
    return false;
}

std::string_view name_of(FrontendMessage type) {
    return frontend_name(type);
}

std::string_view name_of(BackendMessage type) {
    return backend_name(type);
}

}  // namespace weir::protocol
