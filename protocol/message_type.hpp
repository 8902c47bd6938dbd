#pragma once

#include <cstdint>
#include <string_view>

/// The type bytes of PostgreSQL's wire protocol. Two enums, because 'D', 'S', 'C', 'E' and 'H' mean
/// different things by direction.
///
/// @source PostgreSQL 15 manual, chapter "Frontend/Backend Protocol", section "Message Formats"
namespace weir::protocol {

/// What a client sends after its startup message.
enum class FrontendMessage : char {
    Bind = 'B',
    Close = 'C',
    CopyData = 'd',
    CopyDone = 'c',
    CopyFail = 'f',
    Describe = 'D',
    Execute = 'E',
    Flush = 'H',
    FunctionCall = 'F',
    Parse = 'P',
    Password = 'p',  ///< also GSSResponse, SASLInitialResponse and SASLResponse
    Query = 'Q',
    Sync = 'S',
    Terminate = 'X',
};

/// What a backend sends.
enum class BackendMessage : char {
    Authentication = 'R',
    BackendKeyData = 'K',
    BindComplete = '2',
    CloseComplete = '3',
    CommandComplete = 'C',
    CopyBothResponse = 'W',
    CopyData = 'd',
    CopyDone = 'c',
    CopyInResponse = 'G',
    CopyOutResponse = 'H',
    DataRow = 'D',
    EmptyQueryResponse = 'I',
    ErrorResponse = 'E',
    FunctionCallResponse = 'V',
    NegotiateProtocolVersion = 'v',
    NoData = 'n',
    NoticeResponse = 'N',
    NotificationResponse = 'A',
    ParameterDescription = 't',
    ParameterStatus = 'S',
    ParseComplete = '1',
    PortalSuspended = 's',
    ReadyForQuery = 'Z',
    RowDescription = 'T',
};

/// @return whether a client may send this type byte after startup
[[nodiscard]] bool is_frontend_message(char type);
/// @return whether a backend may send this type byte
[[nodiscard]] bool is_backend_message(char type);

/// @return whether it belongs to the extended protocol, where a Sync ends what one error undoes
[[nodiscard]] bool is_extended(FrontendMessage type);

/// @return the manual's name, e.g. "ParameterStatus"
[[nodiscard]] std::string_view name_of(FrontendMessage type);
[[nodiscard]] std::string_view name_of(BackendMessage type);

/// ReadyForQuery's indicator.
enum class TransactionStatus : char { Idle = 'I', InTransaction = 'T', Failed = 'E' };

}  // namespace weir::protocol
