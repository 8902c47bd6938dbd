// The part of ClientSession that holds a backend: gets it, hears what it says, gives it back, loses
// it.

#include "base/check.hpp"
#include "base/log.hpp"
#include "protocol/message_writer.hpp"
#include "proxy/client_session.hpp"
#include "proxy/local_reply.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

using protocol::FrontendMessage;
using protocol::TransactionStatus;

namespace {

/// Backends that are lost before they have a client's settings: so many for one request are no
/// accident.
constexpr unsigned kBackendsMissedMax = 5;

std::uint64_t microseconds(Duration duration) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(
        0, std::chrono::duration_cast<std::chrono::microseconds>(duration).count()));
}

/// @return the name before " - unix", " - 10.0.0.1:5432", " - [::1]:5432" at its end
std::string_view without_host(std::string_view name) {
    constexpr std::string_view kJoint = " - ";
    const std::size_t joint = name.rfind(kJoint);
    if (joint == std::string_view::npos) {
        return name;
    }
    const std::string_view host = name.substr(joint + kJoint.size());
    const std::size_t port = host.rfind(':');
    const bool has_port = port != std::string_view::npos && port + 1 < host.size() &&
                          host.find_first_not_of("0123456789", port + 1) == std::string_view::npos;
    return has_port || host == net::kUnixName ? name.substr(0, joint) : name;
}

}  // namespace

int ClientSession::priority() const {
    const conf::UserSettings* known = worker_.config().find_user(user());
    return known == nullptr ? 0 : known->priority;
}

/// Without the host that listen.application_name_add_host has added: it would make an application
/// of each client.
std::string_view ClientSession::application() const {
    const auto found = settings_->find(pool::kApplicationName);
    const std::string_view name = found == settings_->end() ? std::string_view{} : found->second;
    return worker_.config().listen.application_name_add_host ? without_host(name) : name;
}

void ClientSession::on_lease(pool::Backend& backend, Duration /*waited*/) {
    backend_ = &backend;
    hold_replies_back();
    if (has_time_limits()) {
        backend_->limit_statements(context_->policy.statement_timeout);
    }
    forget_uncertainty();
    if (session_state_ != nullptr) {
        session_state_->before_change = nullptr;
    }
    if (state_ == ClientState::Waiting) {
        transition(ClientEvent::BackendLent);
    }
    const bool is_welcoming = state_ == ClientState::Welcoming && !is_session_mode();
    if (backend_->prepare(is_welcoming ? welcome_settings() : settings_)) {
        on_prepared();
    }
}

std::shared_ptr<net::HeldOutput> ClientSession::hold_replies() {
    return stream_.hold_output();
}

/// In the middle of a login there is no place for a notice.
void ClientSession::on_long_wait() {
    if (state_ != ClientState::Waiting) {
        return;
    }
    ByteWriter output;
    protocol::write_notice(output,
                           {protocol::Severity::Notice,
                            sqlstate::kSuccessfulCompletion,
                            "No server connection available in postgres backend, client being "
                            "queued",
                            {},
                            {}});
    send(output);
}

void ClientSession::on_prepared() {
    if (state_ == ClientState::Welcoming) {
        if (is_session_mode()) {
            send_own_welcome();
            return;
        }
        const pool::ReportedParameters parameters = backend_->parameters();
        pool_->remember_welcome(welcome_settings(), parameters);
        return_backend();
        send_welcome(parameters);
        return;
    }
    transition(ClientEvent::Prepared);
    if (ClientRoute* mine = route(); mine != nullptr) {
        mine->call.began_at =
            worker_.loop().now();  // to wait for a backend is not the member's time
    }
    if (!is_relaying_) {
        resume_held();
    }
}

/// Gives back a backend on which nothing of this client's is under way. It is not at rest while a
/// message that came by itself is half way through.
void ClientSession::return_backend() {
    pool::Backend& backend = *std::exchange(backend_, nullptr);
    pool::Pool& from = end_lease();
    if (backend.is_at_rest()) {
        from.release(backend);
    } else {
        from.abandon(backend, pool::Backend::Frame::Whole, pool::Backend::Departure::Orderly);
    }
}

void ClientSession::on_prepare_failed(const protocol::ErrorFields& reason) {
    const bool was_at_replica = is_at_replica();
    end_call(policies::CallEnd::Succeeded);
    if (reason.sqlstate == sqlstate::kQueryCanceled) {
        // Nobody has asked for that but the last client's statement_timeout, or a cancel of its.
        end_lease().abandon(*std::exchange(backend_, nullptr),
                            pool::Backend::Frame::Open,
                            pool::Backend::Departure::Vanished);
        if (!was_at_replica && takes_another_backend()) {
            return;
        }
    } else {
        return_backend();
    }
    if (was_at_replica) {
        route()->stays_on_primary = true;  // which may take them
        look_elsewhere();
        return;
    }
    if (state_ == ClientState::Welcoming) {
        login_failed(reason.sqlstate, reason.message, "settings");
        return;
    }
    // It was accepted once. To go on without it would be to run statements as somebody else, or
    // elsewhere, than the client believes; and a session whose settings nobody takes is over.
    protocol::ErrorFields error = reason;
    error.severity = protocol::Severity::Fatal;
    error.detail = "a setting of this session can no longer be applied";
    fatal(error);
}

/// What it was lent has turned out to be of no use before anything of the client's was sent there.
/// @return whether it has, or waits for, another one now
bool ClientSession::takes_another_backend() {
    static_cast<void>(end_lease());
    if (backends_missed_ + 1U >= kBackendsMissedMax) {
        return false;
    }
    ++backends_missed_;
    if (state_ == ClientState::Preparing) {
        transition(ClientEvent::BackendMissed);
    }
    pool_->acquire(*this);
    return true;
}

void ClientSession::on_refused(const pool::LoginFailure& reason) {
    end_refused_call(reason);
    const bool is_pool_full =
        reason.is_ours && reason.fields.sqlstate == sqlstate::kTooManyConnections;
    if (is_at_replica()) {
        ClientRoute& mine = *route();
        mine.avoided.push_back(mine.load);
        ++mine.refusals;
        static_cast<void>(end_lease());
        if (!is_pool_full) {
            look_elsewhere();
            return;
        }
    }
    if (state_ == ClientState::Welcoming) {
        refuse_login(reason);
        return;
    }
    protocol::ErrorFields error = reason.fields;
    error.severity = protocol::Severity::Error;
    refuse_request(error);
    if (!is_relaying_) {
        resume_held();
    }
}

/// Answers the message a backend was wanted for; the message itself, still unread, is dropped when
/// its turn comes.
void ClientSession::answer_refused(const protocol::ErrorFields& error) {
    ClientCache::give_up(extras_.get());
    settle_retry(pool::RetryOutcome::Failure);
    ByteWriter output;
    const AfterReply after = write_refusal(output, wanted_for_, error);
    worker_.note_error(*this, error);
    is_refusal_pending_ = true;
    transition(after == AfterReply::Ready ? ClientEvent::RequestAnswered
                                          : ClientEvent::RequestRefused);
    send(output);
    came_to_rest();
}

void ClientSession::maybe_give_back() {
    if (state_ == ClientState::Active && body_left_ == 0 && backend_->is_at_rest()) {
        give_back();
    }
}

/// The transaction is over.
void ClientSession::give_back() {
    note_rest();
    if (session_state_ != nullptr) {
        session_state_->has_reset_portal = false;  // it has ended with its transaction
    }
    const TimePoint now = worker_.loop().now();
    const std::uint64_t us = microseconds(now - transaction_at_);
    lender().counters().transactions.add();
    lender().counters().transaction_us.add(us);
    tally_.add_transaction();
    worker_.mutable_counters().transaction_time.observe_us(us);
    transaction_at_ = now;
    settle_at_rest();
}

/// The backend goes back, unless the client needs it between transactions too, once it is known
/// what has been left behind.
void ClientSession::settle_at_rest() {
    if (carries_state() && backend_->is_cancel_on_its_way()) {
        return;  // what is asked now could be hit by it: on_cancel_settled() comes back to this
    }
    if (audit() || end_if_lifted()) {
        return;
    }
    if (is_pinned() && is_at_replica()) {
        fatal(
            sqlstate::kFeatureNotSupported,
            "a read-only transaction has left session state on a replica, where its session cannot "
            "stay: say /* weir: route=primary */ at its BEGIN");
        return;
    }
    if (keeps_backend() && !is_at_replica()) {
        set_idle_deadline();
        end_if_draining();
        return;
    }
    if (extras_ != nullptr) {
        extras_->statement_text.clear();
    }
    if (session_state_ != nullptr) {
        session_state_->has_own_rights = false;
    }
    transition(ClientEvent::BackendGivenBack);
    stream_.resume(net::Pause::PeerIsFull);  // what the backend was too full for is dropped now
    end_lease().release(*std::exchange(backend_, nullptr));
    came_to_rest();
}

/// What has been asked for has been answered, by whomever: while the process drains that is the
/// end.
void ClientSession::came_to_rest() {
    if (state_ == ClientState::Idle) {
        end_if_draining();
    }
    if (state_ == ClientState::Idle || state_ == ClientState::Skipping) {
        set_idle_deadline();
    }
}

void ClientSession::end_if_draining() {
    if (worker_.is_draining()) {
        fatal(sqlstate::kAdminShutdown, "server shutting down");
    }
}

/// Sets the deadline of the transaction under way: its own, and the one of a client that leaves it
/// idle. Idle is also who keeps the backend waiting for the rest of a message, for a Flush or for a
/// Sync.
void ClientSession::watch_transaction() {
    if (state_ != ClientState::Active) {
        return;
    }
    if (is_idle_with_backend()) {
        set_idle_deadline();
        return;
    }
    const conf::PoolSettings& settings = pool_->plan().settings;
    const bool has_limit = settings.transaction_timeout > Duration::zero() ||
                           settings.idle_in_transaction_timeout > Duration::zero();
    if (!has_limit || !pool_->key().replication.empty()) {
        deadline_.clear();
        return;
    }
    TimePoint due = deadline_after(transaction_at_, settings.transaction_timeout);
    const bool has_all = backend_->owed().empty() || is_flush_missing_;  // that it can get now
    const bool is_awaited = body_left_ > 0 ? !backend_->is_full() : has_all && !is_settling_;
    if (is_awaited) {
        due = std::min(due,
                       deadline_after(worker_.loop().now(), settings.idle_in_transaction_timeout));
    }
    worker_.loop().set_deadline(deadline_, due);
}

void ClientSession::on_reply(const net::WriteBatch& batch) {
    stream_.write(batch);
    worker_.mutable_counters().bytes_to_clients.add(batch.total());
    tally_.add_out(batch.total());
    lender().counters().bytes_sent.add(batch.total());
    if (stream_.is_full()) {
        backend_->pause_replies();
    }
    if (extras_ != nullptr && extras_->cached != nullptr) {
        extras_->cached->record(batch);
        if (stream_.is_full()) {
            extras_->cached->give_up_slow();
        }
    }
    if (backend_->owed().empty()) {
        watch_transaction();  // from here on the transaction may be idle
    }
}

void ClientSession::on_reported(std::string_view lower_case_name, std::string_view value) {
    SessionState& mine = session_state();  // what it began with is kept
    if (const std::uint32_t rests = backend_->traces().rests();
        mine.before_change == nullptr || mine.changed_at != rests) {
        mine.before_change = settings_;
        mine.changed_at = rests;
    }
    const std::string* usual = pool_->default_of(lower_case_name);
    set_settings(usual != nullptr && *usual == value
                     ? worker_.settings().without(settings_, lower_case_name)
                     : worker_.settings().with(settings_, lower_case_name, value));
    if (backend_->applied() != nullptr) {
        backend_->set_applied(settings_);
    }
}

void ClientSession::on_reply_end() {
    if (state_ != ClientState::Active) {
        return;
    }
    if (has_reset_due()) {
        if (backend_->is_cancel_on_its_way()) {
            watch_transaction();
            return;  // on_cancel_settled() comes back to this
        }
        settle_reset();
    }
    if (backend_->owed().empty()) {
        worker_.mutable_counters().statement_time.observe_us(
            microseconds(worker_.loop().now() - request_at_));
        end_call(policies::CallEnd::Succeeded);
    }
    if (!is_session_mode() && pool_->plan().settings.mode == conf::PoolMode::Statement &&
        backend_->transaction_status() != TransactionStatus::Idle) {
        refuse_open_transaction();
        go_on_settled();
        return;
    }
    if (backend_->is_at_rest() && body_left_ == 0) {
        give_back();
    } else {
        if (ClientRoute* mine = route(); mine != nullptr && backend_->owed().empty()) {
            mine->forget_request();  // a transaction goes on where it is
        }
        watch_transaction();
    }
    go_on_settled();
}

/// Statement mode: the ReadyForQuery that told of an open transaction was kept back; the client
/// gets an error and one that says there is none, and the backend is rolled back.
void ClientSession::refuse_open_transaction() {
    const protocol::ErrorFields error{protocol::Severity::Error,
                                      sqlstate::kFeatureNotSupported,
                                      "transaction blocks not allowed in statement pooling mode",
                                      {},
                                      {}};
    note_rest();
    forget_pending_statements();
    undo_settings();
    pool::BackendLoss loss;
    loss.owed = backend_->owed();
    loss.status = backend_->transaction_status();
    loss.reason = error;
    ByteWriter output;
    protocol::write_error(output, error);
    protocol::write_ready_for_query(output, TransactionStatus::Idle);
    const AfterReply after = write_loss(output, loss);
    const bool is_frame_open = body_left_ > 0 && is_forwarding_;
    is_forwarding_ = false;
    stream_.resume(net::Pause::PeerIsFull);
    end_lease().abandon(*std::exchange(backend_, nullptr),
                        is_frame_open ? pool::Backend::Frame::Open : pool::Backend::Frame::Whole,
                        pool::Backend::Departure::Vanished);
    transition(after == AfterReply::Ready ? ClientEvent::RequestAnswered
                                          : ClientEvent::RequestRefused);
    worker_.note_error(*this, error);
    send(output);
    came_to_rest();
}

void ClientSession::on_backend_drained() {
    stream_.resume(net::Pause::PeerIsFull);
    watch_transaction();
}

void ClientSession::on_progress() {
    go_on_settled();
}

/// @return whether what is sent now could be hit by the cancel of the statement before it
bool ClientSession::is_in_danger(FrontendMessage next) const {
    switch (next) {
        case FrontendMessage::CopyData:
        case FrontendMessage::CopyDone:
        case FrontendMessage::CopyFail:
        case FrontendMessage::Flush:
        case FrontendMessage::Sync: return false;  // they are of the statement before
        default: return backend_->is_cancel_on_its_way();
    }
}

void ClientSession::on_cancel_settled() {
    if (state_ == ClientState::Active && has_reset_due()) {
        on_reply_end();
        return;
    }
    if (is_through()) {
        settle_at_rest();
    }
    go_on_settled();
}

/// @return whether all that the client has sent is answered, and it has been told so
bool ClientSession::is_through() const {
    return state_ == ClientState::Active && body_left_ == 0 && backend_->is_at_rest() &&
           !backend_->has_untold_end();
}

}  // namespace weir::proxy
