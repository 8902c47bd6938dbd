#include "pool/backend.hpp"

#include "base/check.hpp"
#include "base/log.hpp"
#include "net/socket.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace weir::pool {

using protocol::FrontendMessage;
using protocol::ReplyAction;
using protocol::TransactionStatus;

namespace {

/// A client that left in mid-transaction: cancel, rollback and reset must be through by then.
constexpr std::chrono::seconds kCleanWithin{5};
/// A statement outside a transaction goes on without its client, as it would on a direct
/// connection, for this long.
constexpr std::chrono::seconds kOrphanWithin{60};
}  // namespace

Backend::Backend(const Environment& environment, std::uint64_t id, DialRequest request)
    : env_{environment},
      id_{id},
      request_{std::make_unique<DialRequest>(std::move(request))},
      startup_{request_->startup != nullptr ? request_->startup : env_.settings.none()},
      opened_at_{env_.loop.now()} {
    env_.loop.set_deadline(deadline_, request_->due);
    request_->step = request_->tls.begins_secured(request_->endpoint) ? DialRequest::Step::AskForTls
                                                                      : DialRequest::Step::LogIn;
    dial();
}

Backend::Backend(const Environment& environment, ParkedBackend parked)
    : env_{environment},
      id_{parked.id},
      state_{BackendState::Idle},
      startup_{env_.settings.intern(std::move(parked.startup))},
      applied_{parked.is_applied_known ? env_.settings.intern(std::move(parked.applied)) : nullptr},
      process_id_{parked.process_id},
      cancel_secret_{std::move(parked.cancel_secret)},
      parameters_{std::move(parked.parameters)},
      opened_at_{parked.opened_at},
      idle_since_{parked.idle_since},
      retire_at_{parked.retire_at},
      generation_{parked.generation} {
    traces_.has_foreign_sequences_ = parked.has_sequences;
    if (!parked.statements.empty()) {
        statements_ =
            std::make_unique<BackendStatements>(env_.statements, env_.settings, parked.statements);
    }
    stream_ = std::make_unique<net::Stream>(
        env_.loop, std::move(parked.stream), static_cast<net::StreamListener&>(*this));
    stream_->set_high_mark(kUnsentMax);
}

Backend::~Backend() = default;

void Backend::transition(BackendEvent event) {
    const auto to = next_state(state_, event);
    if (WEIR_BUG_IF(!to, "backend event in a state that has no rule for it")) {
        return;
    }
    env_.owner.on_backend_moves(*this, *to);
    state_ = *to;
    if (state_ == BackendState::Idle) {
        idle_since_ = env_.loop.now();
    }
}

void Backend::lend_to(LeaseHolder& holder) {
    holder_has_unnamed_ = false;
    traces_.begin_lease();
    WEIR_CHECK(holder_ == nullptr && state_ == BackendState::Idle && expected_.empty() &&
               !expected_.is_ambiguous());
    transition(BackendEvent::Lent);
    holder_ = &holder;
    epoch_limit_ = 0;
    ready_seen_ = false;
    is_progress_wanted_ = false;
    reply_hold_.end();
    busy_since_ = env_.loop.now();
    runs_in_batch_ = 0;
    lent_at_ = busy_since_;
}

void Backend::check(Duration timeout) {
    transition(BackendEvent::CheckBegan);
    env_.loop.set_deadline(deadline_, env_.loop.now() + timeout);
    ask(env_.traits.check_query);
}

void Backend::come_back() {
    WEIR_CHECK(is_at_rest());
    holder_ = nullptr;
    forget_runs();
    forget_unlisted();
    forget_statement_limit();
    stream_->resume(net::Pause::PeerIsFull);
    if (must_end_) {
        end(/*failure=*/nullptr);
        return;
    }
    const bool is_session_over =
        env_.traits.mode == BackendTraits::Mode::Session && !env_.traits.reset_query.empty();
    if (cancels_ > 0) {
        is_reset_pending_ = is_session_over;  // once nothing can hit it
        transition(BackendEvent::CameBackUnderCancel);
        return;
    }
    if (is_session_over || !traces_.suspected().empty()) {
        abandon(Frame::Whole, Departure::Orderly);
        return;
    }
    transition(BackendEvent::CameBackClean);
    env_.owner.on_backend_idle(*this);
}

/// Whoever gets it next has everything reset.
void Backend::forget_unlisted() {
    if (std::exchange(has_unlisted_, false)) {
        applied_ = nullptr;
    }
}

void Backend::abandon(Frame frame, Departure departure) {
    holder_ = nullptr;
    forget_runs();
    reply_hold_.end();
    forget_statement_limit();
    stream_->resume(net::Pause::PeerIsFull);
    if (frame == Frame::Open || expected_.is_ambiguous() || settings_owed_ > 0 ||
        expected_.copy() == protocol::ExpectedReplies::Copy::Both) {
        if (owes_holder() && departure == Departure::Vanished) {
            env_.owner.on_cancel_wanted(*this);
        }
        end(/*failure=*/nullptr);  // the server waits for bytes that will never come, or may answer
                                   // what we cannot tell apart
        return;
    }
    transition(BackendEvent::CameBackDirty);
    is_forwarding_ = false;
    discarded_ = 0;
    is_reset_pending_ =
        env_.traits.mode == BackendTraits::Mode::Session && !env_.traits.reset_query.empty();
    const bool is_copying_in = expected_.is_copy_in_open();
    end_unfinished();
    const bool is_running = owes_holder() && !is_copying_in;
    const bool is_wanted =
        departure == Departure::Orderly && status_ == TransactionStatus::Idle && is_running;
    const TimePoint due = env_.loop.now() + (is_wanted ? Duration{kOrphanWithin} : kCleanWithin);
    env_.loop.set_deadline(deadline_, due);
    if (is_running && !is_wanted) {
        time_limit_.orphan_due = due;
        cancel_orphan();
    }
    clean_on();
}

/// Ends in the client's place what the server waits for the end of.
void Backend::end_unfinished() {
    ByteWriter output;
    if (expected_.is_copy_in_open()) {
        protocol::write_copy_fail(output, "client has left");
        expected_.sent(FrontendMessage::CopyFail);
    }
    if (expected_.is_sync_owed()) {
        protocol::write_sync(output);
        expected_.sent(FrontendMessage::Sync, ReplyAction::Swallow);
    }
    stream_->write(output.bytes());
}

/// Takes the next step of cleaning once nothing is owed.
void Backend::clean_on() {
    if (state_ != BackendState::Cleaning || !expected_.empty() || body_left_ > 0) {
        return;
    }
    time_limit_.orphan_due = {};
    forget_unlisted();
    if (expected_.is_ambiguous()) {
        end(/*failure=*/nullptr);  // an answer may follow that the next client would take for its
                                   // own
        return;
    }
    if (status_ != TransactionStatus::Idle) {
        env_.loop.set_deadline(deadline_, env_.loop.now() + kCleanWithin);
        if (cancels_ == 0) {  // else it could be hit itself: cancel_ended() comes back to this
            ask("ROLLBACK");
        }
        return;
    }
    if (must_end_) {
        end(/*failure=*/nullptr);
        return;
    }
    if (cancels_ > 0) {
        deadline_.clear();
        transition(BackendEvent::CameBackUnderCancel);
        return;
    }
    if (std::exchange(is_reset_pending_, false)) {
        // Where it is not known what the reset has left, prepare() resets everything anew.
        const bool is_known = env_.traits.reset_query == "DISCARD ALL";
        traces_.known_ = traces_.unknown_ = {};
        applied_ = is_known ? startup_ : nullptr;
        env_.loop.set_deadline(deadline_, env_.loop.now() + kCleanWithin);
        ask(env_.traits.reset_query);
        if (is_known && !env_.traits.connect_query.empty()) {
            ask(env_.traits.connect_query);
        }
        return;
    }
    if (!traces_.suspected().empty() && reset_suspected()) {
        return;
    }
    deadline_.clear();
    transition(BackendEvent::Cleaned);
    env_.owner.on_backend_idle(*this);
}

void Backend::cancel_ended(CancelOutcome outcome) {
    --cancels_;
    if (outcome == CancelOutcome::Uncertain) {
        must_end_ = true;
    }
    settle_timeout(outcome);
    if (cancels_ > 0) {
        return;
    }
    if (state_ == BackendState::Cleaning) {
        if (env_.loop.now() < time_limit_.orphan_due) {
            env_.loop.set_deadline(
                deadline_, std::min(time_limit_.orphan_due, env_.loop.now() + kCancelAgain));
        }
        clean_on();
        return;
    }
    if (state_ != BackendState::BeingCanceled) {
        return;
    }
    if (must_end_) {
        end(/*failure=*/nullptr);
        return;
    }
    if (is_reset_pending_ || !traces_.suspected().empty()) {
        transition(BackendEvent::CameBackDirty);
        clean_on();
        return;
    }
    transition(BackendEvent::CancelEnded);
    env_.owner.on_backend_idle(*this);
}

/// Asks something in our own name; the answer is swallowed.
void Backend::ask(std::string_view sql) {
    ByteWriter output;
    protocol::write_query(output, sql);
    expected_.sent(FrontendMessage::Query, ReplyAction::Swallow);
    stream_->write(output.bytes());
}

void Backend::suspend(bool is_suspended) {
    if (stream_ == nullptr) {
        return;
    }
    if (is_suspended) {
        stream_->pause(net::Pause::Suspended);
    } else {
        stream_->resume(net::Pause::Suspended);
    }
}

void Backend::close() {
    end(/*failure=*/nullptr);
}

void Backend::kill() {
    if (holder_ != nullptr) {
        lose(sqlstate::kAdminShutdown, "admin forced disconnect");
    } else {
        end(/*failure=*/nullptr);
    }
}

ParkedBackend Backend::park() {
    WEIR_CHECK(state_ == BackendState::Idle && expected_.empty() && holder_ == nullptr &&
               cancels_ == 0);
    ParkedBackend parked;
    parked.stream = stream_->detach();
    parked.id = id_;
    parked.process_id = process_id_;
    parked.cancel_secret = cancel_secret_;
    parked.parameters = parameters_;
    parked.startup = *startup_;
    parked.is_applied_known = applied_ != nullptr && !traces_.is_read_only_lifted_;
    if (parked.is_applied_known) {
        parked.applied = *applied_;
    }
    if (statements_ != nullptr) {
        parked.statements = statements_->all();
    }
    parked.has_sequences = traces_.has_sequences_ || traces_.has_foreign_sequences_;
    parked.opened_at = opened_at_;
    parked.idle_since = idle_since_;
    parked.retire_at = retire_at_;
    parked.generation = generation_;
    return parked;
}

void Backend::on_closed(const Error& reason) {
    if (state_ == BackendState::Connecting || state_ == BackendState::LoggingIn ||
        state_ == BackendState::Preparing) {
        on_closed_early(reason);
        return;
    }
    has_server_closed_ = has_lost_server_ = true;
    lose(sqlstate::kConnectionFailure, "server conn crashed?");
}

void Backend::on_deadline(net::Deadline& /*deadline*/) {
    if (request_ != nullptr) {
        const LoginFailure failure = network_failure(
            Error{ErrorCode::Timeout, sqlstate::kCannotConnectNow, "connect timed out"});
        end(&failure);
        return;
    }
    if (holder_ != nullptr && wanted_ == nullptr && audit_ == nullptr && time_limit_.is_on) {
        on_statement_deadline();
        return;
    }
    if (env_.loop.now() < time_limit_.orphan_due) {
        if (owes_holder()) {
            cancel_orphan();
        } else {
            env_.loop.set_deadline(deadline_, time_limit_.orphan_due);
        }
        return;
    }
    log::info("backend_too_slow",
              {{"backend", id_}, {"pid", process_id_}, {"state", name_of(state_)}});
    has_lost_server_ = true;
    lose(sqlstate::kConnectionFailure, "server does not answer");
}

void Backend::lose(SqlState sqlstate, std::string message) {
    if (state_ == BackendState::Closed) {
        return;
    }
    if (state_ == BackendState::Preparing) {
        const LoginFailure failure{
            {protocol::Severity::Fatal, sqlstate, "server login failed: " + message, {}, {}}, true};
        end(&failure);
        return;
    }
    tell_ended();
    LeaseHolder* holder = std::exchange(holder_, nullptr);
    BackendLoss loss;
    loss.runs = take_runs();
    loss.owed = expected_;
    loss.status = status_;
    loss.is_untold = reply_hold_.is_on();
    loss.is_mid_frame = is_mid_frame() && !loss.is_untold;
    loss.has_server_closed = has_server_closed_;
    loss.reason = {protocol::Severity::Error, sqlstate, std::move(message), {}, {}};
    if (last_words_) {
        loss.reason.detail = "server said: " + last_words_->message + " (SQLSTATE " +
                             last_words_->sqlstate.text() + ")";
    }
    // Where the client has got the server's last words themselves they have been counted.
    const bool is_told = last_words_ && env_.traits.mode == BackendTraits::Mode::Session;
    const bool was_busy = !expected_.empty() || status_ != TransactionStatus::Idle;
    if (holder != nullptr && was_busy && !is_told && sqlstate == sqlstate::kConnectionFailure) {
        env_.pool_counters.failures.add();
    }
    end(/*failure=*/nullptr);
    if (holder != nullptr) {
        holder->on_backend_lost(loss);
    }
}

void Backend::end(const LoginFailure* failure) {
    if (state_ == BackendState::Closed) {
        return;
    }
    deadline_.clear();
    connector_.reset();  // at once: in this very turn it could still come through
    if (stream_ != nullptr && stream_->is_open()) {
        if (expected_.empty() && state_ != BackendState::LoggingIn) {
            ByteWriter output;
            protocol::write_terminate(output);
            stream_->write(output.bytes());
        }
        stream_->close();
    }
    alive_.reset();
    transition(BackendEvent::Ended);
    env_.owner.on_backend_ended(*this, failure);
}

}  // namespace weir::pool
