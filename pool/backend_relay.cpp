// The part of Backend that passes messages on: by header where it can, looking into the few that
// matter.

#include "base/check.hpp"
#include "base/log.hpp"
#include "pool/backend.hpp"
#include "protocol/backend_views.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::pool {

using protocol::BackendMessage;
using protocol::FrontendMessage;
using protocol::ReplyVerdict;
using protocol::TransactionStatus;

namespace {

/// A client that has left cannot take its results: a statement that has produced this much for
/// nobody is cancelled.
constexpr std::size_t kOrphanBytesMax = std::size_t{1} << 20U;
/// A command tag that resets the session: only frames of exactly these lengths are looked into.
constexpr std::string_view kDiscardAll = "DISCARD ALL";
constexpr std::string_view kDeallocateAll = "DEALLOCATE ALL";
constexpr std::string_view kDiscardSequences = "DISCARD SEQUENCES";
/// PostgreSQL's function that raises "cached plan must not change result type"; its name is the
/// same in every language.
constexpr std::string_view kStalePlanRoutine = "RevalidateCachedQuery";
/// Longer tags than this say nothing that matters here.
constexpr std::size_t kTagBytesMax = 32;

bool must_be_whole(BackendMessage type, const protocol::FrameHeader& header) {
    switch (type) {
        case BackendMessage::ReadyForQuery: return true;
        case BackendMessage::ErrorResponse: return header.length <= protocol::kMaxErrorBytes;
        case BackendMessage::ParameterStatus: return header.length <= protocol::kMaxParameterBytes;
        case BackendMessage::CommandComplete: return header.body_bytes() <= kTagBytesMax;
        default: return false;
    }
}

/// @return whether an answer to this can say that a statement is not what we think
bool answers_for_statement(const protocol::ExpectedReply& expected) {
    return expected.action != protocol::ReplyAction::Refuse &&
           (expected.request == FrontendMessage::Parse ||
            expected.request == FrontendMessage::Bind ||
            expected.request == FrontendMessage::Describe);
}

std::uint64_t microseconds(Duration duration) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(
        0, std::chrono::duration_cast<std::chrono::microseconds>(duration).count()));
}

}  // namespace

void Backend::will_send(const protocol::ExpectedReply& request) {
    if (expected_.empty()) {
        busy_since_ = env_.loop.now();
    }
    expected_.sent(request);
}

void Backend::send(const net::WriteBatch& batch) {
    env_.counters.bytes_to_backends.add(batch.total());
    if (time_limit_.began_at == kNever && !expected_.empty() && !time_limit_.is_overdue) {
        begin_statement();
    }
    stream_->write(batch);
}

bool Backend::is_at_rest() const {
    return expected_.empty() && status_ == TransactionStatus::Idle && body_left_ == 0 &&
           settings_owed_ == 0 && !expected_.is_sync_owed() && !expected_.is_ambiguous();
}

std::size_t Backend::on_bytes(ByteView bytes) {
    return state_ == BackendState::LoggingIn ? log_in(bytes) : relay(bytes);
}

std::size_t Backend::relay(ByteView bytes) {
    net::WriteBatch batch;
    std::size_t used = 0;
    while (used < bytes.size() && state_ != BackendState::Closed) {
        const ByteView rest = bytes.subspan(used);
        if (body_left_ == 0) {
            // What comes by itself before the settings have been told is for no client: it may not
            // even be logged in yet.
            const bool is_for_nobody =
                wanted_ != nullptr && (settings_owed_ > 0 || expected_.empty());
            const Treatment treatment = begin_frame(rest);
            if (treatment == Treatment::Incomplete) {
                break;
            }
            if (treatment == Treatment::Broken) {
                deliver(batch);
                log::warn("backend_protocol_violation",
                          {{"backend", id_},
                           {"pid", process_id_},
                           {"type", std::to_integer<int>(rest[0])}});
                lose(sqlstate::kProtocolViolation, "server sent a message out of turn");
                return bytes.size();
            }
            is_forwarding_ = (treatment == Treatment::Forward || treatment == Treatment::Warn) &&
                             holder_ != nullptr && !is_for_nobody;
            act_on(treatment, rest, batch);
            if (runs_.size() != expected_.statements()) {
                settle_runs();
            }
        }
        const std::size_t part = std::min(body_left_, rest.size());
        pass_on(rest.first(part), batch);
        body_left_ -= part;
        used += part;
        if (body_left_ == 0 && expected_.is_ours_next()) {
            give_answers(batch);
        }
    }
    env_.counters.bytes_from_backends.add(used);
    deliver(batch);
    has_partial_frame_ = used < bytes.size();
    end_of_read();
    return used;
}

/// What follows from this read as a whole, after the client has its part.
void Backend::end_of_read() {
    if (state_ == BackendState::Closed) {
        return;
    }
    if (expected_.empty() && traces_.end_reapplying(status_ == TransactionStatus::Failed)) {
        lose(sqlstate::kAdminShutdown, "the session's settings could not be set again");
        return;
    }
    if (settings_owed_ == 0 && wanted_ != nullptr && body_left_ == 0) {
        finish_prepare();  // at rest: the holder may give it back at once
    }
    if (audit_ != nullptr && audit_->is_done() && body_left_ == 0) {
        finish_audit();
    }
    if (tell_taken_back()) {
        return;
    }
    tell_ended();
    if (holder_ != nullptr) {
        // Where an asynchronous message has begun behind the last ReadyForQuery it comes first.
        const bool is_progress_wanted = std::exchange(is_progress_wanted_, false);
        if (ready_seen_ && (body_left_ == 0 || !expected_.empty())) {
            ready_seen_ = false;
            holder_->on_reply_end();
        } else if (is_progress_wanted) {
            holder_->on_progress();
        }
        return;
    }
    switch (state_) {
        case BackendState::Preparing: finish_connect_query(); return;
        case BackendState::Checking:
            if (expected_.empty()) {
                deadline_.clear();
                transition(BackendEvent::CheckPassed);
                env_.owner.on_backend_idle(*this);
            }
            return;
        case BackendState::Cleaning:
            if (discarded_ > kOrphanBytesMax && cancels_ == 0) {
                discarded_ = 0;
                env_.owner.on_cancel_wanted(*this);
            }
            clean_on();
            return;
        case BackendState::Connecting:
        case BackendState::LoggingIn:
        case BackendState::Idle:
        case BackendState::Leased:
        case BackendState::BeingCanceled:
        case BackendState::Closed: return;
    }
}

void Backend::finish_connect_query() {
    if (!expected_.empty()) {
        return;
    }
    if (status_ != TransactionStatus::Idle) {
        const LoginFailure failure{{protocol::Severity::Fatal,
                                    sqlstate::kActiveTransaction,
                                    "connect_query failed: it leaves a transaction open",
                                    {},
                                    {}},
                                   true};
        end(&failure);
        return;
    }
    request_.reset();
    deadline_.clear();
    transition(BackendEvent::Prepared);
    env_.owner.on_backend_idle(*this);
}

/// Decides what happens to the frame that begins at `rest`; nothing has been done yet when it
/// returns Incomplete.
Backend::Treatment Backend::begin_frame(ByteView rest) {
    const auto [status, header] = protocol::read_header(rest);
    if (status == protocol::FrameStatus::NeedMore) {
        return Treatment::Incomplete;
    }
    if (status == protocol::FrameStatus::Invalid || !protocol::is_backend_message(header.type)) {
        return Treatment::Broken;
    }
    const auto type = static_cast<BackendMessage>(header.type);
    const bool is_looked_into = must_be_whole(type, header) || is_audit_row(type, header);
    if (is_looked_into && rest.size() < header.frame_bytes()) {
        return Treatment::Incomplete;
    }
    body_left_ = header.frame_bytes();
    if (type == BackendMessage::ErrorResponse && is_looked_into &&
        is_last_word(protocol::body_of(rest, header))) {
        if (state_ == BackendState::Idle) {
            end(/*failure=*/nullptr);
        }
        return Treatment::Drop;
    }
    return take_reply(
        type, is_looked_into ? std::optional{protocol::body_of(rest, header)} : std::nullopt);
}

/// A message has come that may be owed.
/// @param body where it is looked into
Backend::Treatment Backend::take_reply(BackendMessage type, std::optional<ByteView> body) {
    const auto answered = expected_.empty() ? protocol::ExpectedReply{} : expected_.front();
    const bool is_unnamed = type == BackendMessage::ParseComplete &&
                            answered.noted != protocol::Noted::ByBoth &&
                            answered.noted != protocol::Noted::ByBackend;
    const bool is_about_statement =
        type == BackendMessage::ErrorResponse && answers_for_statement(answered);
    const std::size_t owed_before = expected_.size();
    const std::size_t statements_before = expected_.statements();
    // Nobody follows the statements of a holder that has left.
    const bool is_of_run = !runs_.empty() && answered.is_statement;
    ReplyVerdict verdict = expected_.received(type);
    if (verdict == ReplyVerdict::Unexpected) {
        return Treatment::Broken;
    }
    if (is_failing_ && type == BackendMessage::ReadyForQuery) {
        is_failing_ = false;
        verdict = ReplyVerdict::Forward;  // it stands for the client's
    }
    const Treatment ruling = is_of_run ? rule(type, body) : Treatment::Forward;
    if (type == BackendMessage::ErrorResponse) {
        blame(body, verdict, statements_before, answered);
    }
    const bool is_cancelled = time_limit_.is_on && watch_reply(type, body, owed_before);
    if (type == BackendMessage::ErrorResponse && !body && verdict == ReplyVerdict::Replace) {
        return refused(sqlstate::kInternalError);  // an error of its own, too long to be ours
    }
    if (type == BackendMessage::ErrorResponse && has_failed_to_clean(verdict)) {
        log::warn("backend_not_cleaned", {{"backend", id_}, {"pid", process_id_}});
        end(/*failure=*/nullptr);
        return Treatment::Drop;
    }
    if (type == BackendMessage::CopyInResponse && state_ == BackendState::Cleaning) {
        end_unfinished();  // asked for by a client that has left before it could send a thing
    }
    holder_has_unnamed_ = holder_has_unnamed_ || is_unnamed;
    if (verdict != ReplyVerdict::Replace) {
        settle_noted();
    }
    if (is_about_statement && body && verdict != ReplyVerdict::Replace) {
        doubt_statements(*body);
    }
    const Treatment treatment = body ? look_into(type, *body, verdict) : Treatment::Forward;
    if (treatment == Treatment::Forward && verdict == ReplyVerdict::Forward) {
        if (is_cancelled && ruling == Treatment::Forward) {
            return runs_.is_cut() ? Treatment::Settle : Treatment::Reword;
        }
        return ruling;
    }
    if (treatment != Treatment::Forward) {
        return treatment;
    }
    return verdict == ReplyVerdict::Replace ? Treatment::Forward : Treatment::Drop;
}

/// @return whether the error received just now answers what was to make the session good for the
/// next client, or to show that it is
bool Backend::has_failed_to_clean(ReplyVerdict verdict) const {
    return (state_ == BackendState::Cleaning || state_ == BackendState::Checking) &&
           verdict == ReplyVerdict::Swallow && expected_.front().request == FrontendMessage::Query;
}

Backend::Treatment Backend::look_into(BackendMessage type, ByteView body, ReplyVerdict verdict) {
    switch (type) {
        case BackendMessage::ReadyForQuery: return on_ready(body, verdict);
        case BackendMessage::ErrorResponse: return on_error_message(body, verdict);
        case BackendMessage::ParameterStatus:
            on_parameter(body, verdict);
            return Treatment::Forward;
        case BackendMessage::CommandComplete:
            on_command_complete(body, verdict);
            return Treatment::Forward;
        case BackendMessage::DataRow: audit_->on_row(body); return Treatment::Forward;
        default: return Treatment::Forward;
    }
}

Backend::Treatment Backend::on_ready(ByteView body, ReplyVerdict verdict) {
    const auto status = protocol::read_ready_for_query(body);
    if (!status) {
        return Treatment::Broken;
    }
    status_ = *status;
    if (must_fail_now(verdict)) {
        return Treatment::Drop;  // the client hears of it once it has
    }
    if (expected_.empty()) {
        runs_in_batch_ = 0;
    }
    has_parsed_ = has_parsed_ && !expected_.empty();
    if (status_ == TransactionStatus::Idle) {
        if (std::exchange(catalog_change_, nullptr) != nullptr) {
            traces_.tell_catalog_change();
        }
        ++traces_.rests_;
        if (expected_.empty()) {
            tickets_.end_transaction();
            traces_.come_to_rest(holder_);
        }
    }
    if (has_changed_schema_ && status_ == TransactionStatus::Idle) {
        has_changed_schema_ = false;
        env_.database->schema_epoch.fetch_add(2, std::memory_order_relaxed);
    }
    if (verdict == ReplyVerdict::Swallow) {
        if (settings_owed_ > 0) {
            --settings_owed_;
        } else if (audit_ != nullptr && !audit_->is_done()) {
            audit_->end();
        } else {
            ready_seen_ = holder_ != nullptr;  // of what we have put behind its own: it may be over
        }
        return Treatment::Forward;
    }
    ready_seen_ = true;
    const TimePoint now = env_.loop.now();
    const std::uint64_t us = microseconds(now - busy_since_);
    env_.counters.backend_time.observe_us(us);
    env_.pool_counters.statement_us.add(us);
    busy_since_ = now;
    if (env_.traits.mode == BackendTraits::Mode::Statement && status_ != TransactionStatus::Idle &&
        holder_ != nullptr) {
        return Treatment::Drop;  // on_reply_end() will find the open transaction
    }
    return Treatment::Forward;
}

Backend::Treatment Backend::on_error_message(ByteView body, ReplyVerdict verdict) {
    const auto view = protocol::read_error(body);
    if (!view) {
        return Treatment::Broken;
    }
    const SqlState sqlstate = view->sqlstate.value_or(sqlstate::kInternalError);
    traces_.local_sets_ = 0;
    traces_.are_being_forgotten_ = false;  // it may be what has failed, or what is now skipped
    const bool is_audit = audit_ != nullptr && !audit_->is_done();
    traces_.has_reapply_failed_ =
        traces_.has_reapply_failed_ || (traces_.is_reapplying_ && settings_owed_ == 0 &&
                                        verdict == ReplyVerdict::Swallow && !is_audit);
    if (verdict == ReplyVerdict::Swallow && settings_owed_ == 0 && audit_ != nullptr) {
        audit_->on_error();
    }
    if (view->routine == kStalePlanRoutine && epoch_limit_ > schema_epoch()) {
        env_.database->schema_epoch.fetch_add(1, std::memory_order_relaxed);
    }
    if (verdict == ReplyVerdict::Swallow && settings_owed_ > 0) {
        prepare_error_ = {protocol::Severity::Fatal,
                          sqlstate,
                          std::string{view->message},
                          std::string{view->detail},
                          std::string{view->hint}};
    }
    if (holder_ != nullptr && verdict == ReplyVerdict::Forward) {
        env_.counters.errors.add(sqlstate);
        env_.pool_counters.failures.add(is_server_trouble(sqlstate) ? 1 : 0);
    }
    if (verdict == ReplyVerdict::Replace) {
        return refused(sqlstate);
    }
    if (state_ == BackendState::Preparing) {
        const LoginFailure failure{{protocol::Severity::Fatal,
                                    sqlstate,
                                    "connect_query failed: " + std::string{view->message},
                                    {},
                                    {}},
                                   !is_transient(sqlstate)};
        end(&failure);
        return Treatment::Drop;
    }
    return Treatment::Forward;
}

/// A FATAL error is followed by the end of the connection. The client stays with us where its
/// session does not depend on this one server process: it is told in our words, once the connection
/// has ended.
bool Backend::is_last_word(ByteView body) {
    const auto view = protocol::read_error(body);
    if (!view || !view->is_fatal() || state_ == BackendState::Preparing) {
        return false;
    }
    last_words_ = {protocol::Severity::Fatal,
                   view->sqlstate.value_or(sqlstate::kConnectionFailure),
                   std::string{view->message},
                   {},
                   {}};
    must_end_ = true;  // its end follows: nobody else is to be lent it in between
    return env_.traits.mode != BackendTraits::Mode::Session;
}

void Backend::on_parameter(ByteView body, ReplyVerdict verdict) {
    const auto parameter = protocol::read_parameter_status(body);
    if (!parameter) {
        return;
    }
    set_parameter(parameters_, parameter->name, parameter->value);
    traces_.is_text_plain_.reset();
    if (parameter->name == kReadOnly) {
        traces_.note_read_only(parameter->value == "on", verdict == ReplyVerdict::Forward);
    }
    if (holder_ != nullptr && verdict == ReplyVerdict::Forward) {
        const std::string name = lower_case(parameter->name);
        if (is_carried_when_reported(name)) {
            // What was prepared in the same batch may have been read under the new setting: it is
            // for nobody else.
            must_end_ = must_end_ || (has_parsed_ && name != kApplicationName);
            holder_->on_reported(name, parameter->value);
        }
    } else if (state_ == BackendState::Idle) {
        env_.owner.on_defaults_changed();
    }
}

void Backend::on_command_complete(ByteView body, ReplyVerdict verdict) {
    const auto tag = protocol::read_command_tag(body);
    if (!tag || tag->empty()) {
        return;
    }
    if (verdict == ReplyVerdict::Forward) {
        note_tag(*tag);
    }
    if (*tag == kDiscardAll || *tag == kDeallocateAll) {
        forget_statements(verdict);
    }
    if (*tag == kDiscardAll || *tag == kDiscardSequences) {
        traces_.has_foreign_sequences_ = false;
    }
}

void Backend::on_drained() {
    if (holder_ != nullptr) {
        holder_->on_backend_drained();
    }
}

}  // namespace weir::pool
