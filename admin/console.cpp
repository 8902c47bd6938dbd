#include "admin/console.hpp"

#include "base/check.hpp"
#include "protocol/message_writer.hpp"

namespace weir::admin {

using protocol::FrontendMessage;
using protocol::Severity;

namespace {

status::Detail detail_of(Needs needs) {
    return needs == Needs::Connections ? status::Detail::Connections : status::Detail::Pools;
}

}  // namespace

Console::Console(const ConsoleContext& context, Role role, ConsoleIo io)
    : context_{context}, role_{role}, io_{std::move(io)} {}

Console::~Console() {
    if (ticket_ != nullptr) {
        ticket_->console = nullptr;
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
    if (needs_snapshot(action)) {
        ask(Pending{action, nullptr, 0});
        return Progress::Waiting;
    }
    finish_simple(action, rows_of(action, status::Snapshot{}));
    return Progress::Done;
}

void Console::finish_simple(const Action& action, const std::vector<Row>& rows) {
    write_notice_of(action);
    if (!action.described().empty()) {
        write_description(out_, action.described(), {});
        for (const Row& row : rows) {
            write_row(out_, action.described(), {}, row);
        }
    }
    complete(action, rows.size());
}

Asker Console::asker(const conf::Config& config) const {
    return {.role = role_, .version = context_.version, .admin_database = config.admin.database};
}

bool Console::needs_snapshot(const Action& action) {
    return action.command != nullptr && action.command->needs != Needs::Nothing;
}

std::vector<Row> Console::rows_of(const Action& action, const status::Snapshot& snapshot) const {
    if (action.command == nullptr) {
        return action.row.empty() ? std::vector<Row>{} : std::vector<Row>(1, action.row);
    }
    if (action.command->rows == nullptr) {
        return {};
    }
    const conf::ConfigPtr config = context_.config();
    return action.command->rows({snapshot, *config, context_.history, context_.version});
}

void Console::ask(Pending pending) {
    WEIR_ASSERT(!busy());
    pending_ = std::move(pending);
    deadline_ = Clock::now() + kAnswerTimeout;
    ticket_ = std::make_shared<Ticket>();
    ticket_->console = this;
    context_.status.collect(detail_of(pending_.action.command->needs),
                            [ticket = ticket_, post = io_.post](status::Snapshot answer) {
                                // Shared, because functions that can be copied would copy it.
                                const auto snapshot =
                                    std::make_shared<status::Snapshot>(std::move(answer));
                                post([ticket, snapshot] {
                                    if (ticket->console != nullptr) {
                                        ticket->console->on_snapshot(*snapshot);
                                    }
                                });
                            });
}

void Console::on_snapshot(const status::Snapshot& snapshot) {
    WEIR_ASSERT(busy());
    ticket_->console = nullptr;
    ticket_.reset();
    context_.history.sample(snapshot, Clock::now());
    const Pending done = std::exchange(pending_, Pending{});
    std::vector<Row> rows = rows_of(done.action, snapshot);
    if (done.portal == nullptr) {
        finish_simple(done.action, rows);
        run_queue();
    } else {
        done.portal->rows = std::move(rows);
        done.portal->has_run = true;
        finish_execute(*done.portal, done.max_rows);
    }
    flush();
    if (!busy()) {
        const auto on_ready =
            io_.on_ready;  // it may destroy this console, and the function with it
        on_ready();
    }
}

void Console::on_time(TimePoint now) {
    if (!busy() || now < deadline_) {
        return;
    }
    ticket_->console = nullptr;
    ticket_.reset();
    const Pending late = std::exchange(pending_, Pending{});
    queue_.clear();
    error(sqlstate::kQueryCanceled, "canceling statement: the event loops did not answer in time");
    if (late.portal == nullptr) {
        ready_for_query();
    } else {
        is_skipping_ = true;
    }
    flush();
    const auto on_ready = io_.on_ready;
    on_ready();
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
