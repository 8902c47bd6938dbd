// The part of ClientSession that follows cursors: a result is one, however many statements read it.
//
// What a name stands for is known where it can be told for certain. An error may have undone what
// was sent (Backend forgets all names then), and a text may hide what it does: who reads from a
// name that is not known is held to the strictest limits, all such results together.

#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <memory>
#include <utility>

#include "sql/cursor_name.hpp"

namespace weir::proxy {

using pool::StatementTicket;
using CursorKind = sql::CursorUse::Kind;

/// What holds for a cursor's result is what holds for its DECLARE.
void ClientSession::look_for_cursor(const sql::CursorUse& use, StatementTicket& ticket) {
    if (!use.fetches || backend_ == nullptr) {
        return;
    }
    const StatementTicket* cursor =
        use.name.empty() ? nullptr : backend_->tickets().portals.find(use.name);
    if (cursor != nullptr && cursor->plan != nullptr) {
        ticket.plan = cursor->plan;
        ticket.result = cursor->result;
        return;
    }
    const policies::Plan& strictest = *context_->unread;
    if (ticket.plan->refusal != policies::Refusal::None || !strictest.limits_result()) {
        return;
    }
    policies::Plan plan = *ticket.plan;
    plan.statement_timeout = strictest.statement_timeout;
    plan.row_limit = strictest.row_limit;
    plan.byte_limit = strictest.byte_limit;
    plan.limit_action = strictest.limit_action;
    ticket.plan = std::make_shared<const policies::Plan>(std::move(plan));
    ticket.result = forgotten_result();
}

/// @return what all results have returned together of which nobody knows whose they are
std::shared_ptr<pool::ResultSoFar> ClientSession::forgotten_result() {
    std::shared_ptr<pool::ResultSoFar>& forgotten = backend_->tickets().forgotten;
    if (forgotten == nullptr) {
        forgotten = std::make_shared<pool::ResultSoFar>();
    }
    return forgotten;
}

/// A statement goes out: what names stand for behind it, and how text is read.
void ClientSession::follow_run(const StatementTicket& ticket) {
    const auto* known = static_cast<const KnownStatement*>(ticket.subject.get());
    if (known == nullptr) {
        return;
    }
    if (known->changes_reading) {
        is_text_in_doubt_ = true;
    }
    auto& portals = backend_->tickets().portals;
    switch (known->cursors.kind) {
        case CursorKind::None:
        case CursorKind::Fetches: return;
        case CursorKind::Several: portals.forget_named(); return;
        case CursorKind::Closes:
            if (known->cursors.name.empty()) {
                portals.forget_named();
            } else {
                portals.forget(known->cursors.name);
            }
            return;
        case CursorKind::Declares: break;
    }
    if (known->cursors.name.empty()) {
        return;
    }
    if (portals.find(known->cursors.name) != nullptr) {
        portals.forget(known->cursors.name);  // it may be that one still: then this one fails
        return;
    }
    StatementTicket cursor = ticket;
    cursor.result = std::make_shared<pool::ResultSoFar>();
    cursor.outlives_transaction = known->cursors.is_held;
    portals.bind(known->cursors.name, std::move(cursor));
}

}  // namespace weir::proxy
