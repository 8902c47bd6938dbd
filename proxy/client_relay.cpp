// The part of ClientSession that passes messages on: to a backend while it has one, to the console,
// or nowhere.

#include "base/check.hpp"
#include "base/log.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"
#include "proxy/client_session.hpp"
#include "proxy/local_reply.hpp"
#include "proxy/replication_command.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

using protocol::FrontendMessage;
using protocol::TransactionStatus;

namespace {

/// A client may be owed this many answers before it is read no further. What is answered here is
/// never sent to the backend, so no full socket would stop it.
constexpr std::size_t kOwedMax = 4096;

bool runs_statement(FrontendMessage type) {
    return type == FrontendMessage::Query || type == FrontendMessage::Execute ||
           type == FrontendMessage::FunctionCall;
}

/// @return whether an Execute asks for all rows
bool runs_to_end(const protocol::FrameHeader& header, ByteView rest) {
    const auto execute =
        rest.size() >= header.frame_bytes()
            ? std::optional{protocol::read_execute(protocol::body_of(rest, header))}
            : std::nullopt;
    return execute && *execute && (*execute)->max_rows == 0;
}

}  // namespace

std::size_t ClientSession::relay(ByteView bytes) {
    pool::RequestBatch batch;
    std::size_t used = 0;
    is_relaying_ = true;
    outgoing_ = &batch;
    while (used < bytes.size() && !is_ending()) {
        const ByteView rest = bytes.subspan(used);
        if (body_left_ == 0) {
            const Begun begun = begin_frame(rest);
            if (begun.treatment == Treatment::Hold || begun.treatment == Treatment::Stop) {
                break;
            }
            is_forwarding_ = begun.treatment == Treatment::Forward;
            if (begun.used > 0) {
                used += begun.used;
                note_consumed(begun.used);
                continue;
            }
        }
        const std::size_t part = std::min(body_left_, rest.size());
        if (is_forwarding_) {
            batch.add(rest.first(part));
            if (batch.is_full()) {
                flush_to_backend(batch);
            }
        }
        body_left_ -= part;
        used += part;
        note_consumed(part);
    }
    flush_to_backend(batch);
    outgoing_ = nullptr;
    is_relaying_ = false;
    worker_.mutable_counters().bytes_from_clients.add(used);
    tally_.add_in(used);
    if (is_ending()) {
        return bytes.size();
    }
    if (state_ == ClientState::Waiting || state_ == ClientState::Preparing || is_settling_) {
        static_cast<void>(hold(bytes.subspan(used)));
    }
    lender().counters().bytes_received.add(used);
    maybe_give_back();
    watch_transaction();
    return used;
}

void ClientSession::flush_to_backend(pool::RequestBatch& batch) {
    if (!batch.empty() && backend_ != nullptr) {
        backend_->send(batch.parts());
        if (backend_->is_full()) {
            stream_.pause(net::Pause::PeerIsFull);
        }
    }
    batch.clear();
}

/// Decides what happens to the message that begins at `rest`; Hold: come back with more bytes or
/// with a backend.
ClientSession::Begun ClientSession::begin_frame(ByteView rest) {
    if (stream_.is_full()) {
        stream_.pause(net::Pause::OutputIsFull);  // it is answered once it reads
        return {Treatment::Hold};
    }
    const auto [status, header] = protocol::read_header(rest);
    if (status == protocol::FrameStatus::NeedMore) {
        return {Treatment::Hold};
    }
    if (status == protocol::FrameStatus::Invalid) {
        fatal(sqlstate::kProtocolViolation, "invalid message length");
        return {Treatment::Stop};
    }
    if (!check_header(header)) {
        return {Treatment::Stop};
    }
    if (is_out_of_turn(header)) {
        fatal(sqlstate::kProtocolViolation,
              std::string{"unexpected message type '"} + header.type + "' during COPY from stdin");
        return {Treatment::Stop};
    }
    protocol::StatementReference reference;
    if (const auto held = hold_back(header, rest, reference); held) {
        return *held;
    }
    if (!is_allowed_ && may_refuse_message(header)) {
        if (const auto refused = refuse_message(header, rest); refused) {
            return *refused;
        }
        is_allowed_ = true;
        is_taken_as_plain_ = backend_ == nullptr && is_text_known_plain();
    }
    Begun begun{treatment_of(header, rest)};
    if (begun.treatment == Treatment::Hold || begun.treatment == Treatment::Stop) {
        return begun;
    }
    is_allowed_ = false;
    is_taken_as_plain_ = is_taken_as_plain_ && begun.treatment == Treatment::Forward;
    if (begun.treatment == Treatment::Forward) {
        if (const std::size_t answered = ClientCache::answer_inside(*this, rest); answered > 0) {
            return {Treatment::Drop, answered};
        }
        begun = begin_forwarding(header, reference, rest);
    }
    body_left_ = header.frame_bytes() - begun.used;
    return begun;
}

/// @param reference becomes what the message says of a named statement
/// @return what is to be done where the message can not be looked at yet: it hangs on answers still
/// to come, or more of it must be there
std::optional<ClientSession::Begun> ClientSession::hold_back(
    const protocol::FrameHeader& header, ByteView rest, protocol::StatementReference& reference) {
    using Kind = protocol::StatementReference::Kind;
    if (must_wait(header)) {
        return wait_for_answers();
    }
    if (carries_statements()) {
        if (backend_ != nullptr && backend_->owed().size() >= kOwedMax) {
            return wait_for_answers();
        }
        reference = reference_of(header, rest);
        if (reference.kind == Kind::Incomplete) {
            return Begun{Treatment::Hold};
        }
        if (must_settle_first(header, reference, rest)) {
            return wait_for_answers();
        }
    } else if (header.type == static_cast<char>(FrontendMessage::Bind) && follows_statements() &&
               protocol::read_statement_reference(header, rest).kind == Kind::Incomplete) {
        return Begun{Treatment::Hold};
    }
    if (awaits_whole_text(header, rest)) {
        return Begun{Treatment::Hold};
    }
    return std::nullopt;
}

/// Nothing but data may be sent while a COPY waits for it: a server that has given up the COPY
/// meanwhile would run what it has not been asked for as far as we can tell.
bool ClientSession::is_out_of_turn(const protocol::FrameHeader& header) const {
    if (state_ != ClientState::Active || !backend_->owed().is_copy_in_open()) {
        return false;
    }
    switch (static_cast<FrontendMessage>(header.type)) {
        case FrontendMessage::CopyData:
        case FrontendMessage::CopyDone:
        case FrontendMessage::CopyFail:
        case FrontendMessage::Flush:
        case FrontendMessage::Sync:
        case FrontendMessage::Terminate: return false;
        default: return true;
    }
}

/// @return whether nothing that is sent now may meet what was sent before it
bool ClientSession::must_wait(const protocol::FrameHeader& header) {
    if (backend_ == nullptr) {
        return false;
    }
    if (awaits_reset()) {
        return true;
    }
    const auto type = static_cast<FrontendMessage>(header.type);
    if (type == FrontendMessage::Terminate) {
        return false;
    }
    // A look at what the last transaction has left is all that keeps the backend from those who
    // wait for it: whoever is quick would have it for good, one look after another.
    const bool must_give_way = backend_->is_auditing() && !backend_->owes_holder() &&
                               !keeps_backend() && lender().is_waited_for(*this);
    return must_give_way || is_in_danger(type) || backend_->holds_line(type) || is_behind_read() ||
           awaits_settings() || awaits_reading(type);
}

/// The message is kept until the backend has answered more of what came before it.
ClientSession::Begun ClientSession::wait_for_answers() {
    is_settling_ = true;
    backend_->tell_progress();
    if (std::exchange(is_flush_missing_, false)) {  // or it may keep its answers to itself
        if (!outgoing_->has_room()) {
            flush_to_backend(*outgoing_);
        }
        outgoing_->add_header(FrontendMessage::Flush, 0);
    }
    return {Treatment::Hold};
}

/// A message that the backend is to hear: as it is, or in our words.
ClientSession::Begun ClientSession::begin_forwarding(const protocol::FrameHeader& header,
                                                     const protocol::StatementReference& reference,
                                                     ByteView rest) {
    const bool is_another_text = is_taken_as_plain_ && !is_text_plain();  // to this server
    is_taken_as_plain_ = false;
    if (auto refused = is_another_text ? refuse_message(header, rest) : std::nullopt; refused) {
        return *refused;
    }
    const auto type = static_cast<FrontendMessage>(header.type);
    count(type);
    if (worker_.config().admin.statement_text > 0) {
        note_statement(header, reference, rest);
    }
    if (has_time_limits()) {
        separate_statements(type);
    }
    const bool ends_copy = type == FrontendMessage::CopyDone || type == FrontendMessage::CopyFail;
    is_flush_missing_ =
        protocol::is_extended(type) || (ends_copy && backend_->owed().is_sync_owed());
    if (reference.kind == protocol::StatementReference::Kind::None ||
        backend_->owed().is_copy_in_open()) {
        return forward_unnamed(header, rest);
    }
    if (backend_->owed().is_skipping()) {
        return {Treatment::Drop};  // the backend would not look at it either
    }
    return begin_named(header, reference, rest);
}

/// A message that is about no prepared statement of ours.
ClientSession::Begun ClientSession::forward_unnamed(const protocol::FrameHeader& header,
                                                    ByteView rest) {
    const auto type = static_cast<FrontendMessage>(header.type);
    const bool is_looked_at =
        !backend_->owed().is_skipping() && !backend_->owed().is_copy_in_open();
    if (is_looked_at && carries_state()) {
        if (type == FrontendMessage::Query) {
            return forward_query(header, rest);
        }
        if (type == FrontendMessage::FunctionCall) {
            observe_function_call();
        } else if (type == FrontendMessage::Parse) {
            observe_unnamed(header, rest);  // names pass through: all there is to see
        }
    }
    if (is_looked_at && !carries_statements() && type == FrontendMessage::Parse) {
        note_parse(header, rest);
    }
    if (is_looked_at && !carries_statements() && type == FrontendMessage::Bind) {
        if (auto why = note_bind(header, rest); why) {
            return refuse_named(std::move(*why));
        }
    }
    if (type == FrontendMessage::Sync && session_state_ != nullptr) {
        session_state_->is_reset_sent = !session_state_->reset.empty();
    }
    if (type == FrontendMessage::Sync || !backend_->owed().is_skipping()) {
        end_batch(type);
    }
    if (is_looked_at && runs_statement(type)) {
        return forward_run(header, rest);
    }
    backend_->will_send({.request = type, .noted = noted_of(header, rest)});
    return {Treatment::Forward};
}

/// A Query, an Execute or a FunctionCall that nobody else has looked at.
ClientSession::Begun ClientSession::forward_run(const protocol::FrameHeader& header,
                                                ByteView rest) {
    const auto type = static_cast<FrontendMessage>(header.type);
    if (!pool_->key().replication.empty() && !is_replication_command(header, rest)) {
        ClientCache::note_unseen_write(*this);
    }
    pool::StatementTicket ticket = ticket_of_message(header, rest);
    const pool::SettingsPtr reset =
        type == FrontendMessage::Query ? settings_lifted_by(ticket) : nullptr;
    if (type == FrontendMessage::Execute) {
        watch_execute();
    }
    run_statement(type, std::move(ticket));
    if (type == FrontendMessage::Execute && !runs_to_end(header, rest)) {
        ClientCache::note_portion(*this);
    }
    return reset != nullptr ? forward_reset(header, rest, *reset) : Begun{Treatment::Forward};
}

/// Where statements have a limit each, the server must say when one of a batch ends: by itself it
/// keeps its answers until the Sync.
void ClientSession::separate_statements(FrontendMessage type) {
    const bool is_boundary = !protocol::is_extended(type) || type == FrontendMessage::Sync;
    if (has_executed_ && !is_boundary && type != FrontendMessage::Flush) {
        if (!outgoing_->has_room()) {
            flush_to_backend(*outgoing_);
        }
        outgoing_->add_header(FrontendMessage::Flush, 0);
    }
    has_executed_ = type == FrontendMessage::Execute;
}

/// Refuses, and ends the session for, what no client may send.
bool ClientSession::check_header(const protocol::FrameHeader& header) {
    if (!protocol::is_frontend_message(header.type) ||
        static_cast<FrontendMessage>(header.type) == FrontendMessage::Password) {
        fatal(sqlstate::kProtocolViolation,
              "invalid frontend message type " +
                  std::to_string(static_cast<unsigned char>(header.type)));
        return false;
    }
    if (header.type == static_cast<char>(FrontendMessage::Query) &&
        !worker_.config().limits.simple_queries) {
        fatal(sqlstate::kFeatureNotSupported, "PQexec disallowed (limits.simple_queries)");
        return false;
    }
    if (header.body_bytes() > worker_.config().limits.max_message) {
        fatal(sqlstate::kProgramLimitExceeded,
              "message of " + std::to_string(header.body_bytes()) +
                  " bytes is larger than limits.max_message (" +
                  std::to_string(worker_.config().limits.max_message) + " bytes)");
        return false;
    }
    return true;
}

ClientSession::Treatment ClientSession::treatment_of(const protocol::FrameHeader& header,
                                                     ByteView rest) {
    const auto type = static_cast<FrontendMessage>(header.type);
    if (type == FrontendMessage::Terminate) {
        end_because(sqlstate::kSuccessfulCompletion, "client has left");
        leave_backend(pool::Backend::Departure::Orderly);
        close();
        return Treatment::Stop;
    }
    if (std::exchange(is_refusal_pending_, false)) {
        tell_unserved(header, rest);
        return Treatment::Drop;  // this is the message that waited and has been answered
    }
    if (state_ == ClientState::Skipping) {
        return skip(type);
    }
    if (state_ != ClientState::Active) {
        const Treatment treatment = begin_without_backend(type, rest);
        tell_unserved(header, rest);  // where it has been refused at once
        return treatment;
    }
    WEIR_ASSERT(backend_ != nullptr);
    const bool has_waited = has_waited_;
    has_waited_ = false;
    if (!has_waited && !backend_->owes_holder()) {
        is_text_in_doubt_ = is_text_in_doubt_ && backend_->owed().is_sync_owed();
        request_at_ = worker_.loop().now();
        if (backend_->is_at_rest()) {
            transaction_at_ = request_at_;  // session mode: it has been idle since the last one
        }
    }
    return Treatment::Forward;
}

ClientSession::Treatment ClientSession::skip(FrontendMessage type) {
    if (type != FrontendMessage::Sync) {
        return Treatment::Drop;
    }
    transition(ClientEvent::SyncSeen);
    const bool is_told =
        extras_ != nullptr && extras_->cached != nullptr && extras_->cached->take_told_ready();
    if (!is_told) {
        ByteWriter output;
        protocol::write_ready_for_query(output, TransactionStatus::Idle);
        send(output);
    }
    came_to_rest();
    return Treatment::Drop;
}

ClientSession::Treatment ClientSession::begin_without_backend(FrontendMessage type, ByteView rest) {
    switch (type) {
        case FrontendMessage::CopyData:
        case FrontendMessage::CopyDone:
        case FrontendMessage::CopyFail:  // of a COPY that has failed meanwhile: PostgreSQL ignores
                                         // them too
        case FrontendMessage::Flush: return Treatment::Drop;
        case FrontendMessage::Bind:
        case FrontendMessage::Close:
        case FrontendMessage::Describe:
        case FrontendMessage::Execute:
        case FrontendMessage::FunctionCall:
        case FrontendMessage::Parse:
        case FrontendMessage::Query:
        case FrontendMessage::Sync: return want_backend(type, rest);
        case FrontendMessage::Password:
        case FrontendMessage::Terminate: break;
    }
    return Treatment::Drop;
}

/// @return Forward when there is a backend at once, Hold when it must be waited for, Drop when the
/// request was refused
ClientSession::Treatment ClientSession::want_backend(FrontendMessage type, ByteView rest) {
    wanted_for_ = type;
    if (has_lost_transaction_) {
        has_lost_transaction_ = false;
        request_at_ = worker_.loop().now();
        refuse_request({protocol::Severity::Error,
                        sqlstate::kConnectionFailure,
                        "server conn crashed? the transaction that was open is lost",
                        {},
                        {}});
        is_refusal_pending_ = false;
        return Treatment::Drop;
    }
    request_at_ = worker_.loop().now();
    transaction_at_ = request_at_;
    switch (ClientCache::ask(*this, rest)) {
        case ClientCache::Answer::Run: break;
        case ClientCache::Answer::Given: return Treatment::Drop;
        case ClientCache::Answer::Wait: return Treatment::Hold;
    }
    deadline_.clear();
    backends_missed_ = 0;
    transition(ClientEvent::BackendWanted);
    if (pool::Pool* wanted = choose_lender(rest); wanted != nullptr) {
        wanted->acquire(*this);
    }
    has_waited_ = state_ == ClientState::Waiting || state_ == ClientState::Preparing;
    switch (state_) {
        case ClientState::Active: return Treatment::Forward;
        case ClientState::Waiting:
        case ClientState::Preparing: return Treatment::Hold;
        case ClientState::Closing:
        case ClientState::Closed: return Treatment::Stop;
        default: is_refusal_pending_ = false; return Treatment::Drop;
    }
}

void ClientSession::count(FrontendMessage type) {
    pool::WorkerCounters& all = worker_.mutable_counters();
    pool::PoolCounters& mine = lender().counters();
    switch (type) {
        case FrontendMessage::Query:
            all.simple_statements.add();
            mine.statements.add();
            return;
        case FrontendMessage::Execute:
            all.extended_statements.add();
            mine.statements.add();
            return;
        case FrontendMessage::FunctionCall:
            all.function_calls.add();
            mine.statements.add();
            return;
        case FrontendMessage::Parse: mine.client_parses.add(); return;
        case FrontendMessage::Bind: mine.binds.add(); return;
        case FrontendMessage::CopyDone: all.copies.add(); return;
        case FrontendMessage::Close:
        case FrontendMessage::CopyData:
        case FrontendMessage::CopyFail:
        case FrontendMessage::Describe:
        case FrontendMessage::Flush:
        case FrontendMessage::Password:
        case FrontendMessage::Sync:
        case FrontendMessage::Terminate: return;
    }
}

}  // namespace weir::proxy
