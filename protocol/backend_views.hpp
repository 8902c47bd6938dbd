#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "protocol/error_reply.hpp"
#include "protocol/message_type.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

/// What backends say, for the few messages the proxy must understand. Every reader takes a
/// message's BODY (without type and length) and returns a view that points into it and dies with
/// it.
///
/// @errors ProtocolViolation (08P01) for a body that is too short, too long or not terminated
/// @source PostgreSQL 18 manual, "Message Formats" and "Error and Notice Message Fields"
namespace weir::protocol {

/// ErrorResponse or NoticeResponse.
struct ErrorView {
    /// From 'V'; from 'S' where 'V' is missing (before 9.6). Error when neither is a word we know.
    Severity severity = Severity::Error;
    std::optional<SqlState> sqlstate;  ///< PostgreSQL always sends it, poolers in between may not
    std::string_view message;
    std::string_view detail;
    std::string_view hint;
    std::string_view routine;  ///< of PostgreSQL's source; the same in every language
    std::string_view schema;   ///< of the table it is about; "" = of none
    std::string_view table;

    /// @return whether the backend ends the connection after it
    [[nodiscard]] bool is_fatal() const {
        return severity == Severity::Fatal || severity == Severity::Panic;
    }
};

/// Of a repeated field the last one counts; unknown fields are skipped, as the manual asks.
[[nodiscard]] Result<ErrorView> read_error(ByteView body);

struct ParameterStatusView {
    std::string_view name;
    std::string_view value;
};

[[nodiscard]] Result<ParameterStatusView> read_parameter_status(ByteView body);

struct BackendKeyView {
    std::uint32_t process_id = 0;
    ByteView secret;  ///< kMinCancelSecretBytes to kMaxCancelSecretBytes
};

[[nodiscard]] Result<BackendKeyView> read_backend_key(ByteView body);

[[nodiscard]] Result<TransactionStatus> read_ready_for_query(ByteView body);

enum class AuthenticationKind : std::uint8_t {
    Ok,
    Cleartext,
    Md5,
    Sasl,
    SaslContinue,
    SaslFinal,
    Unsupported,  ///< Kerberos, GSSAPI, SSPI, or a newer one
};

struct AuthenticationView {
    AuthenticationKind kind = AuthenticationKind::Unsupported;
    std::uint32_t code = 0;                    ///< the number on the wire, for a refusal's text
    std::array<std::byte, 4> md5_salt{};       ///< Md5
    std::vector<std::string_view> mechanisms;  ///< Sasl: what the backend offers, best first
    std::string_view data;                     ///< SaslContinue, SaslFinal
};

[[nodiscard]] Result<AuthenticationView> read_authentication(ByteView body);

struct NegotiateView {
    std::uint32_t newest_minor = 0;         ///< of major version 3
    std::vector<std::string_view> options;  ///< the "_pq_." options the backend does not know
};

/// Takes both spellings of the version: the whole one (196610), which PostgreSQL sends, and the
/// bare minor (2), which the manual describes.
[[nodiscard]] Result<NegotiateView> read_negotiate_protocol_version(ByteView body);

/// Reads a DataRow of exactly that many columns. @param columns get the values; nothing = NULL
[[nodiscard]] Result<void> read_data_row(ByteView body,
                                         std::span<std::optional<std::string_view>> columns);

/// @return CommandComplete's tag, e.g. "INSERT 0 1"
[[nodiscard]] Result<std::string_view> read_command_tag(ByteView body);

}  // namespace weir::protocol
