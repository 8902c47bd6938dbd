#include "admin/console.hpp"

#include "admin/ledger_visit.hpp"
#include "admin/orders.hpp"
#include "base/check.hpp"
#include "protocol/message_writer.hpp"

namespace weir::admin {

using protocol::FrontendMessage;
using protocol::Severity;

namespace {

status::Detail detail_of(Needs needs) {
    return needs == Needs::Connections ? status::Detail::Connections : status::Detail::Pools;
}

/// @param input with the ledger
SelectResult show(const Command& command, const CommandInput& input) {
    SelectResult result;
    result.columns.assign(command.columns.begin(), command.columns.end());
    result.rows = command.rows(input);
    result.error = input.ledger->error();
    result.warning = input.ledger->warning();
    return result;
}

Needs needs_of(const Action& action) {
    if (action.select != nullptr) {
        return action.select->needs;
    }
    return action.command == nullptr ? Needs::Nothing : action.command->needs;
}

}  // namespace

Console::Console(const ConsoleContext& context, Role role, ConsoleIo io, Operator who)
    : context_{context}, role_{role}, io_{std::move(io)}, who_{std::move(who)} {}

Console::~Console() {
    if (ticket_ != nullptr) {
        ticket_->console = nullptr;
        ticket_->is_given_up.store(true, std::memory_order_relaxed);
    }
    if (order_ != 0) {
        context_.controller.withdraw(order_);
    }
}

void Console::write_welcome(ByteWriter& writer) const {
    for (const auto& [name, value] : announced_parameters(context_.version)) {
        protocol::write_parameter_status(writer, name, value);
    }
}

void Console::on_message(FrontendMessage type, ByteView body) {
    WEIR_ASSERT(!busy());
    const bool ends_skipping = type == FrontendMessage::Sync || type == FrontendMessage::Terminate;
    if (is_skipping_ && !ends_skipping) {
        return;  // PostgreSQL skips everything after an error in the extended protocol, also Query
    }
    dispatch(type, body);
    flush();
}

void Console::dispatch(FrontendMessage type, ByteView body) {
    switch (type) {
        case FrontendMessage::Query: on_query(body); return;
        case FrontendMessage::Parse: on_parse(body); return;
        case FrontendMessage::Bind: on_bind(body); return;
        case FrontendMessage::Describe: on_describe(body); return;
        case FrontendMessage::Execute: on_execute(body); return;
        case FrontendMessage::Close: on_close(body); return;
        case FrontendMessage::Sync: on_sync(); return;
        case FrontendMessage::Terminate: wants_close_ = true; return;
        case FrontendMessage::Flush:  // every answer is sent at once
        case FrontendMessage::CopyData:
        case FrontendMessage::CopyDone:
        case FrontendMessage::CopyFail:
            return;  // PostgreSQL ignores COPY messages outside a COPY too
        case FrontendMessage::FunctionCall:
            error(sqlstate::kFeatureNotSupported,
                  "function calls are not supported in the admin database");
            ready_for_query();
            return;
        case FrontendMessage::Password: break;
    }
    protocol::write_error(out_,
                          {.severity = Severity::Fatal,
                           .sqlstate = sqlstate::kProtocolViolation,
                           .message = "unexpected message after login",
                           .detail = "",
                           .hint = ""});
    wants_close_ = true;
}

void Console::on_query(ByteView body) {
    prepared_.erase("");
    portals_.erase("");
    const auto query = protocol::read_query(body);
    if (!query) {
        error(make_error_fields(Severity::Error, query.error()));
        ready_for_query();
        return;
    }
    auto statements = split_statements(query->sql);
    if (!statements) {
        error(make_error_fields(Severity::Error, statements.error()));
        ready_for_query();
        return;
    }
    if (statements->empty()) {
        protocol::write_empty_query_response(out_);
    }
    queue_.assign(std::make_move_iterator(statements->begin()),
                  std::make_move_iterator(statements->end()));
    run_queue();
}

/// Runs what is left of a simple query up to the next wait; ends it when nothing is.
void Console::run_queue() {
    while (!queue_.empty()) {
        const Statement statement = std::move(queue_.front());
        queue_.pop_front();
        const conf::ConfigPtr config = context_.config();
        const auto outcome = interpret(statement, asker(*config));
        if (const auto* refusal = std::get_if<protocol::ErrorFields>(&outcome)) {
            error(*refusal);
            queue_.clear();
        } else if (run_simple(std::get<Action>(outcome)) == Progress::Waiting) {
            return;
        }
    }
    ready_for_query();
}

Console::Progress Console::run_simple(const Action& action) {
    if (needs_to_wait(action)) {
        wait(Pending{action, nullptr, 0});
        return Progress::Waiting;
    }
    finish_simple(action, action.described(), rows_of(action, status::Snapshot{}));
    return Progress::Done;
}

void Console::finish_simple(const Action& action,
                            std::span<const Column> columns,
                            const std::vector<Row>& rows) {
    write_notice_of(action);
    if (!columns.empty()) {
        write_description(out_, columns, {});
        for (const Row& row : rows) {
            write_row(out_, columns, {}, row);
        }
    }
    complete(action, rows.size());
}

Asker Console::asker(const conf::Config& config) const {
    return {.role = role_, .version = context_.version, .config = config};
}

bool Console::needs_to_wait(const Action& action) {
    return action.order || action.select != nullptr ||
           (action.command != nullptr && action.command->needs != Needs::Nothing);
}

std::vector<Row> Console::rows_of(const Action& action, const status::Snapshot& snapshot) const {
    if (action.policy != nullptr) {
        return answer(*action.policy, *context_.config());
    }
    if (action.command == nullptr) {
        return action.rows;
    }
    if (action.command->rows == nullptr) {
        return {};
    }
    const conf::ConfigPtr config = context_.config();
    LedgerVisit ledger{context_.ledger};
    return action.command->rows({snapshot, *config, context_.history, context_.version, &ledger});
}

void Console::wait(Pending pending) {
    WEIR_ASSERT(!busy());
    pending_ = std::move(pending);
    ticket_ = std::make_shared<Ticket>();
    ticket_->console = this;
    if (pending_.action.order) {
        give();
        return;
    }
    deadline_ = Clock::now() + kAnswerTimeout;
    if (needs_of(pending_.action) <= Needs::Ledger) {
        run_aside(std::make_shared<const status::Snapshot>());
    } else {
        ask();
    }
}

void Console::ask() {
    context_.status.collect(detail_of(needs_of(pending_.action)),
                            [ticket = ticket_, post = io_.post](status::Snapshot answer) {
                                // Shared, because functions that can be copied would copy it.
                                const auto snapshot =
                                    std::make_shared<const status::Snapshot>(std::move(answer));
                                post([ticket, snapshot] {
                                    if (ticket->console != nullptr) {
                                        ticket->console->on_snapshot(snapshot);
                                    }
                                });
                            });
}

/// Before it is carried out: what follows from it may be the end of the process.
void Console::note_order(const control::Order& order) {
    if (context_.ledger != nullptr) {
        context_.ledger->note(
            events::Deed{.who = who_.user,
                         .from = who_.address,
                         .action = action_of(order),
                         .object = order.table.empty() ? order.database : order.table,
                         .text = text_of(order, *context_.config())});
    }
}

void Console::give() {
    deadline_ = kNever;
    note_order(*pending_.action.order);
    order_ = context_.controller.give(
        *pending_.action.order, [ticket = ticket_, post = io_.post](const control::Answer& answer) {
            post([ticket, answer] {
                if (ticket->console != nullptr) {
                    ticket->console->on_answer(answer);
                }
            });
        });
}

/// @return what was waited for, which is over
Console::Pending Console::end_wait() {
    WEIR_ASSERT(busy());
    ticket_->console = nullptr;
    ticket_->is_given_up.store(true, std::memory_order_relaxed);
    ticket_.reset();
    order_ = 0;
    return std::exchange(pending_, Pending{});
}

void Console::on_snapshot(const std::shared_ptr<const status::Snapshot>& snapshot) {
    context_.history.sample(*snapshot, Clock::now());
    if (pending_.action.select != nullptr) {
        run_aside(snapshot);
        return;
    }
    finish(rows_of(pending_.action, *snapshot), pending_.action.described());
}

/// Off the loop: a query, or the ledger, may take its time.
void Console::run_aside(std::shared_ptr<const status::Snapshot> snapshot) {
    auto work = [&context = context_,
                 ticket = ticket_,
                 post = io_.post,
                 snapshot = std::move(snapshot),
                 config = context_.config(),
                 plan = pending_.action.select,
                 command = pending_.action.command,
                 is_simple = pending_.portal == nullptr,
                 parameters = pending_.portal == nullptr ? std::vector<Cell>{}
                                                         : pending_.portal->parameters] {
        LedgerVisit ledger{context.ledger};
        const CommandInput input{*snapshot, *config, context.history, context.version, &ledger};
        const auto result = std::make_shared<SelectResult>(
            plan == nullptr ? show(*command, input)
                            : run_select(*plan,
                                         parameters,
                                         input,
                                         is_simple ? Typing::ByValues : Typing::AsPlanned,
                                         ticket->is_given_up));
        post([ticket, result] {
            if (ticket->console != nullptr) {
                ticket->console->on_selected(*result);
            }
        });
    };
    if (!context_.run_aside(std::move(work))) {
        fail_wait({.severity = Severity::Error,
                   .sqlstate = sqlstate::kTooManyConnections,
                   .message = "too many queries of the admin database are waiting",
                   .detail = "",
                   .hint = ""});
    }
}

void Console::on_selected(SelectResult& result) {
    if (result.warning) {
        protocol::write_notice(out_, *result.warning);
    }
    if (result.error) {
        fail_wait(*result.error);
    } else {
        finish(std::move(result.rows), result.columns);
    }
}

/// What was waited for has come.
void Console::finish(std::vector<Row> rows, std::span<const Column> columns) {
    const Pending done = end_wait();
    if (done.portal == nullptr) {
        finish_simple(done.action, columns, rows);
        run_queue();
    } else {
        done.portal->rows = std::move(rows);
        done.portal->has_run = true;
        finish_execute(*done.portal, done.max_rows);
    }
    end_turn();
}

void Console::on_answer(const control::Answer& answer) {
    for (const std::string& notice : answer.notices) {
        protocol::write_notice(out_,
                               {.severity = Severity::Notice,
                                .sqlstate = sqlstate::kSuccessfulCompletion,
                                .message = notice,
                                .detail = "",
                                .hint = ""});
    }
    if (!answer.is_done) {
        fail_wait({.severity = Severity::Error,
                   .sqlstate = answer.sqlstate,
                   .message = answer.message,
                   .detail = answer.detail,
                   .hint = ""});
        return;
    }
    finish({}, {});
}

/// Sends what has been answered; the console may be gone afterwards.
void Console::end_turn() {
    flush();
    if (!busy()) {
        const auto on_ready =
            io_.on_ready;  // it may destroy this console, and the function with it
        on_ready();
    }
}

void Console::fail_wait(const protocol::ErrorFields& why) {
    const Pending failed = end_wait();
    queue_.clear();
    error(why);
    if (failed.portal == nullptr) {
        ready_for_query();
    } else {
        is_skipping_ = true;
    }
    end_turn();
}

void Console::on_time(TimePoint now) {
    if (busy() && now >= deadline_) {
        fail_wait({.severity = Severity::Error,
                   .sqlstate = sqlstate::kQueryCanceled,
                   .message = "canceling statement: the event loops did not answer in time",
                   .detail = "",
                   .hint = ""});
    }
}

void Console::cancel() {
    if (!busy()) {
        return;
    }
    if (order_ != 0) {
        context_.controller.withdraw(order_);  // it is answered then, unless it is done already
        return;
    }
    fail_wait({.severity = Severity::Error,
               .sqlstate = sqlstate::kQueryCanceled,
               .message = "canceling statement due to user request",
               .detail = "",
               .hint = ""});
}

void Console::write_notice_of(const Action& action) {
    if (action.notice) {
        protocol::write_notice(out_, *action.notice);
    }
}

/// Ends an action that ran: CommandComplete, then what it does to the session. Portals may be gone
/// afterwards.
void Console::complete(const Action& action, std::size_t rows) {
    if (action.tag.empty()) {
        protocol::write_empty_query_response(out_);
    } else {
        protocol::write_command_complete(
            out_, action.tag == "SELECT" ? "SELECT " + std::to_string(rows) : action.tag);
    }
    switch (action.effect) {
        case Effect::None: return;
        case Effect::BeginTransaction: in_transaction_ = true; return;
        case Effect::EndTransaction:
            in_transaction_ = false;
            portals_.clear();
            return;
        case Effect::Deallocate: {
            const auto found = prepared_.find(action.name);
            if (found != prepared_.end()) {
                prepared_.erase(found);
            }
            return;
        }
        case Effect::DeallocateAll: prepared_.clear(); return;
    }
}

void Console::error(const protocol::ErrorFields& fields) {
    protocol::write_error(out_, fields);
}

void Console::error(SqlState sqlstate, std::string message) {
    error({.severity = Severity::Error,
           .sqlstate = sqlstate,
           .message = std::move(message),
           .detail = "",
           .hint = ""});
}

void Console::ready_for_query() {
    protocol::write_ready_for_query(out_,
                                    in_transaction_ ? protocol::TransactionStatus::InTransaction
                                                    : protocol::TransactionStatus::Idle);
}

void Console::flush() {
    if (!out_.empty()) {
        io_.send(out_.bytes());
        out_.clear();
    }
}

}  // namespace weir::admin
