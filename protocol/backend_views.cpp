#include "protocol/backend_views.hpp"

#include "protocol/limits.hpp"
#include "protocol/startup.hpp"

#include <algorithm>

namespace weir::protocol {

namespace {

template <std::size_t N>
auto violation(const char (&what)[N]) {
    return fail(ErrorCode::ProtocolViolation, sqlstate::kProtocolViolation, what);
}

/// Reads zero-terminated names up to an empty one, which must be the last byte.
std::optional<std::vector<std::string_view>> read_names(ByteReader& reader) {
    std::vector<std::string_view> names;
    for (;;) {
        const auto name = reader.cstring();
        if (!name) {
            return std::nullopt;
        }
        if (name->empty()) {
            break;
        }
        names.push_back(*name);
    }
    return reader.remaining() == 0 ? std::optional{std::move(names)} : std::nullopt;
}

Result<AuthenticationView> read_authentication_body(ByteReader& reader, AuthenticationView view) {
    switch (view.kind) {
        case AuthenticationKind::Ok:
        case AuthenticationKind::Cleartext: break;
        case AuthenticationKind::Md5: {
            const auto salt = reader.take(view.md5_salt.size());
            if (!salt) {
                return violation("malformed authentication request");
            }
            std::copy(salt->begin(), salt->end(), view.md5_salt.begin());
            break;
        }
        case AuthenticationKind::Sasl: {
            auto mechanisms = read_names(reader);
            if (!mechanisms || mechanisms->empty()) {
                return violation("malformed authentication request");
            }
            view.mechanisms = std::move(*mechanisms);
            break;
        }
        case AuthenticationKind::SaslContinue:
        case AuthenticationKind::SaslFinal: view.data = as_text(reader.rest()); return view;
        case AuthenticationKind::Unsupported: return view;
    }
    if (reader.remaining() != 0) {
        return violation("malformed authentication request");
    }
    return view;
}

AuthenticationKind kind_of_authentication(std::uint32_t code) {
    switch (code) {
        case 0: return AuthenticationKind::Ok;
        case 3: return AuthenticationKind::Cleartext;
        case 5: return AuthenticationKind::Md5;
        case 10: return AuthenticationKind::Sasl;
        case 11: return AuthenticationKind::SaslContinue;
        case 12: return AuthenticationKind::SaslFinal;
        default: return AuthenticationKind::Unsupported;
    }
}

}  // namespace

Result<ErrorView> read_error(ByteView body) {
    ByteReader reader{body};
    ErrorView view;
    std::optional<Severity> localized;
    std::optional<Severity> severity;
    for (;;) {
        const auto field = reader.u8();
        if (!field) {
            return violation("malformed error message");
        }
        if (*field == 0) {
            break;
        }
        const auto value = reader.cstring();
        if (!value) {
            return violation("malformed error message");
        }
        switch (static_cast<char>(*field)) {
            case 'S': localized = parse_severity(*value); break;
            case 'V': severity = parse_severity(*value); break;
            case 'C': view.sqlstate = SqlState::parse(*value); break;
            case 'M': view.message = *value; break;
            case 'D': view.detail = *value; break;
            case 'H': view.hint = *value; break;
            case 'R': view.routine = *value; break;
            case 's': view.schema = *value; break;
            case 't': view.table = *value; break;
            default: break;
        }
    }
    if (reader.remaining() != 0) {
        return violation("malformed error message");
    }
    view.severity = severity.value_or(localized.value_or(Severity::Error));
    return view;
}

Result<ParameterStatusView> read_parameter_status(ByteView body) {
    ByteReader reader{body};
    const auto name = reader.cstring();
    const auto value = reader.cstring();
    if (!name || !value || reader.remaining() != 0) {
        return violation("malformed parameter status");
    }
    return ParameterStatusView{*name, *value};
}

Result<BackendKeyView> read_backend_key(ByteView body) {
    ByteReader reader{body};
    const auto process_id = reader.u32();
    const ByteView secret = reader.rest();
    if (!process_id || secret.size() < kMinCancelSecretBytes ||
        secret.size() > kMaxCancelSecretBytes) {
        return violation("malformed backend key data");
    }
    return BackendKeyView{*process_id, secret};
}

Result<TransactionStatus> read_ready_for_query(ByteView body) {
    ByteReader reader{body};
    const auto indicator = reader.u8();
    if (!indicator || reader.remaining() != 0) {
        return violation("malformed ready for query");
    }
    switch (const auto status = static_cast<TransactionStatus>(*indicator)) {
        case TransactionStatus::Idle:
        case TransactionStatus::InTransaction:
        case TransactionStatus::Failed: return status;
    }
    return violation("malformed ready for query");
}

Result<AuthenticationView> read_authentication(ByteView body) {
    ByteReader reader{body};
    const auto code = reader.u32();
    if (!code) {
        return violation("malformed authentication request");
    }
    AuthenticationView view;
    view.code = *code;
    view.kind = kind_of_authentication(*code);
    return read_authentication_body(reader, std::move(view));
}

Result<NegotiateView> read_negotiate_protocol_version(ByteView body) {
    ByteReader reader{body};
    const auto version = reader.u32();
    const auto count = reader.u32();
    // Every option takes at least its terminator.
    if (!version || !count || *count > reader.remaining()) {
        return violation("malformed protocol negotiation");
    }
    const std::uint32_t major = *version >> 16U;
    if (major != 0 && major != kProtocolMajor) {
        return violation("malformed protocol negotiation");
    }
    NegotiateView view;
    view.newest_minor = *version & 0xffffU;
    view.options.reserve(*count);
    for (std::uint32_t i = 0; i < *count; ++i) {
        const auto option = reader.cstring();
        if (!option) {
            return violation("malformed protocol negotiation");
        }
        view.options.push_back(*option);
    }
    if (reader.remaining() != 0) {
        return violation("malformed protocol negotiation");
    }
    return view;
}

Result<void> read_data_row(ByteView body, std::span<std::optional<std::string_view>> columns) {
    ByteReader reader{body};
    if (reader.u16() != columns.size()) {
        return fail(ErrorCode::ProtocolViolation,
                    sqlstate::kProtocolViolation,
                    "DataRow with another number of columns");
    }
    for (std::optional<std::string_view>& column : columns) {
        const auto length = reader.i32();
        const auto bytes =
            length && *length >= 0 ? reader.take(static_cast<std::size_t>(*length)) : std::nullopt;
        if (!length || *length < -1 || (*length >= 0 && !bytes)) {
            return fail(
                ErrorCode::ProtocolViolation, sqlstate::kProtocolViolation, "malformed DataRow");
        }
        column = bytes ? std::optional{as_text(*bytes)} : std::nullopt;
    }
    if (reader.remaining() != 0) {
        return fail(
            ErrorCode::ProtocolViolation, sqlstate::kProtocolViolation, "malformed DataRow");
    }
    return {};
}

Result<std::string_view> read_command_tag(ByteView body) {
    ByteReader reader{body};
    const auto tag = reader.cstring();
    if (!tag || reader.remaining() != 0) {
        return violation("malformed command tag");
    }
    return *tag;
}

}  // namespace weir::protocol
