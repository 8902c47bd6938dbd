#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "pool/credentials.hpp"
#include "protocol/backend_views.hpp"
#include "protocol/error_reply.hpp"
#include "protocol/message_type.hpp"
#include "protocol/scram.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::pool {

/// Reported settings (ParameterStatus) in the order the backend gave them, with its own spelling.
using ReportedParameters = std::vector<std::pair<std::string, std::string>>;

/// How a backend said no, or what we say when it could not be asked. Owns its text.
struct LoginFailure {
    protocol::ErrorFields fields;
    /// The backend itself answered, and asking again at once will give the same answer (wrong
    /// password, no such database).
    bool is_final = false;
    bool is_ours = false;  ///< the server has not been asked: our pool is full, or it failed lately
    std::vector<std::byte> original{};  ///< the body of the backend's own ErrorResponse, if any
};

/// Startup and authentication as a client of PostgreSQL, without I/O: frames in, bytes to send out.
///
/// Protocol 3.0 is spoken to backends: 3.2 differs only in longer cancel secrets, which stay
/// between the two of us.
class BackendLogin {
public:
    enum class Status : std::uint8_t {
        Continue,   ///< send `output`, feed the next message
        NeedsKeys,  ///< SCRAM keys must be derived from the password (slow): derive, then
                    ///< give_keys()
        Done,       ///< ReadyForQuery came
        Failed,
    };

    /// As whom and for what the session is.
    struct Identity {
        std::string user;
        std::string database;
        std::string replication;  ///< "" = an ordinary connection; else "true" or "database"
    };

    /// @param settings what the session begins with. They may come from a client: one called like
    ///        part of the identity (protocol::is_packet_word) is never sent.
    BackendLogin(Identity identity,
                 Credentials credentials,
                 std::vector<std::pair<std::string, std::string>> settings);

    /// The connection is inside TLS, and the server's certificate has this hash: SCRAM is bound to
    /// it where the server offers that. Before start().
    void bind_to(protocol::ScramEndPoint end_point) { end_point_ = std::move(end_point); }

    /// Appends the startup message.
    void start(ByteWriter& output) const;

    /// @param body a whole message's body
    [[nodiscard]] Status feed(protocol::BackendMessage type, ByteView body, ByteWriter& output);

    /// What keys are to be derived from; valid after NeedsKeys.
    [[nodiscard]] const std::string& password() const { return credentials_.secret; }

    [[nodiscard]] const protocol::ScramClient::ServerFirst& key_request() const {
        return key_request_;
    }

    [[nodiscard]] Status give_keys(const protocol::ScramKeys& keys, ByteWriter& output);

    [[nodiscard]] const LoginFailure& failure() const { return failure_; }

    [[nodiscard]] std::uint32_t process_id() const { return process_id_; }

    [[nodiscard]] const std::vector<std::byte>& cancel_secret() const { return cancel_secret_; }

    [[nodiscard]] ReportedParameters take_parameters() { return std::move(parameters_); }

private:
    [[nodiscard]] Status on_authentication(ByteView body, ByteWriter& output);
    [[nodiscard]] Status on_md5(const protocol::AuthenticationView& view, ByteWriter& output);
    [[nodiscard]] Status on_sasl(const protocol::AuthenticationView& view, ByteWriter& output);
    [[nodiscard]] Status on_sasl_continue(const protocol::AuthenticationView& view,
                                          ByteWriter& output);
    [[nodiscard]] Status on_error(ByteView body);
    [[nodiscard]] Status refuse(SqlState sqlstate, std::string message);
    [[nodiscard]] Status refuse(const Error& error);

    Identity identity_;
    Credentials credentials_;
    std::vector<std::pair<std::string, std::string>> settings_;
    protocol::ScramEndPoint end_point_;  // empty without TLS
    std::optional<protocol::ScramClient> scram_;
    bool awaits_keys_ = false;  // give_keys() comes next: the server has nothing to say until then
    protocol::ScramClient::ServerFirst key_request_;
    bool is_authenticated_ = false;
    std::uint32_t process_id_ = 0;
    std::vector<std::byte> cancel_secret_;
    ReportedParameters parameters_;
    LoginFailure failure_;
};

/// @return whether trying again soon may help: the backend is starting up, full, or short of
/// resources
[[nodiscard]] bool is_transient(SqlState sqlstate);

/// Replaces or adds one reported setting.
void set_parameter(ReportedParameters& parameters, std::string_view name, std::string_view value);

}  // namespace weir::pool
