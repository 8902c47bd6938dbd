// The part of ClientSession that tells of statements that have ended, and of its own end: the
// ledger, the log of slow ones, the trail of deeds.

#include "base/events.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"
#include "ledger/error_pattern.hpp"
#include "ledger/questions.hpp"
#include "protocol/frontend_views.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sql/digest.hpp"

namespace weir::proxy {

using protocol::FrontendMessage;
using std::chrono::microseconds;

namespace {

/// Answers that a client has yet to take; what is beyond is told of as if it had taken them.
constexpr std::size_t kDrainingMax = 256;
/// Of a statement's text in a line of the log.
constexpr std::size_t kLoggedBytesMax = 1024;

microseconds positive_us(Duration duration) {
    return std::max(microseconds{0}, std::chrono::duration_cast<microseconds>(duration));
}

double milliseconds_of(microseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

ledger::WaitReason reason_of(pool::WaitReason reason) {
    switch (reason) {
        case pool::WaitReason::None: return ledger::WaitReason::None;
        case pool::WaitReason::PoolFull: return ledger::WaitReason::PoolFull;
        case pool::WaitReason::Dialling: return ledger::WaitReason::Dialling;
        case pool::WaitReason::ApplicationMax: return ledger::WaitReason::ApplicationMax;
        case pool::WaitReason::Failover: return ledger::WaitReason::Failover;
        case pool::WaitReason::Paused: return ledger::WaitReason::Paused;
    }
    return ledger::WaitReason::None;
}

/// @param kind the first word of a read
bool can_be_explained(std::string_view kind) {
    return kind == "select" || kind == "with" || kind == "values" || kind == "table";
}

KnownStatement& known_by(const pool::StatementTicket& ticket) {
    return static_cast<KnownStatement&>(*ticket.subject);  // nobody else has made it
}

}  // namespace

void ClientSession::on_run_end(pool::StatementRun& run) {
    if (run.ticket.subject == nullptr) {
        return;
    }
    if (stream_.unsent() > 0 && extras().draining.size() < kDrainingMax) {
        extras().draining.push_back({std::move(run), member_now()});
        return;
    }
    tell_run(run, member_now(), run.ended_at);
}

/// The client has taken what was sent to it, or has left.
void ClientSession::tell_drained() {
    if (extras_ == nullptr || extras_->draining.empty()) {
        return;
    }
    const TimePoint now = worker_.loop().now();
    for (const DrainingRun& drained : std::exchange(extras_->draining, {})) {
        tell_run(drained.run, drained.member, now);
    }
}

/// @return the replica that its lease is of; "" = none
const std::string& ClientSession::member_now() const {
    static const std::string kNone;
    return is_at_replica() ? lender().key().member : kNone;
}

/// @return the pool of its own that leads to that replica; nullptr: it is none of the cluster's now
pool::Pool* ClientSession::pool_of(const std::string& member) {
    if (member.empty() || (is_at_replica() && lender().key().member == member)) {
        return &(member.empty() ? *pool_ : lender());
    }
    const ReadPools& pools = worker_.read_pools(*pool_);
    for (std::size_t i = 0; pools.view != nullptr && i < pools.view->members.size(); ++i) {
        if (pools.view->members[i].name == member) {
            return &worker_.read_pool(*pool_, i);
        }
    }
    return nullptr;
}

/// @param taken_at when its client had all of the answer
void ClientSession::tell_run(const pool::StatementRun& run,
                             const std::string& member,
                             TimePoint taken_at) {
    ledger::Statement statement;
    if (!member.empty()) {
        statement.member = member;
    }
    statement.total = positive_us(taken_at - run.asked_at);
    statement.wait = positive_us(run.waited);
    statement.wait_reason = reason_of(run.wait_reason);
    statement.sending = positive_us(run.blocked + (taken_at - run.ended_at));
    statement.server = positive_us(run.ended_at - run.began_at - run.blocked);
    statement.rows = run.rows;
    statement.bytes = run.bytes;
    statement.error = run.error;
    statement.is_retried = run.is_retried;
    statement.is_cut = run.is_cut;
    statement.cache = run.cache;
    statement.saved = run.saved;
    if (!run.error_message.empty()) {
        statement.detail = std::make_unique<StatementDetail>();
        statement.detail->message = run.error_message;
    }
    tell(run.ticket, statement);
}

/// The statement has been refused without having run.
void ClientSession::tell_refused(const pool::StatementTicket& ticket,
                                 const protocol::ErrorFields& why) {
    if (ticket.subject == nullptr) {
        return;
    }
    ledger::Statement statement;
    statement.error = why.sqlstate;
    statement.detail = std::make_unique<StatementDetail>();
    statement.detail->message = why.message;
    tell(ticket, statement);
}

/// A request gets no backend: its client is told, and the ledger when its message's turn comes.
void ClientSession::refuse_request(const protocol::ErrorFields& error) {
    if (follows_statements()) {
        const Duration waited = worker_.loop().now() - request_at_;
        extras().refused = {error.sqlstate,
                            error.message,
                            waited,
                            waited > Duration{} ? wait_reason : pool::WaitReason::None};
    }
    answer_refused(error);
}

/// The message belongs to a request that has been answered before it had a backend.
void ClientSession::tell_unserved(const protocol::FrameHeader& header, ByteView rest) {
    if (extras_ == nullptr || !extras_->refused) {
        return;
    }
    const RefusedRequest refused = *std::exchange(extras_->refused, std::nullopt);
    const pool::StatementTicket ticket = ticket_unserved(header, rest);
    if (ticket.subject == nullptr) {
        return;
    }
    ledger::Statement statement;
    statement.total = statement.wait = positive_us(refused.waited);
    statement.wait_reason = reason_of(refused.wait_reason);
    statement.error = refused.sqlstate;
    statement.detail = std::make_unique<StatementDetail>();
    statement.detail->message = refused.message;
    tell(ticket, statement);
}

/// @return the statement that the first message of a request is about
pool::StatementTicket ClientSession::ticket_unserved(const protocol::FrameHeader& header,
                                                     ByteView rest) {
    const auto type = static_cast<FrontendMessage>(header.type);
    if (type == FrontendMessage::Query || type == FrontendMessage::FunctionCall) {
        return ticket_of_message(header, rest);
    }
    if (type == FrontendMessage::Parse && rest.size() >= header.frame_bytes()) {
        const auto parse = protocol::read_parse(protocol::body_of(rest, header));
        return parse ? ticket_for(parse->sql) : pool::StatementTicket{};
    }
    const bool refers = type == FrontendMessage::Bind || type == FrontendMessage::Describe;
    if (!refers || statements_ == nullptr) {
        return {};
    }
    const auto reference = protocol::read_statement_reference(header, rest);
    const ClientStatement* known = reference.kind == protocol::StatementReference::Kind::None
                                       ? nullptr
                                       : statements_->find(reference.name);
    return known == nullptr || known->is_deallocate ? pool::StatementTicket{}
                                                    : ticket_for(*known->statement);
}

/// These have no end that anybody will hear of.
void ClientSession::tell_unanswered(const std::vector<pool::StatementRun>& runs,
                                    const protocol::ErrorFields& why) {
    for (const pool::StatementRun& run : runs) {
        if (run.ticket.subject == nullptr || run.is_skipped) {
            continue;
        }
        pool::StatementRun ended = run;
        if (!ended.error) {
            ended.error = why.sqlstate;
            ended.error_message = why.message;
        }
        tell_run(ended, member_now(), ended.ended_at);
    }
}

/// The client leaves its backend, whatever that is doing for it.
void ClientSession::tell_left(pool::Backend::Departure departure) {
    if (!backend_->has_runs() || departure == pool::Backend::Departure::Orderly) {
        return;  // what it has sent before its goodbye runs to its end, without a witness
    }
    protocol::ErrorFields why;
    why.sqlstate = extras().end ? extras().end->sqlstate : sqlstate::kConnectionFailure;
    why.message = extras().end ? extras().end->why : "client has gone";
    tell_unanswered(backend_->take_runs(), why);
}

/// A message is being sent whose names pass through, if it has any.
/// @return whether its outcome is to be told: that of a Parse
protocol::Noted ClientSession::noted_of(const protocol::FrameHeader& header, ByteView rest) {
    const protocol::ExpectedReplies& owed = backend_->owed();
    if (static_cast<FrontendMessage>(header.type) != FrontendMessage::Parse || owed.is_skipping() ||
        owed.is_copy_in_open() || carries_statements() || !follows_statements() ||
        rest.size() < header.frame_bytes()) {
        return protocol::Noted::Nowhere;
    }
    const auto parse = protocol::read_parse(protocol::body_of(rest, header));
    pool::Tickets& tickets = backend_->tickets();
    const pool::Definition* known = parse ? tickets.definitions.find(parse->name) : nullptr;
    if (known == nullptr || known->ticket.subject == nullptr) {
        return protocol::Noted::Nowhere;
    }
    tickets.parsing.push_back(known->ticket);
    return protocol::Noted::ByClient;
}

/// Takes what has become of Parses that pass through out of the outcome.
void ClientSession::settle_parsing(protocol::NotedOutcome& outcome) {
    if (backend_ == nullptr || backend_->tickets().parsing.empty()) {
        return;
    }
    std::list<pool::StatementTicket>& parsing = backend_->tickets().parsing;
    for (; outcome.done_by_client > 0 && !parsing.empty(); --outcome.done_by_client) {
        parsing.pop_front();
    }
    for (; outcome.dropped_by_client > 0 && !parsing.empty(); --outcome.dropped_by_client) {
        parsing.pop_front();
        outcome.has_first_failed = false;
    }
}

pool::StatementRun ClientSession::run_of_parse() {
    pool::StatementRun run;
    run.asked_at = request_at_;
    if (const auto& parsing = backend_->tickets().parsing; !parsing.empty()) {
        run.ticket = parsing.front();
    } else if (statements_ != nullptr) {
        if (const pool::Statement* parsed = statements_->oldest_on_its_way(); parsed != nullptr) {
            run.ticket = ticket_for(*parsed);
        }
    }
    return run;
}

/// It has ended: one line of what it was.
void ClientSession::tell_session() {
    ledger::Recorder* recorder = worker_.desk().recorder();
    if (recorder == nullptr || !is_logged_in() || is_console() || context_ == nullptr) {
        return;
    }
    ledger::Session session;
    session.labels = context_->labels;
    session.id = id_;
    session.client = client_name().address;
    session.ended_unix_us = worker_.unix_us();
    session.began_unix_us =
        session.ended_unix_us - positive_us(worker_.loop().now() - connected_at_).count();
    session.statements = tally_.statements;
    session.transactions = tally_.transactions;
    session.errors = tally_.errors;
    session.bytes_in = tally_.bytes_in;
    session.bytes_out = tally_.bytes_out;
    session.end_reason = extras_ != nullptr && extras_->end
                             ? ledger::error_pattern(extras_->end->why)  // it may quote literals
                             : "closed";
    recorder->add(std::move(session));
}

void ClientSession::tell(const pool::StatementTicket& ticket, ledger::Statement& statement) {
    KnownStatement& known = known_by(ticket);
    const policies::Plan& plan = *ticket.plan;
    tally_.add_statement(statement.error.has_value());
    pool::WorkerCounters& counters = worker_.mutable_counters();
    counters.rows.add(statement.rows);
    statement.is_slow =
        plan.slow_query > conf::milliseconds::zero() && statement.total >= plan.slow_query;
    if (statement.is_slow) {
        counters.slow_statements.add();
    }
    ledger::Recorder* recorder = worker_.desk().recorder();
    if (recorder != nullptr) {
        statement.ended_unix_us = worker_.unix_us();
        recorder->enter(statement.ended_unix_us);
        recorder->count(worker_.desk().sums_of(known), statement);
    }
    if (known.is_deed && !statement.error && worker_.shared().events != nullptr) {
        worker_.shared().events->note(events::Deed{user(),
                                                   client_name().address,
                                                   known.digest->kind,
                                                   known.labels->database,
                                                   known.digest->text});
    }
    const bool is_logged = plan.log_statements == conf::LogStatements::All ||
                           (plan.log_statements == conf::LogStatements::Slow && statement.is_slow);
    const bool is_kept = recorder != nullptr && recorder->wants(statement);
    const bool is_explained = statement.is_slow && plan.explain_slow;
    if (!is_logged && !is_kept && !is_explained) {
        return;
    }
    statement.digest = known.digest;
    statement.labels = known.labels;
    statement.session = id_;
    if (is_logged) {
        log_statement(ticket, statement);
    }
    keep(ticket, statement, is_kept);
}

/// Gives the ledger what it keeps of single statements, a slow read once it is explained.
void ClientSession::keep(const pool::StatementTicket& ticket,
                         ledger::Statement& statement,
                         bool is_kept) {
    if (is_kept) {
        if (statement.detail != nullptr && !ticket.plan->log_parameters) {
            std::string& message = statement.detail->message;
            message = ledger::error_pattern(message);  // it may quote literals
        }
        if (ticket.said != nullptr) {
            std::string message =
                statement.detail == nullptr ? "" : std::move(statement.detail->message);
            statement.detail = std::make_unique<StatementDetail>(*ticket.said);
            statement.detail->message = std::move(message);
        }
        statement.client =
            worker_.client_addresses().of(id_, [this] { return client_name().address; });
    }
    pool::Pool* ran_on =
        statement.is_slow && ticket.plan->explain_slow ? pool_of(statement.member) : nullptr;
    if (ran_on != nullptr && is_to_be_explained(ticket, statement, *ran_on)) {
        worker_.slow_plans().ask({std::move(statement),
                                  is_kept,
                                  ticket.plan,
                                  ticket.request,
                                  {settings_, std::string{application()}}},
                                 *ran_on);
    } else if (is_kept) {
        worker_.desk().recorder()->keep(std::move(statement),
                                        worker_.desk().sums_of(known_by(ticket)));
    }
}

/// @return whether the server is asked how it has run this slow statement: where it is a read by
/// all that is known, and where the session can be told by its settings
bool ClientSession::is_to_be_explained(const pool::StatementTicket& ticket,
                                       const ledger::Statement& statement,
                                       pool::Pool& ran_on) {
    const pool::StatementRequest* request = ticket.request.get();
    if (request == nullptr || request->wants_bind || statement.error ||
        statement.cache == CacheUse::Hit || !carries_state() || is_pinned() ||
        is_reading_uncertain_ || !can_be_explained(statement.digest->kind) ||
        !worker_.slow_plans().may_ask(statement, ran_on)) {
        return false;
    }
    const auto parse = protocol::read_parse(request->parse);
    if (!parse) {
        return false;
    }
    const std::uint64_t digest = worker_.knowledge().digest(parse->sql);
    return statement_text(parse->sql, digest).read().is_read;
}

void ClientSession::log_statement(const pool::StatementTicket& ticket,
                                  const ledger::Statement& statement) {
    const std::int64_t held_back = worker_.admit_statement_line();
    if (held_back < 0) {
        return;
    }
    static const StatementDetail kNothing;
    const StatementDetail& said = ticket.said == nullptr ? kNothing : *ticket.said;
    const std::string_view text =
        said.text.empty() ? std::string_view{statement.digest->text} : std::string_view{said.text};
    log::info(statement.is_slow ? "slow_statement" : "statement",
              {{"digest", sql::digest_text(statement.digest->hash)},
               {"ms", milliseconds_of(statement.total)},
               {"wait_ms", milliseconds_of(statement.wait)},
               {"wait_reason", ledger::name_of(statement.wait_reason)},
               {"server_ms", milliseconds_of(statement.server)},
               {"sending_ms", milliseconds_of(statement.sending)},
               {"rows", statement.rows},
               {"bytes", statement.bytes},
               {"sqlstate", statement.error ? statement.error->text() : std::string{}},
               {"database", statement.labels->database},
               {"user", statement.labels->user},
               {"application", statement.labels->application},
               {"client", id_},
               {"address", client_name().address},
               {"trace_id", said.trace_id},
               {"statement", cut_utf8(text, kLoggedBytesMax)},
               {"parameters", said.parameters},
               {"held_back", held_back}});
}

}  // namespace weir::proxy
