#include "pool/backend_login.hpp"

#include "protocol/message_writer.hpp"
#include "protocol/password.hpp"
#include "protocol/startup.hpp"

#include <algorithm>

namespace weir::pool {

using protocol::AuthenticationKind;
using protocol::BackendMessage;

BackendLogin::BackendLogin(Identity identity,
                           Credentials credentials,
                           std::vector<std::pair<std::string, std::string>> settings)
    : identity_{std::move(identity)},
      credentials_{std::move(credentials)},
      settings_{std::move(settings)} {}

/// The one place where a startup packet is written. PostgreSQL takes the last of two users.
void BackendLogin::start(ByteWriter& output) const {
    std::vector<std::pair<std::string, std::string>> parameters = {
        {"user", identity_.user}, {"database", identity_.database}};
    if (!identity_.replication.empty()) {
        parameters.emplace_back("replication", identity_.replication);
    }
    for (const auto& setting : settings_) {
        if (!protocol::is_packet_word(setting.first)) {
            parameters.push_back(setting);
        }
    }
    protocol::write_startup(output, 0, parameters);
}

BackendLogin::Status BackendLogin::feed(BackendMessage type, ByteView body, ByteWriter& output) {
    switch (type) {
        case BackendMessage::Authentication: return on_authentication(body, output);
        case BackendMessage::ErrorResponse: return on_error(body);
        case BackendMessage::NoticeResponse:
        case BackendMessage::NegotiateProtocolVersion: return Status::Continue;
        case BackendMessage::BackendKeyData: {
            const auto key = protocol::read_backend_key(body);
            if (!key) {
                return refuse(key.error());
            }
            process_id_ = key->process_id;
            cancel_secret_.assign(key->secret.begin(), key->secret.end());
            return Status::Continue;
        }
        case BackendMessage::ParameterStatus: {
            const auto parameter = protocol::read_parameter_status(body);
            if (!parameter) {
                return refuse(parameter.error());
            }
            set_parameter(parameters_, parameter->name, parameter->value);
            return Status::Continue;
        }
        case BackendMessage::ReadyForQuery:
            return is_authenticated_ ? Status::Done
                                     : refuse(sqlstate::kProtocolViolation,
                                              "server was ready before it let us in");
        default:
            return refuse(sqlstate::kProtocolViolation,
                          "unexpected message from server during login");
    }
}

BackendLogin::Status BackendLogin::on_authentication(ByteView body, ByteWriter& output) {
    const auto view = protocol::read_authentication(body);
    if (!view) {
        return refuse(view.error());
    }
    if (awaits_keys_ || (scram_ && view->kind == AuthenticationKind::Sasl)) {
        return refuse(sqlstate::kProtocolViolation, "unexpected message from server during login");
    }
    switch (view->kind) {
        case AuthenticationKind::Ok:
            if (scram_ && !scram_->is_done()) {
                return refuse(sqlstate::kProtocolViolation,
                              "server ended the SCRAM exchange without proving itself");
            }
            is_authenticated_ = true;
            return Status::Continue;
        case AuthenticationKind::Cleartext:
            if (protocol::kind_of(credentials_.secret) != protocol::SecretKind::Plain ||
                credentials_.secret.empty()) {
                return refuse(
                    sqlstate::kInvalidPassword,
                    "server asks for a cleartext password, and none is known for user \"" +
                        identity_.user + "\"");
            }
            protocol::write_password(output, credentials_.secret);
            return Status::Continue;
        case AuthenticationKind::Md5: return on_md5(*view, output);
        case AuthenticationKind::Sasl: return on_sasl(*view, output);
        case AuthenticationKind::SaslContinue: return on_sasl_continue(*view, output);
        case AuthenticationKind::SaslFinal:
            if (!scram_) {
                return refuse(sqlstate::kProtocolViolation,
                              "unexpected message from server during login");
            }
            if (const auto proven = scram_->server_final(view->data); !proven) {
                return refuse(proven.error());
            }
            return Status::Continue;
        case AuthenticationKind::Unsupported: break;
    }
    return refuse(sqlstate::kFeatureNotSupported,
                  "server asks for authentication method " + std::to_string(view->code) +
                      "; supported are trust, password, md5 and scram-sha-256");
}

BackendLogin::Status BackendLogin::on_md5(const protocol::AuthenticationView& view,
                                          ByteWriter& output) {
    const protocol::SecretKind kind = protocol::kind_of(credentials_.secret);
    if (credentials_.secret.empty() || kind == protocol::SecretKind::Scram) {
        return refuse(sqlstate::kInvalidPassword,
                      "server asks for an md5 password, and no password is known for user \"" +
                          identity_.user + "\"");
    }
    const std::string stored = kind == protocol::SecretKind::Md5
                                   ? credentials_.secret
                                   : protocol::md5_password(identity_.user, credentials_.secret);
    protocol::write_password(output, protocol::md5_response(stored, view.md5_salt));
    return Status::Continue;
}

BackendLogin::Status BackendLogin::on_sasl(const protocol::AuthenticationView& view,
                                           ByteWriter& output) {
    const auto is_offered = [&offered = view.mechanisms](std::string_view mechanism) {
        return std::find(offered.begin(), offered.end(), mechanism) != offered.end();
    };
    const bool has_plus = !end_point_.empty() && is_offered(protocol::kScramPlusMechanism);
    if (!has_plus && !is_offered(protocol::kScramMechanism)) {
        return refuse(sqlstate::kFeatureNotSupported,
                      "server offers no SASL mechanism that is supported (SCRAM-SHA-256)");
    }
    const bool has_password = !credentials_.secret.empty() &&
                              protocol::kind_of(credentials_.secret) == protocol::SecretKind::Plain;
    if (!credentials_.keys && !has_password) {
        return refuse(sqlstate::kInvalidPassword,
                      "server asks for SCRAM authentication, and neither a password nor a client's "
                      "proof is known for user \"" +
                          identity_.user + "\"");
    }
    scram_.emplace();
    if (!end_point_.empty()) {
        scram_->bind_to(end_point_,
                        has_plus ? protocol::ScramChoice::Plus : protocol::ScramChoice::Plain);
    }
    protocol::write_sasl_initial_response(
        output,
        has_plus ? protocol::kScramPlusMechanism : protocol::kScramMechanism,
        scram_->client_first());
    return Status::Continue;
}

BackendLogin::Status BackendLogin::on_sasl_continue(const protocol::AuthenticationView& view,
                                                    ByteWriter& output) {
    if (!scram_) {
        return refuse(sqlstate::kProtocolViolation, "unexpected message from server during login");
    }
    auto first = scram_->server_first(view.data);
    if (!first) {
        return refuse(first.error());
    }
    key_request_ = std::move(*first);
    if (credentials_.keys) {
        return give_keys(*credentials_.keys, output);
    }
    awaits_keys_ = true;
    return Status::NeedsKeys;
}

BackendLogin::Status BackendLogin::give_keys(const protocol::ScramKeys& keys, ByteWriter& output) {
    awaits_keys_ = false;
    protocol::write_sasl_response(output, scram_->client_final(keys));
    return Status::Continue;
}

BackendLogin::Status BackendLogin::on_error(ByteView body) {
    const auto view = protocol::read_error(body);
    if (!view) {
        return refuse(view.error());
    }
    failure_.fields.severity = protocol::Severity::Fatal;
    failure_.fields.sqlstate = view->sqlstate.value_or(sqlstate::kConnectionFailure);
    failure_.fields.message = std::string{view->message};
    failure_.fields.detail = std::string{view->detail};
    failure_.fields.hint = std::string{view->hint};
    failure_.is_final = !is_transient(failure_.fields.sqlstate);
    failure_.original.assign(body.begin(), body.end());
    return Status::Failed;
}

BackendLogin::Status BackendLogin::refuse(SqlState sqlstate, std::string message) {
    failure_.fields = {protocol::Severity::Fatal, sqlstate, std::move(message), {}, {}};
    failure_.is_final = true;
    return Status::Failed;
}

BackendLogin::Status BackendLogin::refuse(const Error& error) {
    return refuse(error.sqlstate(), "server login failed: " + std::string{error.what()});
}

bool is_transient(SqlState sqlstate) {
    const std::string text = sqlstate.text();
    const std::string_view error_class = std::string_view{text}.substr(0, 2);
    return error_class == "53" || error_class == "57" || error_class == "58" || error_class == "08";
}

void set_parameter(ReportedParameters& parameters, std::string_view name, std::string_view value) {
    for (auto& [known, old] : parameters) {
        if (known == name) {
            old = value;
            return;
        }
    }
    parameters.emplace_back(name, value);
}

}  // namespace weir::pool
