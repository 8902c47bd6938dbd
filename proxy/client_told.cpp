// The part of ClientSession that tells of statements that have ended: the ledger, the log of slow
// ones, the trail of deeds.

#include "base/events.hpp"
#include "base/log.hpp"
#include "ledger/error_pattern.hpp"
#include "ledger/questions.hpp"
#include "protocol/frontend_views.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "sql/digest.hpp"

namespace weir::proxy {

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

std::int64_t unix_us() {
    return std::chrono::duration_cast<microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
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
        extras().draining.push_back(std::move(run));
        return;
    }
    tell_run(run, run.ended_at);
}

/// The client has taken what was sent to it.
void ClientSession::tell_drained() {
    if (extras_ == nullptr || extras_->draining.empty()) {
        return;
    }
    const TimePoint now = worker_.loop().now();
    for (const pool::StatementRun& run : std::exchange(extras_->draining, {})) {
        tell_run(run, now);
    }
}

/// @param taken_at when its client had all of the answer
void ClientSession::tell_run(const pool::StatementRun& run, TimePoint taken_at) {
    ledger::Statement statement;
    statement.total = positive_us(taken_at - run.asked_at);
    statement.wait = positive_us(run.waited);
    statement.sending = positive_us(run.blocked + (taken_at - run.ended_at));
    statement.server = positive_us(run.ended_at - run.began_at - run.blocked);
    if (statement.wait > microseconds{0}) {
        statement.wait_reason = reason_of(wait_reason);
    }
    statement.rows = run.rows;
    statement.bytes = run.bytes;
    statement.error = run.error;
    statement.is_retried = run.is_retried;
    statement.is_cut = run.is_cut;
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

/// The server has gone, and is not asked again.
void ClientSession::tell_lost(const pool::BackendLoss& loss) {
    for (const pool::StatementRun& lost : loss.runs) {
        if (lost.ticket.subject == nullptr || lost.is_skipped) {
            continue;
        }
        ledger::Statement statement;
        statement.total = positive_us(lost.ended_at - lost.asked_at);
        statement.wait = positive_us(lost.waited);
        statement.server = positive_us(lost.ended_at - lost.began_at - lost.blocked);
        statement.error = lost.error.value_or(loss.reason.sqlstate);
        statement.detail = std::make_unique<StatementDetail>();
        statement.detail->message = loss.reason.message;
        tell(lost.ticket, statement);
    }
}

void ClientSession::tell(const pool::StatementTicket& ticket, ledger::Statement& statement) {
    KnownStatement& known = known_by(ticket);
    const policies::Plan& plan = *ticket.plan;
    pool::WorkerCounters& counters = worker_.mutable_counters();
    counters.rows.add(statement.rows);
    statement.is_slow =
        plan.slow_query > conf::milliseconds::zero() && statement.total >= plan.slow_query;
    if (statement.is_slow) {
        counters.slow_statements.add();
    }
    statement.digest = known.digest;
    statement.labels = known.labels;
    statement.session = id_;
    ledger::Recorder* recorder = worker_.desk().recorder();
    if (recorder != nullptr) {
        statement.ended_unix_us = unix_us();
        recorder->count(worker_.desk().sums_of(known), statement);
    }
    const bool is_logged = plan.log_statements == conf::LogStatements::All ||
                           (plan.log_statements == conf::LogStatements::Slow && statement.is_slow);
    if (is_logged) {
        log_statement(ticket, statement);
    }
    if (known.is_deed && !statement.error && worker_.shared().events != nullptr) {
        worker_.shared().events->note(events::Deed{user(),
                                                   client_name().address,
                                                   known.digest->kind,
                                                   known.labels->database,
                                                   known.digest->text});
    }
    keep(ticket, statement);
}

/// Gives the ledger what it keeps of single statements, a slow read once it is explained.
void ClientSession::keep(const pool::StatementTicket& ticket, ledger::Statement& statement) {
    ledger::Recorder* recorder = worker_.desk().recorder();
    const bool is_kept = recorder != nullptr && recorder->wants(statement);
    if (is_kept) {
        std::string message;
        if (statement.detail != nullptr) {
            message = std::move(statement.detail->message);
        }
        statement.detail = ticket.said == nullptr ? std::make_unique<StatementDetail>()
                                                  : std::make_unique<StatementDetail>(*ticket.said);
        statement.detail->message = ticket.plan->log_parameters
                                        ? std::move(message)
                                        : ledger::error_pattern(message);  // it may quote literals
        statement.detail->client = client_name().address;
    }
    if (is_kept || statement.is_slow) {
        statement.member = is_at_replica() ? lender().key().member : std::string{};
    }
    if (statement.is_slow && ticket.plan->explain_slow && is_to_be_explained(ticket, statement)) {
        worker_.slow_plans().ask({std::move(statement),
                                  is_kept,
                                  ticket.plan,
                                  ticket.request,
                                  {settings_, std::string{application()}}},
                                 lender());
    } else if (is_kept) {
        recorder->keep(std::move(statement));
    }
}

/// @return whether the server is asked how it has run this slow statement: where it is a read by
/// all that is known, and where the session can be told by its settings
bool ClientSession::is_to_be_explained(const pool::StatementTicket& ticket,
                                       const ledger::Statement& statement) {
    const pool::StatementRequest* request = ticket.request.get();
    if (request == nullptr || request->wants_bind || statement.error || !carries_state() ||
        is_pinned() || is_reading_uncertain_ || !can_be_explained(statement.digest->kind) ||
        !worker_.slow_plans().may_ask(statement, lender())) {
        return false;
    }
    const auto parse = protocol::read_parse(request->parse);
    if (!parse) {
        return false;
    }
    const std::uint64_t digest = worker_.knowledge().facts(parse->sql).effects.digest;
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
               {"statement", text.substr(0, kLoggedBytesMax)},
               {"parameters", said.parameters},
               {"held_back", held_back}});
}

}  // namespace weir::proxy
