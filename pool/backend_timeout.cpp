// The part of Backend that ends statements which take too long.

#include "base/log.hpp"
#include "pool/backend.hpp"
#include "protocol/backend_views.hpp"
#include "protocol/message_writer.hpp"

#include <string>

namespace weir::pool {

using protocol::BackendMessage;

namespace {

constexpr std::string_view kTimeoutText = "canceling statement due to statement timeout";

std::int64_t milliseconds_of(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

/// @return whether this reply is the end of a statement, or of what was sent with it
bool ends_statement(BackendMessage reply) {
    switch (reply) {
        case BackendMessage::CommandComplete:
        case BackendMessage::EmptyQueryResponse:
        case BackendMessage::ErrorResponse:
        case BackendMessage::FunctionCallResponse:
        case BackendMessage::PortalSuspended:
        case BackendMessage::ReadyForQuery: return true;
        default: return false;
    }
}

}  // namespace

void Backend::limit_statements(Duration limit) {
    if (limit <= Duration::zero()) {
        forget_statement_limit();
        return;
    }
    statement_limit_ = limit;
}

void Backend::forget_statement_limit() {
    if (statement_limit_ > Duration::zero()) {
        statement_limit_ = Duration::zero();
        statement_at_ = kNever;
        is_overdue_ = false;
        has_timed_out_ = false;
        if (wanted_ == nullptr) {  // else it is the one of prepare()
            deadline_.clear();
        }
    }
}

/// The first thing owed has been sent. The deadline stays where an earlier statement has set it, so
/// that short statements do not move it all the time: when it comes, it is looked at again.
void Backend::begin_statement() {
    statement_at_ = env_.loop.now();
    const TimePoint due = deadline_after(statement_at_, statement_limit_);
    if (audit_ == nullptr && (!deadline_.is_set() || deadline_.due() > due)) {
        env_.loop.set_deadline(deadline_, due);
    }
}

/// A request has been answered in full: the next statement, if there is one already, runs from now
/// on.
void Backend::end_statement(BackendMessage reply) {
    if (!ends_statement(reply)) {
        return;
    }
    if (expected_.empty()) {
        statement_at_ = kNever;
    } else {
        begin_statement();
    }
    is_overdue_ = false;
}

void Backend::on_statement_deadline() {
    if (statement_at_ == kNever) {
        return;
    }
    const TimePoint now = env_.loop.now();
    if (is_overdue_) {
        log::warn("statement_not_cancelled", {{"backend", id_}, {"pid", process_id_}});
        lose(sqlstate::kQueryCanceled,
             std::string{kTimeoutText} + "; the server did not answer the cancel request");
        return;
    }
    if (const TimePoint due = deadline_after(statement_at_, statement_limit_); now < due) {
        env_.loop.set_deadline(deadline_, due);
        return;
    }
    is_overdue_ = true;
    has_timed_out_ = true;
    env_.counters.statement_timeouts.add();
    log::info(
        "statement_timeout",
        {{"backend", id_}, {"pid", process_id_}, {"limit_ms", milliseconds_of(statement_limit_)}});
    env_.loop.set_deadline(deadline_, now + kCancelWithin);
    env_.owner.on_cancel_wanted(*this);
    has_timed_out_ =
        cancels_ > 0;  // else there were too many cancels under way to ask for this one
}

/// @param owed_before requests that were owed before this reply
/// @return whether this is how the server ends the statement that was cancelled
bool Backend::watch_reply(BackendMessage type,
                          const std::optional<ByteView>& body,
                          std::size_t owed_before) {
    bool is_end =
        is_overdue_ && type == BackendMessage::ErrorResponse && body && holder_ != nullptr;
    if (is_end) {
        const auto view = protocol::read_error(*body);
        is_end = view && view->sqlstate == sqlstate::kQueryCanceled;
    }
    if (expected_.size() != owed_before) {
        end_statement(type);
    }
    return is_end;
}

/// The server says "due to user request": nobody has asked.
void Backend::tell_timeout() {
    ByteWriter output;
    protocol::write_error(
        output,
        {protocol::Severity::Error,
         sqlstate::kQueryCanceled,
         std::string{kTimeoutText},
         "It ran longer than the statement_timeout of " +
             std::to_string(milliseconds_of(statement_limit_)) + " ms in weir's policy.",
         {}});
    net::WriteBatch batch;
    batch.add(output.bytes());
    holder_->on_reply(batch);
}

/// The cancel has done its work, or may yet do it to a statement that is not meant.
void Backend::settle_timeout(CancelOutcome outcome) {
    if (!has_timed_out_ || cancels_ > 0) {
        return;
    }
    has_timed_out_ = false;
    if (state_ != BackendState::Leased || holder_ == nullptr) {
        return;
    }
    if (outcome == CancelOutcome::Uncertain) {
        log::warn("statement_not_cancelled", {{"backend", id_}, {"pid", process_id_}});
        lose(sqlstate::kQueryCanceled,
             std::string{kTimeoutText} + "; the cancel request could not be delivered");
        return;
    }
    holder_->on_progress();
}

}  // namespace weir::pool
