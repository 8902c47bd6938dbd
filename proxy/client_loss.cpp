// The part of ClientSession that loses its backend: what its client is told, and whether it goes
// on.

#include "protocol/message_writer.hpp"
#include "proxy/client_session.hpp"
#include "proxy/local_reply.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

using protocol::TransactionStatus;

void ClientSession::on_backend_lost(const pool::BackendLoss& loss) {
    // Part of the session was its backend's alone, or was still to be learnt from it. (What an open
    // transaction has done is undone: that is told as such.)
    const bool is_session_lost = is_pinned() || (loss.status == TransactionStatus::Idle &&
                                                 !backend_->traces().known().empty());
    ClientCache::give_up(extras_.get());
    undo_settings();
    forget_reset();
    backend_ = nullptr;
    note_loss(loss);
    if (!is_session_lost && survives_loss(loss)) {
        return;
    }
    settle_retry(pool::RetryOutcome::Failure);
    tell_unanswered(loss.runs, loss.reason);
    static_cast<void>(end_lease());
    forget_pending_statements();
    stream_.resume(net::Pause::PeerIsFull);
    if (loss.is_mid_frame) {
        end_because(loss.reason.sqlstate, loss.reason.message);
        close();  // part of a message has reached the client: nothing can be said any more
        return;
    }
    const bool is_unused = state_ == ClientState::Preparing ||
                           (state_ == ClientState::Welcoming && !is_session_mode());
    if (is_unused && !is_pinned() && takes_another_backend()) {
        return;
    }
    if (state_ == ClientState::Welcoming) {
        login_failed(loss.reason.sqlstate, loss.reason.message, "backend");
        return;
    }
    if (is_session_mode() && loss.has_server_closed) {
        // It ends as it would have directly: with the server's own last words, or without a word.
        end_because(loss.reason.sqlstate, loss.reason.message);
        transition(ClientEvent::EndBegan);
        close_when_sent();
        return;
    }
    if (is_session_mode() || is_session_lost) {
        protocol::ErrorFields reason = loss.reason;
        reason.severity = protocol::Severity::Fatal;
        fatal(reason);
        return;
    }
    if (state_ == ClientState::Preparing) {
        refuse_request(loss.reason);
        resume_held();
        return;
    }
    answer_loss(loss);
}

/// All that is said of it is that what the backend still owed has failed: the client goes on.
void ClientSession::answer_loss(const pool::BackendLoss& loss) {
    is_forwarding_ = false;  // the rest of a message that was passing through is dropped
    ByteWriter output;
    const AfterReply after = write_loss(output, loss);
    has_lost_transaction_ =
        output.empty() && after == AfterReply::Ready && loss.status != TransactionStatus::Idle;
    transition(after == AfterReply::Ready ? ClientEvent::RequestAnswered
                                          : ClientEvent::RequestRefused);
    if (!output.empty()) {
        worker_.note_error(*this, loss.reason);
        send(output);
    }
    came_to_rest();
    go_on_settled();
}

}  // namespace weir::proxy
