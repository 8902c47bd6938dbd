// The part of Backend from dialling to its first rest.

#include "net/socket.hpp"
#include "pool/backend.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"

#include <string>
#include <utility>

namespace weir::pool {

using protocol::BackendMessage;

LoginFailure Backend::network_failure(const Error& error) const {
    const Endpoint& endpoint = request_->endpoint;
    std::string text = "server login failed: " + std::string{error.what()} + " (" + endpoint.text();
    const net::TlsChannel* tls = stream_ == nullptr ? nullptr : stream_->tls();
    if (tls != nullptr && !tls->problem().empty()) {
        text += ": " + tls->problem();
    } else if (error.code() == ErrorCode::Network && error.detail() != 0) {
        text += ": ";
        text += net::error_text(error.detail());
    }
    return {{protocol::Severity::Fatal, sqlstate::kCannotConnectNow, text + ")", {}, {}}, false};
}

void Backend::dial() {
    connector_ = std::make_unique<net::Connector>(
        env_.loop, request_->endpoint, request_->due, [this](Result<net::Fd> result) {
            on_connected(std::move(result));
        });
}

void Backend::on_connected(Result<net::Fd> result) {
    env_.loop.defer_delete(std::move(connector_));
    if (!result) {
        const LoginFailure failure = network_failure(result.error());
        end(&failure);
        return;
    }
    net::tune(result->get(), request_->tcp);
    stream_ = std::make_unique<net::Stream>(
        env_.loop, std::move(*result), static_cast<net::StreamListener&>(*this));
    stream_->set_high_mark(kUnsentMax);
    transition(BackendEvent::Connected);
    if (request_->step == DialRequest::Step::AskForTls) {
        ByteWriter output;
        protocol::write_ssl_request(output);
        stream_->write(output.bytes());
    } else {
        begin_login();
    }
}

void Backend::on_tls_answer(TlsAnswer answer) {
    request_->step = DialRequest::Step::LogIn;
    switch (answer) {
        case TlsAnswer::Yes: secure(*stream_, request_->tls, request_->endpoint); return;
        case TlsAnswer::No:
            if (request_->tls.may_go_plain()) {
                begin_login();
            } else {
                refuse_login("server does not support SSL, but SSL was required", Finality::Final);
            }
            return;
        case TlsAnswer::Injected:
            refuse_login("received unencrypted data after SSL response", Finality::MayChange);
            return;
        case TlsAnswer::Error:
            refuse_login("server sent an error response during SSL exchange", Finality::MayChange);
            return;
    }
}

void Backend::refuse_login(const std::string& why, Finality finality) {
    const LoginFailure failure{
        {protocol::Severity::Fatal,
         sqlstate::kCannotConnectNow,
         "server login failed: " + why + " (" + request_->endpoint.text() + ")",
         {},
         {}},
        finality == Finality::Final};
    end(&failure);
}

void Backend::on_secured() {
    begin_login();
}

void Backend::begin_login() {
    login_ = std::make_unique<BackendLogin>(
        BackendLogin::Identity{request_->user, request_->database, request_->replication},
        request_->credentials,
        request_->settings);
    if (stream_->tls() != nullptr) {
        if (auto end_point = stream_->tls()->server_end_point(); end_point) {
            login_->bind_to(*std::move(end_point));
        }
    }
    ByteWriter output;
    login_->start(output);
    stream_->write(output.bytes());
}

/// allow and prefer try the other way once, where the server lets nobody in this way. (libpq also
/// does so after a wrong password, which then is wrong twice.)
bool Backend::may_redial(SqlState refusal) const {
    const ServerTls& tls = request_->tls;
    const bool is_secured = stream_ != nullptr && stream_->tls() != nullptr;
    const bool is_other_way = (tls.mode == conf::TlsMode::Allow && !is_secured) ||
                              (tls.mode == conf::TlsMode::Prefer && is_secured);
    // PgBouncer refuses whoever comes without TLS with 08P01.
    return is_other_way && !request_->has_redialled && tls.may_secure(request_->endpoint) &&
           (refusal == sqlstate::kInvalidAuthorizationSpecification ||
            (refusal == sqlstate::kProtocolViolation && !is_secured));
}

void Backend::redial() {
    request_->step =
        stream_->tls() == nullptr ? DialRequest::Step::AskForTls : DialRequest::Step::LogIn;
    request_->has_redialled = true;
    login_.reset();
    alive_ = std::make_shared<int>(0);  // keys that are being derived were for the other one
    has_partial_frame_ = false;
    stream_->close();
    env_.loop.defer_delete(std::move(stream_));
    transition(BackendEvent::Redialled);
    dial();
}

/// Closed before it was of any use.
void Backend::on_closed_early(const Error& reason) {
    const net::TlsChannel* tls = stream_->tls();
    const bool has_failed_handshake = tls != nullptr && !tls->is_ready();
    if (has_failed_handshake && may_redial(sqlstate::kInvalidAuthorizationSpecification)) {
        redial();
        return;
    }
    LoginFailure failure = network_failure(reason);
    // What does not fit together now will not do so at once: who waits is told.
    failure.is_final = has_failed_handshake && reason.code() == ErrorCode::Network;
    end(&failure);
}

std::size_t Backend::log_in(ByteView bytes) {
    if (request_->step == DialRequest::Step::AskForTls) {
        on_tls_answer(read_tls_answer(bytes));
        return bytes.size();
    }
    std::size_t used = 0;
    while (state_ == BackendState::LoggingIn && used < bytes.size()) {
        const ByteView rest = bytes.subspan(used);
        const auto [status, header] = protocol::read_header(rest);
        if (status == protocol::FrameStatus::Invalid ||
            (status == protocol::FrameStatus::Complete &&
             header.length > protocol::kMaxAuthMessageBytes)) {
            const LoginFailure failure{
                {protocol::Severity::Fatal,
                 sqlstate::kProtocolViolation,
                 "server login failed: not a PostgreSQL server at " + request_->endpoint.text(),
                 {},
                 {}},
                true};
            end(&failure);
            return bytes.size();
        }
        if (status == protocol::FrameStatus::NeedMore || rest.size() < header.frame_bytes()) {
            break;
        }
        used += header.frame_bytes();
        has_partial_frame_ = used < bytes.size();
        ByteWriter output;
        const auto outcome = login_->feed(
            static_cast<BackendMessage>(header.type), protocol::body_of(rest, header), output);
        advance_login(outcome, output);
    }
    if (state_ == BackendState::Connecting) {
        return bytes.size();  // it is being dialled anew: these were the other connection's
    }
    if (state_ != BackendState::LoggingIn && state_ != BackendState::Closed) {
        used += relay(bytes.subspan(used));
    }
    return used;
}

void Backend::advance_login(BackendLogin::Status status, const ByteWriter& output) {
    if (!output.empty()) {
        stream_->write(output.bytes());
    }
    switch (status) {
        case BackendLogin::Status::Continue: return;
        case BackendLogin::Status::NeedsKeys: derive_keys(); return;
        case BackendLogin::Status::Done: finish_login(); return;
        case BackendLogin::Status::Failed: {
            const LoginFailure failure = login_->failure();
            if (may_redial(failure.fields.sqlstate)) {
                redial();
            } else {
                end(&failure);
            }
            return;
        }
    }
}

/// PBKDF2 takes milliseconds: off the loop, and back only if we still exist.
void Backend::derive_keys() {
    const std::weak_ptr<int> alive = alive_;
    auto work = [this,
                 alive,
                 &loop = env_.loop,
                 password = login_->password(),
                 request = login_->key_request()] {
        const auto keys = protocol::ScramKeys::derive(password, request.salt, request.iterations);
        loop.post([this, alive, keys] {
            if (alive.expired() || state_ != BackendState::LoggingIn) {
                return;
            }
            ByteWriter output;
            const auto status = login_->give_keys(keys, output);
            advance_login(status, output);
        });
    };
    if (!env_.background.submit(std::move(work))) {
        const LoginFailure failure{{protocol::Severity::Fatal,
                                    sqlstate::kTooManyConnections,
                                    "too many logins at once",
                                    {},
                                    {}},
                                   false};
        end(&failure);
    }
}

void Backend::finish_login() {
    process_id_ = login_->process_id();
    cancel_secret_ = login_->cancel_secret();
    parameters_ = login_->take_parameters();
    applied_ = startup_;
    login_.reset();
    const std::string connect_query = request_->connect_query;
    transition(BackendEvent::LoggedIn);
    if (!connect_query.empty()) {
        ask(connect_query);
        return;
    }
    request_.reset();
    deadline_.clear();
    transition(BackendEvent::Prepared);
    env_.owner.on_backend_idle(*this);
}

}  // namespace weir::pool
