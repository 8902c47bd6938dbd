// The part of Backend that ends statements which take too long.

#include "base/log.hpp"
#include "pool/backend.hpp"
#include "protocol/backend_views.hpp"
#include "protocol/message_writer.hpp"

#include <algorithm>
#include <string>

namespace weir::pool {

using protocol::BackendMessage;

namespace {

constexpr std::string_view kTimeoutText = "canceling statement due to statement timeout";
constexpr std::string_view kTooLargeText = "canceling statement due to the size of its result";

std::int64_t milliseconds_of(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

/// kCancelAgain where the server has more to do after the statement: one that comes late hits that,
/// and the first has hardly ever come too early.
constexpr std::chrono::milliseconds kCancelAgainBeforeOthers{500};
/// A statement that took too long must have ended this long after it has been cancelled.
constexpr std::chrono::milliseconds kCancelWithin{5000};

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
    time_limit_.usual = std::max(limit, Duration::zero());
    if (runs_.empty() && time_limit_.usual == Duration::zero() && !is_cancel_on_its_way()) {
        forget_statement_limit();
    }
}

void Backend::forget_statement_limit() {
    time_limit_.usual = Duration::zero();
    if (time_limit_.is_on) {
        time_limit_.is_on = false;
        time_limit_.began_at = kNever;
        time_limit_.is_overdue = time_limit_.is_cancelling = false;
        if (wanted_ == nullptr) {  // else it is the one of prepare()
            deadline_.clear();
        }
    }
}

/// @return how long what runs now may run; zero: as long as it likes
Duration Backend::limit_of_current() const {
    const std::size_t answered = runs_.size() - expected_.statements();
    const StatementRun* run = answered < runs_.size() ? &runs_.at(answered) : nullptr;
    return run != nullptr && run->ticket.plan != nullptr ? run->ticket.plan->statement_timeout
                                                         : time_limit_.usual;
}

/// The first thing owed has been sent. The deadline stays where an earlier statement has set it, so
/// that short statements do not move it all the time: when it comes, it is looked at again.
void Backend::begin_statement() {
    const Duration limit = limit_of_current();
    if (limit == Duration::zero()) {
        time_limit_.began_at = kNever;
        return;
    }
    time_limit_.is_on = true;
    time_limit_.began_at = env_.loop.now();
    const TimePoint due = deadline_after(time_limit_.began_at, limit);
    if (audit_ == nullptr && (!deadline_.is_set() || deadline_.due() > due)) {
        env_.loop.set_deadline(deadline_, due);
    }
}

/// A request has been answered in full: the next statement, if there is one already, runs from now
/// on.
void Backend::end_statement(BackendMessage reply) {
    if (expected_.empty()) {
        time_limit_.rest();
    } else if (ends_statement(reply)) {
        time_limit_.is_overdue = false;
        begin_statement();
    }
}

void Backend::on_statement_deadline() {
    const TimePoint now = env_.loop.now();
    if (expected_.empty()) {
        time_limit_.rest();
        return;
    }
    if (time_limit_.is_overdue && now < time_limit_.overdue_since + kCancelWithin) {
        ask_for_cancel();
        return;
    }
    if (time_limit_.is_overdue) {
        log::warn("statement_not_cancelled", {{"backend", id_}, {"pid", process_id_}});
        lose(sqlstate::kQueryCanceled,
             std::string{cancel_text()} + "; the server did not answer the cancel request");
        return;
    }
    const Duration limit = limit_of_current();
    if (time_limit_.began_at == kNever || limit == Duration::zero()) {
        return;
    }
    if (const TimePoint due = deadline_after(time_limit_.began_at, limit); now < due) {
        env_.loop.set_deadline(deadline_, due);
        return;
    }
    env_.counters.statement_timeouts.add();
    log::info("statement_timeout",
              {{"backend", id_}, {"pid", process_id_}, {"limit_ms", milliseconds_of(limit)}});
    cancel_statement();
}

/// @return why what runs now has been cancelled
std::string_view Backend::cancel_text() const {
    return !runs_.empty() && runs_.front().is_cut ? kTooLargeText : kTimeoutText;
}

/// What runs now is of no more use.
void Backend::cancel_statement() {
    time_limit_.is_overdue = true;
    time_limit_.is_on = true;
    time_limit_.overdue_since = env_.loop.now();
    ask_for_cancel();
}

/// PostgreSQL ignores a cancel that comes before it has read the statement, and there may be too
/// many under way to ask for this one: it is asked for again while the statement runs.
void Backend::ask_for_cancel() {
    time_limit_.is_cancelling = true;
    env_.owner.on_cancel_wanted(*this);
    time_limit_.is_cancelling = cancels_ > 0;
    env_.loop.set_deadline(deadline_,
                           time_limit_.is_cancelling ? time_limit_.overdue_since + kCancelWithin
                                                     : env_.loop.now() + kCancelAgain);
}

/// Nobody waits for what runs any more, or it will be rolled back anyway. The first cancel may come
/// before the server has read the statement, and there may be others behind it: until nothing of
/// them is owed.
void Backend::cancel_orphan() {
    env_.owner.on_cancel_wanted(*this);
    env_.loop.set_deadline(deadline_,
                           cancels_ > 0
                               ? time_limit_.orphan_due
                               : std::min(time_limit_.orphan_due, env_.loop.now() + kCancelAgain));
}

/// @param owed_before requests that were owed before this reply
/// @return whether this is how the server ends the statement that was cancelled
bool Backend::watch_reply(BackendMessage type,
                          const std::optional<ByteView>& body,
                          std::size_t owed_before) {
    bool is_end = time_limit_.is_overdue && type == BackendMessage::ErrorResponse && body &&
                  holder_ != nullptr;
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
    const bool has_plan = !runs_.empty() && runs_.front().ticket.plan != nullptr;
    const Duration limit =
        has_plan ? runs_.front().ticket.plan->statement_timeout : time_limit_.usual;
    ByteWriter output;
    protocol::write_error(output,
                          {protocol::Severity::Error,
                           sqlstate::kQueryCanceled,
                           std::string{kTimeoutText},
                           "It ran longer than the statement_timeout of " +
                               std::to_string(milliseconds_of(limit)) + " ms in weir's policy.",
                           {}});
    net::WriteBatch batch;
    batch.add(output.bytes());
    holder_->on_reply(batch);
}

/// The cancel has done its work, or may yet do it to a statement that is not meant.
void Backend::settle_timeout(CancelOutcome outcome) {
    if (!time_limit_.is_cancelling || cancels_ > 0) {
        return;
    }
    time_limit_.is_cancelling = false;
    if (state_ != BackendState::Leased || holder_ == nullptr) {
        return;
    }
    if (outcome == CancelOutcome::Uncertain) {
        log::warn("statement_not_cancelled", {{"backend", id_}, {"pid", process_id_}});
        lose(sqlstate::kQueryCanceled,
             std::string{cancel_text()} + "; the cancel request could not be delivered");
        return;
    }
    if (time_limit_.is_overdue) {
        env_.loop.set_deadline(
            deadline_,
            env_.loop.now() +
                (expected_.has_more_batches() ? kCancelAgainBeforeOthers : kCancelAgain));
    }
    holder_->on_cancel_settled();
}

}  // namespace weir::pool
