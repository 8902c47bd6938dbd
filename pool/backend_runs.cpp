// The part of Backend that follows statements to their ends, and holds their results to the limits
// of their plans.

#include "pool/backend.hpp"
#include "protocol/backend_views.hpp"
#include "protocol/frame.hpp"
#include "protocol/message_writer.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace weir::pool {

using protocol::BackendMessage;
using protocol::FrontendMessage;
using protocol::ReplyAction;
using protocol::ReplyVerdict;
using protocol::TransactionStatus;

namespace {

/// Of an error's message that is kept.
constexpr std::size_t kMessageBytesMax = 512;
/// Fails in every transaction: it is no SQL, so that nobody can make anything of this name.
constexpr std::string_view kFailure = "weir: the result was too large";

/// @param error the body of an ErrorResponse; nothing where it is too long to be looked into
SqlState failure_in(const std::optional<ByteView>& error) {
    const auto view = error ? std::optional{protocol::read_error(*error)} : std::nullopt;
    return view && *view ? (*view)->sqlstate.value_or(sqlstate::kInternalError)
                         : sqlstate::kInternalError;
}

std::string message_in(const std::optional<ByteView>& error) {
    const auto view = error ? std::optional{protocol::read_error(*error)} : std::nullopt;
    return view && *view ? std::string{(*view)->message.substr(0, kMessageBytesMax)}
                         : std::string{};
}

/// @return whether it is a Parse of the client's own, whose outcome is told to the holder
bool is_clients_parse(const protocol::ExpectedReply& expected) {
    return expected.request == FrontendMessage::Parse && expected.action == ReplyAction::Forward &&
           (expected.noted == protocol::Noted::ByClient ||
            expected.noted == protocol::Noted::ByBoth);
}

/// @return whether the number in the tag is of rows returned, and of nothing else
bool counts_rows(std::string_view tag) {
    return tag.starts_with("SELECT ") || tag.starts_with("FETCH ");
}

/// @return which limit it was, and what may be done about it
protocol::ErrorFields too_large(const StatementRuns& runs) {
    const policies::Plan& plan = *runs.front().ticket.plan;
    const bool is_error = plan.limit_action == conf::LimitAction::Error;
    protocol::ErrorFields fields;
    fields.severity = is_error ? protocol::Severity::Error : protocol::Severity::Warning;
    fields.sqlstate = is_error ? sqlstate::kProgramLimitExceeded : sqlstate::kWarning;
    fields.message =
        runs.has_too_many_rows()
            ? "result has more than " + std::to_string(plan.row_limit) + " rows (row_limit)"
            : "result is larger than " + std::to_string(plan.byte_limit) + " bytes (byte_limit)";
    if (plan.limit_action == conf::LimitAction::Truncate) {
        fields.message += ": the first " + std::to_string(runs.rows_given()) + " are returned";
    }
    fields.hint = "Ask for less, for example with LIMIT, or read it with COPY.";
    return fields;
}

}  // namespace

void Backend::will_run(FrontendMessage type, StatementRun&& run) {
    if (expected_.is_skipping() || expected_.is_copy_in_open()) {
        will_send(type);  // the server will not look at it
        return;
    }
    will_send({.request = type, .is_statement = true});
    if (run.ticket.plan != nullptr && run.ticket.plan->statement_timeout > Duration::zero()) {
        time_limit_.is_on = true;
    }
    const TimePoint began_at = std::max(busy_since_, run.asked_at);
    note_wait(run);
    runs_.add(std::move(run), began_at);
    ++runs_in_batch_;
}

/// It is told how long it has waited for this backend.
void Backend::note_wait(StatementRun& run) const {
    run.waited = std::max(Duration{}, lent_at_ - run.asked_at);
    if (run.waited > Duration{} && holder_ != nullptr) {
        run.wait_reason = holder_->wait_reason;
    }
}

/// PostgreSQL signals a process twice for one cancel request, itself and then its group, and the
/// second signal may come when the next statement runs already. A simple query waits; batches of
/// the extended protocol are sent ahead by those who want the speed of it.
/// @return whether the cancel of what runs too long could end a statement that is sent now
bool Backend::could_be_hit() const {
    const bool is_limited = time_limit_.is_on || time_limit_.usual > Duration::zero();
    return is_limited && expected_.statements() > 0 && !expected_.is_copy_in_open();
}

bool Backend::holds_line(FrontendMessage next) const {
    switch (next) {
        case FrontendMessage::CopyData:
        case FrontendMessage::CopyDone:
        case FrontendMessage::CopyFail:
        case FrontendMessage::Flush: return false;
        case FrontendMessage::Sync:
            // What a read has done need not be undone; and the server takes no notice of one while
            // it waits for data.
            return runs_.may_fail_late() && !runs_.back().ticket.is_read &&
                   !expected_.is_copy_in_open();
        case FrontendMessage::Query:
            if (could_be_hit()) {
                return true;
            }
            [[fallthrough]];
        default: return must_fail_ || is_failing_ || runs_.may_fail_late();
    }
}

/// A reply to the oldest statement has begun.
Backend::Treatment Backend::rule(BackendMessage type, const std::optional<ByteView>& body) {
    const StatementRuns::Ruling ruling = runs_.on_reply(type, body_left_);
    if (type == BackendMessage::DataRow && ruling == StatementRuns::Ruling::Pass) {
        return Treatment::Forward;
    }
    if (type == BackendMessage::CommandComplete && body) {
        if (const auto tag = protocol::read_command_tag(*body); tag) {
            runs_.note_tag(*tag);
        }
    }
    if (type == BackendMessage::CopyInResponse && runs_.has_failed()) {
        end_unfinished();  // its client has been told of an error, and sends nothing
    }
    switch (ruling) {
        case StatementRuns::Ruling::Pass:
            if (type == BackendMessage::CommandComplete) {
                runs_.end_result();
            }
            return Treatment::Forward;
        case StatementRuns::Ruling::Drop: return Treatment::Drop;
        case StatementRuns::Ruling::Cut: cut_off(); return Treatment::Drop;
        case StatementRuns::Ruling::Settle: return Treatment::Settle;
        case StatementRuns::Ruling::Warn:
            env_.counters.row_limit_hits.add();
            return Treatment::Warn;
    }
    return Treatment::Forward;
}

/// @return whether the statement that runs is all that its transaction consists of, and nothing has
/// been sent behind it that is to run
bool Backend::runs_alone() const {
    if (status_ != TransactionStatus::Idle || runs_in_batch_ != 1) {
        return false;
    }
    if (expected_.front().request == FrontendMessage::Query) {
        return expected_.size() == 1;
    }
    // An Execute: with its Sync, or yet without it.
    return expected_.size() == 2 ? expected_.at(1).request == FrontendMessage::Sync
                                 : expected_.size() == 1 && tickets_.portals.size() <= 1;
}

/// The client gets no more of this result. Its statement is cancelled where that undoes nothing
/// that is to stay; else the rest of it is thrown away.
void Backend::cut_off() {
    env_.counters.row_limit_hits.add();
    const StatementRun& run = runs_.front();
    if (time_limit_.is_overdue) {
        return;  // it has been cancelled already
    }
    if (run.ticket.plan->limit_action == conf::LimitAction::Error) {
        cancel_statement();
    } else if (run.ticket.is_read && runs_alone()) {
        const bool is_unsynced =
            expected_.size() == 1 && expected_.front().request == FrontendMessage::Execute;
        cancel_statement();
        if (is_unsynced) {
            end_unfinished();  // or the server would skip what its client sends next
        }
    }
}

/// An error has come: whose it is. A Parse of the client's that nothing hangs on, since it has sent
/// nothing that runs what would have been prepared, has an end of its own.
/// @param statements_before that were owed before it
/// @param answered what was owed first
void Backend::blame(const std::optional<ByteView>& error,
                    ReplyVerdict verdict,
                    std::size_t statements_before,
                    const protocol::ExpectedReply& answered) {
    tickets_.portals.forget_named();  // what was sent may be undone, or may never run
    const std::size_t dropped = statements_before - expected_.statements();
    const bool is_of_commit = runs_.size() > statements_before;
    if (runs_.take_error(
            verdict == ReplyVerdict::Forward, dropped, answered.is_statement || is_of_commit)) {
        runs_.note_error(failure_in(error), message_in(error));
    } else if (is_clients_parse(answered) && holder_ != nullptr) {
        StatementRun run = holder_->run_of_parse();
        note_wait(run);
        run.began_at = std::max(busy_since_, run.asked_at);
        run.ended_at = env_.loop.now();
        run.error = failure_in(error);
        run.error_message = message_in(error);
        ended_.push_back(std::move(run));
    }
}

/// The result that was cut has come to its end: the client is told in its place.
/// @param message the one that ended it, from its header on
void Backend::tell_cut(ByteView message) {
    const auto header = protocol::read_header(message).header;
    const auto type = static_cast<BackendMessage>(header.type);
    const policies::PlanPtr plan = runs_.front().ticket.plan;
    const protocol::ErrorFields why = too_large(runs_);
    ByteWriter output;
    if (plan->limit_action == conf::LimitAction::Error) {
        protocol::write_error(output, why);
        env_.counters.errors.add(why.sqlstate);
        runs_.note_error(why.sqlstate, why.message);
        runs_.fail();
        if (type != BackendMessage::ErrorResponse) {
            fail_late();
        }
    } else {
        std::string tag = "SELECT " + std::to_string(runs_.rows_given());
        if (type == BackendMessage::CommandComplete) {
            const auto said = protocol::read_command_tag(protocol::body_of(message, header));
            if (said && !counts_rows(*said)) {
                tag = *said;  // what it has changed
            } else if (said && said->starts_with("FETCH")) {
                tag.replace(0, std::string_view{"SELECT"}.size(), "FETCH");
            }
        }
        protocol::write_notice(output, why);
        protocol::write_command_complete(output, tag);
        runs_.forgive();
        runs_.end_result();
    }
    net::WriteBatch batch;
    batch.add(output.bytes());
    holder_->on_reply(batch);
}

void Backend::tell_too_large() {
    ByteWriter output;
    protocol::write_notice(output, too_large(runs_));
    runs_.end_result();
    net::WriteBatch batch;
    batch.add(output.bytes());
    holder_->on_reply(batch);
}

/// The client has been told of an error that the server knows nothing of: so that the transaction
/// fails as well, and what the statement has changed is undone.
void Backend::fail_late() {
    const bool is_query = !expected_.empty() && expected_.front().request == FrontendMessage::Query;
    if (is_query || expected_.has_sync()) {
        must_fail_ = true;
        return;
    }
    ByteWriter output;
    output.raw(as_bytes(kDescribeNothing));
    send_swallowed(output);
}

/// A ReadyForQuery has come.
/// @return whether it is to be followed by a failure, and another one
bool Backend::must_fail_now(ReplyVerdict verdict) {
    if (verdict != ReplyVerdict::Forward || !std::exchange(must_fail_, false) ||
        status_ != TransactionStatus::InTransaction) {
        return false;
    }
    is_failing_ = true;
    ask(kFailure);
    return true;
}

/// Takes those that have been answered off the list. An Execute whose Sync follows at once lasts
/// until its answer: what it has done is committed by it.
void Backend::settle_runs() {
    const bool is_committing = !expected_.empty() &&
                               expected_.front().request == FrontendMessage::Sync &&
                               !runs_.empty() && !runs_.front().is_skipped;
    const std::size_t kept = expected_.statements() + (is_committing ? 1 : 0);
    while (runs_.size() > kept) {
        ended_.push_back(runs_.take(env_.loop.now()));
        if (ended_.back().is_skipped) {
            ended_.pop_back();
        }
    }
}

/// What has been passed on is told of.
void Backend::tell_ended() {
    if (ended_.empty() || holder_ == nullptr) {
        return;
    }
    for (StatementRun& run : ended_) {
        holder_->on_run_end(run);
    }
    ended_.clear();
}

std::vector<StatementRun> Backend::take_runs() {
    std::vector<StatementRun> under_way;
    while (!runs_.empty()) {
        under_way.push_back(runs_.take(env_.loop.now()));
    }
    return under_way;
}

/// Nobody is there any more to hear of them.
void Backend::forget_runs() {
    runs_.clear();
    ended_.clear();
    tickets_.clear();
    must_fail_ = false;
    is_failing_ = false;
    blocked_since_ = kNever;
}

void Backend::pause_replies() {
    if (blocked_since_ == kNever) {
        blocked_since_ = env_.loop.now();
    }
    stream_->pause(net::Pause::PeerIsFull);
}

void Backend::resume_replies() {
    if (blocked_since_ != kNever) {
        runs_.note_blocked(env_.loop.now() - std::exchange(blocked_since_, kNever));
    }
    stream_->resume(net::Pause::PeerIsFull);
}

}  // namespace weir::pool
