// The part of Backend that keeps its clients' named statements: shared by all, prepared where they
// are missing.

#include "base/check.hpp"
#include "base/log.hpp"
#include "pool/backend.hpp"
#include "protocol/backend_views.hpp"

#include <algorithm>
#include <array>

namespace weir::pool {

using protocol::BackendMessage;
using protocol::ExpectedReply;
using protocol::FrontendMessage;
using protocol::Noted;
using protocol::ReplyAction;

namespace {

/// A message without a body.
template <BackendMessage type>
constexpr std::array<std::byte, protocol::kHeaderBytes> kBare = {
    std::byte{static_cast<unsigned char>(type)},
    std::byte{0},
    std::byte{0},
    std::byte{0},
    std::byte{4}};

}  // namespace

BackendStatements& Backend::statements() {
    if (statements_ == nullptr) {
        statements_ = std::make_unique<BackendStatements>();
    }
    return *statements_;
}

void Backend::ensure(const StatementPtr& statement, RequestBatch& batch) {
    epoch_limit_ = std::max(epoch_limit_, statement->epoch + 1);
    if (!statements().use(statement)) {
        send_parse(
            statement, {FrontendMessage::Parse, ReplyAction::Prepare, Noted::ByBackend}, batch);
    }
}

void Backend::parse(const StatementPtr& statement, RequestBatch& batch) {
    // In a failed transaction PostgreSQL takes no Parse but of what ends it: then, and while that
    // is not known, it must judge itself.
    const bool may_have_failed = status_ == protocol::TransactionStatus::Failed ||
                                 expected_.has_sync() || expected_.has_query();
    if (!may_have_failed && statements().use(statement)) {
        answer({FrontendMessage::Parse, ReplyAction::Answer, Noted::ByClient});
        return;
    }
    send_parse(statement, {FrontendMessage::Parse, ReplyAction::Forward, Noted::ByBoth}, batch);
}

void Backend::send_parse(const StatementPtr& statement,
                         const ExpectedReply& expected,
                         RequestBatch& batch) {
    BackendStatements& mine = statements();
    const std::size_t max = std::max<std::size_t>(1, env_.traits.prepared_statements);
    if (mine.has(statement)) {
        close_statement(statement, batch);  // it may be there, or not: PostgreSQL judges
    } else if (const StatementPtr surplus = mine.surplus(max); surplus != nullptr) {
        close_statement(surplus, batch);
    }
    will_send(expected);
    has_parsed_ = true;
    mine.add(statement);
    env_.pool_counters.backend_parses.add();
    batch.add_header(FrontendMessage::Parse,
                     statement->name_on_wire().size() + statement->definition.size());
    batch.add(statement->name_on_wire());
    batch.add(statement->definition);
}

std::uint64_t Backend::schema_epoch() const {
    return env_.database->schema_epoch.load(std::memory_order_relaxed) +
           (has_changed_schema_ ? 1 : 0);
}

void Backend::parse_unnamed(const Statement& statement, RequestBatch& batch) {
    constexpr std::string_view kNoName{"\0", 1};
    will_send({FrontendMessage::Parse, ReplyAction::Prepare, Noted::Nowhere});
    env_.pool_counters.backend_parses.add();
    batch.add_header(FrontendMessage::Parse, kNoName.size() + statement.definition.size());
    batch.add(as_bytes(kNoName));
    batch.add(statement.definition);
}

void Backend::forget_statements(protocol::ReplyVerdict verdict) {
    if (statements_ != nullptr) {
        statements_->forget_all();
    }
    if (holder_ != nullptr && verdict == protocol::ReplyVerdict::Forward) {
        holder_->on_statements_forgotten();
    }
}

/// One that failed before it came to its DEALLOCATE has left it.
void Backend::close_gone(RequestBatch& batch) {
    static constexpr std::string_view kGone{"weir:gone\0", 10};
    will_send({FrontendMessage::Close, ReplyAction::Swallow, Noted::Nowhere});
    batch.add_header(FrontendMessage::Close, 1 + kGone.size(), 'S');
    batch.add(as_bytes(kGone));
}

void Backend::deallocate(std::string_view before, std::string_view after, RequestBatch& batch) {
    static constexpr std::string_view kPrepare{"PREPARE \"weir:gone\" AS SELECT;"};
    static constexpr std::string_view kDeallocate{" DEALLOCATE \"weir:gone\""};
    static constexpr std::string_view kEnd{"\0", 1};
    close_gone(batch);
    will_send({FrontendMessage::Query, ReplyAction::Second, Noted::ByClient});
    batch.add_header(
        FrontendMessage::Query,
        kPrepare.size() + before.size() + kDeallocate.size() + after.size() + kEnd.size());
    for (const std::string_view part : {kPrepare, before, kDeallocate, after, kEnd}) {
        if (!part.empty()) {
            batch.add(as_bytes(part));
        }
    }
}

void Backend::parse_deallocate(ReplyAction action, RequestBatch& batch) {
    const Noted noted = action == ReplyAction::Forward ? Noted::ByClient : Noted::Nowhere;
    static constexpr std::string_view kGoneAndNothing{"weir:gone\0\0\0\0", 13};
    static constexpr std::string_view kDeallocateGone{"\0DEALLOCATE \"weir:gone\"\0\0\0", 26};
    close_gone(batch);
    will_send({FrontendMessage::Parse, ReplyAction::Prepare, noted});
    batch.add_header(FrontendMessage::Parse, kGoneAndNothing.size());
    batch.add(as_bytes(kGoneAndNothing));
    will_send({FrontendMessage::Parse, action, noted});
    batch.add_header(FrontendMessage::Parse, kDeallocateGone.size());
    batch.add(as_bytes(kDeallocateGone));
}

void Backend::end_batch(FrontendMessage type) {
    if (statements_ != nullptr) {
        statements_->seal();
    }
    if (type == FrontendMessage::Query) {
        holder_has_unnamed_ = false;  // PostgreSQL throws it away
    }
}

void Backend::close_statement(const StatementPtr& statement, RequestBatch& batch) {
    will_send({FrontendMessage::Close, ReplyAction::Swallow, Noted::ByBackend});
    statements().remove(statement);  // which keeps the name alive until it is answered
    batch.add_header(FrontendMessage::Close, 1 + statement->name.size() + 1, 'S');
    batch.add(statement->name_on_wire());
}

void Backend::answer(const ExpectedReply& request) {
    will_send(request);
    if (body_left_ == 0 && expected_.is_ours_next()) {
        net::WriteBatch batch;
        give_answers(batch);
        deliver(batch);
    }
}

void Backend::refuse(RequestBatch& batch) {
    will_send({FrontendMessage::Describe, ReplyAction::Refuse, Noted::Nowhere});
    static constexpr std::string_view kTerminated{kNoStatement.data(), kNoStatement.size() + 1};
    batch.add_header(FrontendMessage::Describe, 1 + kTerminated.size(), 'S');
    batch.add(as_bytes(kTerminated));
}

void Backend::refuse_query(RequestBatch& batch) {
    static constexpr std::string_view kExecuteNothing{"EXECUTE \"weir:none\"\0", 20};
    will_send({FrontendMessage::Query, ReplyAction::Refuse, Noted::Nowhere});
    batch.add_header(FrontendMessage::Query, kExecuteNothing.size());
    batch.add(as_bytes(kExecuteNothing));
}

void Backend::refuse_parse(const StatementPtr& taken, ByteView definition, RequestBatch& batch) {
    ensure(taken, batch);
    will_send({FrontendMessage::Parse, ReplyAction::Refuse, Noted::Nowhere});
    batch.add_header(FrontendMessage::Parse, taken->name_on_wire().size() + definition.size());
    batch.add(taken->name_on_wire());
    batch.add(definition);
}

/// Adds the answers that are ours to give and whose turn has come.
void Backend::give_answers(net::WriteBatch& batch) {
    while (expected_.is_ours_next()) {
        const FrontendMessage request = expected_.take_ours();
        WEIR_ASSERT(request == FrontendMessage::Parse || request == FrontendMessage::Close);
        batch.add(request == FrontendMessage::Parse
                      ? ByteView{kBare<BackendMessage::ParseComplete>}
                      : ByteView{kBare<BackendMessage::CloseComplete>});
        if (batch.is_full()) {
            deliver(batch);
        }
    }
    if (expected_.empty()) {
        time_limit_.rest();
    }
    settle_noted();
}

/// The backend has failed where it was to fail; unless that was for a reason of its own, the client
/// hears ours.
Backend::Treatment Backend::refused(SqlState sqlstate) {
    if (sqlstate == sqlstate::kInvalidSqlStatementName ||
        sqlstate == sqlstate::kDuplicatePreparedStatement) {
        return Treatment::Replace;
    }
    if (holder_ != nullptr) {
        protocol::NotedOutcome outcome;
        outcome.dropped_refusals = 1;
        holder_->on_noted(outcome);
    }
    settle_noted();
    return Treatment::Forward;
}

void Backend::tell_refusal(ByteView error) {
    if (holder_ != nullptr) {
        holder_->on_refusal_due(error);
    }
    settle_noted();  // of what is skipped behind it
}

/// What we say the backend has it may have lost, to a client that called a statement by our name
/// for it: then it serves nobody else.
void Backend::doubt_statements(ByteView body) {
    if (statements_ == nullptr || must_end_) {
        return;  // the names here are its client's own
    }
    const auto view = protocol::read_error(body);
    if (view && (view->sqlstate == sqlstate::kInvalidSqlStatementName ||
                 view->sqlstate == sqlstate::kDuplicatePreparedStatement)) {
        log::warn("backend_statements_lost", {{"backend", id_}, {"pid", process_id_}});
        must_end_ = true;
    }
}

/// Tells those who keep lists of statements what has become of theirs.
void Backend::settle_noted() {
    if (!expected_.has_outcome()) {
        return;
    }
    const protocol::NotedOutcome outcome = expected_.take_outcome();
    if (outcome.done_by_backend > 0) {
        statements().settle(outcome.done_by_backend);
    }
    if (outcome.dropped_by_backend > 0) {
        statements().drop(outcome.dropped_by_backend);
    }
    if (holder_ != nullptr) {
        holder_->on_noted(outcome);
    }
}

}  // namespace weir::pool
