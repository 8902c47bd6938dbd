// The part of ClientSession that asks what holds for its statements, and refuses those that must
// not run.

#include "protocol/frontend_views.hpp"
#include "proxy/client_session.hpp"
#include "proxy/local_reply.hpp"
#include "proxy/replication_command.hpp"
#include "proxy/said_by.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "sql/lexer.hpp"
#include "sql/session_facts.hpp"

namespace weir::proxy {

using pool::StatementTicket;
using protocol::FrontendMessage;

namespace {

constexpr std::string_view kFunctionCall = "(function call)";
constexpr std::string_view kLongStatement = "(statement longer than can be looked at)";
constexpr std::string_view kUnknownStatement = "(prepared statement)";
constexpr std::string_view kUnknownPortal = "(portal)";
/// Of a prepared statement whose name passes through: what is longer is not kept, and held to the
/// strictest of all rules once they change.
constexpr std::size_t kKeptTextMax = 4096;

/// @return when there is room for another one
std::string hint_of_rate(std::uint64_t per_second) {
    constexpr std::uint64_t kMillis = 1000;
    return "There is room for one more every " +
           std::to_string((kMillis + per_second - 1) / per_second) + " ms.";
}

std::string_view text_of(const pool::Statement& statement) {
    const std::string_view text = as_text(statement.definition);
    return text.substr(0, text.find('\0'));
}

/// @return the text of a Query or a Parse; nothing where it is not whole, or malformed
std::optional<std::string_view> text_in(const protocol::FrameHeader& header, ByteView rest) {
    if (rest.size() < header.frame_bytes()) {
        return std::nullopt;
    }
    const ByteView body = protocol::body_of(rest, header);
    if (static_cast<FrontendMessage>(header.type) == FrontendMessage::Query) {
        const auto query = protocol::read_query(body);
        return query ? std::optional{query->sql} : std::nullopt;
    }
    const auto parse = protocol::read_parse(body);
    return parse ? std::optional{parse->sql} : std::nullopt;
}

TextReading reading_by(const pool::SettingsMap& settings, const pool::Pool& pool) {
    TextReading reading;
    reading.is_known = true;
    const auto value_of = [&](std::string_view name) -> std::string_view {
        if (const auto own = settings.find(name); own != settings.end()) {
            return own->second;
        }
        const std::string* usual = pool.default_of(name);
        reading.is_known = reading.is_known && usual != nullptr;
        return usual == nullptr ? std::string_view{} : std::string_view{*usual};
    };
    const std::string_view strings = value_of("standard_conforming_strings");
    reading.is_plain = sql::can_cut(strings, value_of("client_encoding"));
    return reading;
}

/// A replication connection to a database runs SQL as well, past all that follows statements.
/// @return why this message must not be passed on
std::optional<protocol::ErrorFields> refusal_of_sql(const protocol::FrameHeader& header,
                                                    ByteView rest) {
    if (is_replication_command(header, rest)) {
        return std::nullopt;
    }
    return protocol::ErrorFields{
        protocol::Severity::Error,
        sqlstate::kInsufficientPrivilege,
        "a replication connection may not run SQL statements here",
        "Limits, rules or read_only hold for statements of this user on this database.",
        "Use an ordinary connection, or except this user from them."};
}

}  // namespace

/// Its database, its user or its application is another one from here on.
void ClientSession::enter_context(std::string_view database, std::string_view application) {
    StatementContext& next = worker_.desk().hold({std::string{database},
                                                  user().empty() ? login_->wishes.user : user(),
                                                  std::string{application}});
    leave_context();
    context_ = &next;
}

void ClientSession::leave_context() {
    if (context_ != nullptr) {
        worker_.desk().release(*std::exchange(context_, nullptr));
    }
}

/// Its settings are others from here on.
void ClientSession::set_settings(pool::SettingsPtr settings) {
    settings_ = allowed_settings(std::move(settings));
    if (const std::string_view name = application(); context_->labels->application != name) {
        enter_context(context_->labels->database, name);
    }
}

/// @return whether its statements are looked at, for whatever reason
bool ClientSession::follows_statements() const {
    return context_->is_followed && pool_->key().replication.empty();
}

bool ClientSession::has_time_limits() const {
    return context_->has_time_limits && pool_->key().replication.empty();
}

/// @return whether it is to be asked if this message may be passed on
bool ClientSession::may_refuse_message(const protocol::FrameHeader& header) const {
    const bool is_asked =
        pool_->key().replication.empty() ? context_->may_refuse : is_replication_held();
    if (!is_asked || is_refusal_pending_) {
        return false;
    }
    if (state_ == ClientState::Active) {
        const protocol::ExpectedReplies& owed = backend_->owed();
        const auto type = static_cast<FrontendMessage>(header.type);
        const bool is_skipped = owed.is_skipping() && protocol::is_extended(type);
        return !is_skipped && !owed.is_copy_in_open();
    }
    return state_ == ClientState::Idle;
}

StatementText ClientSession::statement_text(std::string_view text, std::uint64_t digest) {
    const bool is_as_it_seems = is_text_known_plain() && !is_reading_in_doubt();
    return {text, digest, is_as_it_seems ? &request_judge() : nullptr};
}

/// What holds for this text, wherever it comes from.
StatementRuling ClientSession::ruling_for(std::string_view text, std::uint64_t digest) {
    StatementRuling ruling;
    if (follows_statements()) {
        ruling.statement = statement_text(text, digest);
        ruling.known = worker_.desk().find(*context_, ruling.statement);
        ruling.plan = worker_.desk().plan_of(*context_, *ruling.known, ruling.statement);
    }
    return ruling;
}

StatementTicket ClientSession::ticket_of(StatementRuling ruling) {
    StatementTicket ticket;
    if (ruling.plan == nullptr) {
        return ticket;
    }
    const StatementText& statement = ruling.statement;
    KnownStatement& known = *ruling.known;
    ticket.subject = std::move(ruling.known);
    ticket.plan = std::move(ruling.plan);
    ticket.said = said_by(statement.text, *ticket.plan);
    ticket.request = request_of(statement.text, *ticket.plan);
    ticket.is_doubtful = statement.judge == nullptr;
    ClientCache::note_effect(*this, statement, known);
    look_for_cursor(known.cursors, ticket);
    if (ticket.plan->limits_result()) {
        ticket.is_read = statement.read().is_read;
    }
    return ticket;
}

StatementTicket ClientSession::ticket_for(std::string_view text, std::uint64_t digest) {
    return ticket_of(ruling_for(text, digest));
}

StatementTicket ClientSession::ticket_for(std::string_view text) {
    if (!follows_statements()) {
        return {};
    }
    return ticket_for(text, worker_.knowledge().digest(text));
}

StatementTicket ClientSession::ticket_for(const pool::Statement& statement) {
    if (!follows_statements()) {
        return {};
    }
    StatementTicket ticket = ticket_for(text_of(statement), effects_of(statement).digest);
    ticket.request = request_of(statement.definition, *ticket.plan);
    return ticket;
}

/// What holds for what has no text that is known.
StatementTicket ClientSession::special_ticket(std::string_view name,
                                              const policies::PlanPtr& plan) {
    StatementTicket ticket;
    if (follows_statements()) {
        const KnownStatementPtr& known = worker_.desk().find_special(*context_, name, plan);
        ticket.plan = known->plan;
        ticket.subject = known;
    }
    return ticket;
}

StatementTicket ClientSession::unread_ticket(std::string_view name) {
    return special_ticket(name, context_->unread);
}

/// A portal is bound to what this ticket is of.
void ClientSession::bind_portal(std::string_view portal,
                                StatementTicket ticket,
                                const protocol::FrameHeader& header,
                                ByteView rest) {
    watch_portal(&ticket);
    if (ticket.plan == nullptr) {
        return;
    }
    if (ticket.plan->limits_result() && ticket.result == nullptr) {  // else it reads a cursor
        ticket.result = std::make_shared<pool::ResultSoFar>();
    }
    const bool is_whole = rest.size() >= header.frame_bytes();
    if (ticket.plan->log_parameters && is_whole) {
        ticket.said = with_parameters(ticket.said, protocol::body_of(rest, header));
    }
    if (ticket.request != nullptr) {
        ticket.request =
            with_bind(ticket.request, is_whole ? protocol::body_of(rest, header) : ByteView{});
    }
    backend_->tickets().portals.bind(portal, std::move(ticket));
}

/// A Query, an Execute or a FunctionCall goes out.
void ClientSession::run_statement(FrontendMessage type, StatementTicket&& ticket) {
    ClientCache::note_write(*this, ticket);
    if (ticket.plan == nullptr) {
        backend_->will_send(type);
        return;
    }
    follow_run(ticket);
    pool::StatementRun run;
    run.ticket = std::move(ticket);
    run.asked_at = backend_->has_runs() ? worker_.loop().now() : request_at_;
    run.is_retried = route() != nullptr && route()->retried.has_value();
    ClientCache::note_sent(*this, run);
    backend_->will_run(type, std::move(run));
}

/// @return what the message is a run of, where nobody else has told
StatementTicket ClientSession::ticket_of_message(const protocol::FrameHeader& header,
                                                 ByteView rest) {
    const auto type = static_cast<FrontendMessage>(header.type);
    if (type == FrontendMessage::FunctionCall) {
        return special_ticket(kFunctionCall, context_->textless);
    }
    if (type == FrontendMessage::Query) {
        const auto text = text_in(header, rest);
        return text ? ticket_for(*text) : unread_ticket(kLongStatement);
    }
    const bool is_whole = rest.size() >= header.frame_bytes();
    const auto execute =
        is_whole ? std::optional{protocol::read_execute(protocol::body_of(rest, header))}
                 : std::nullopt;
    if (!follows_statements()) {
        return {};
    }
    if (backend_ == nullptr) {
        return unread_ticket(kUnknownPortal);
    }
    const StatementTicket* portal =
        execute && *execute ? backend_->tickets().portals.find((*execute)->portal) : nullptr;
    if (portal != nullptr && portal->plan != nullptr) {
        return *portal;
    }
    StatementTicket ticket = unread_ticket(kUnknownPortal);
    ticket.result = forgotten_result();
    return ticket;
}

/// Names of statements pass through: what this Parse prepares is noted.
void ClientSession::note_parse(const protocol::FrameHeader& header, ByteView rest) {
    if (!follows_statements()) {
        return;
    }
    pool::Definition definition;
    definition.decided_at = worker_.desk().version();
    const bool is_whole = rest.size() >= header.frame_bytes();
    const auto parse = is_whole
                           ? std::optional{protocol::read_parse(protocol::body_of(rest, header))}
                           : std::nullopt;
    if (parse && *parse) {
        const protocol::ParseView& view = **parse;
        definition.ticket = ticket_for(view.sql);
        definition.ticket.request = request_of(
            protocol::body_of(rest, header).subspan(view.name.size() + 1), *definition.ticket.plan);
        if (!view.name.empty()) {
            definition.ticket.result = nullptr;  // it may outlive the cursor it reads
            definition.text = view.sql.size() <= kKeptTextMax ? view.sql : std::string_view{};
        }
        backend_->tickets().definitions.bind(view.name, std::move(definition));
        return;
    }
    definition.ticket = unread_ticket(kLongStatement);
    const std::string_view front = as_text(rest.subspan(protocol::kHeaderBytes));
    backend_->tickets().definitions.bind(front.substr(0, front.find('\0')), std::move(definition));
}

/// The backend's unnamed statement is what this ticket is of.
void ClientSession::note_unnamed(StatementTicket ticket) {
    backend_->tickets().definitions.bind("", {std::move(ticket), {}, worker_.desk().version()});
}

/// @return what holds now for a prepared statement whose name passes through
StatementTicket ClientSession::ticket_of_definition(std::string_view name) {
    pool::Definition* known = backend_->tickets().definitions.find(name);
    if (known == nullptr || known->ticket.plan == nullptr) {
        return unread_ticket(kUnknownStatement);
    }
    if (known->decided_at != worker_.desk().version()) {
        auto request = std::move(known->ticket.request);
        known->ticket =
            known->text.empty() ? unread_ticket(kLongStatement) : ticket_for(known->text);
        known->ticket.request = std::move(request);
        known->decided_at = worker_.desk().version();
    }
    return known->ticket;
}

/// A Bind goes out of a statement whose name passes through, or that has none.
/// @return why it must not
std::optional<protocol::ErrorFields> ClientSession::note_bind(const protocol::FrameHeader& header,
                                                              ByteView rest) {
    if (!follows_statements()) {
        return std::nullopt;
    }
    const auto reference = protocol::read_statement_reference(header, rest);
    if (reference.kind == protocol::StatementReference::Kind::TooLong) {
        return protocol::ErrorFields{protocol::Severity::Error,
                                     sqlstate::kProgramLimitExceeded,
                                     "the prepared statement's name is too long",
                                     {},
                                     {}};
    }
    StatementTicket ticket = ticket_of_definition(reference.name);
    if (auto why = refusal_of(ticket); why) {
        return why;
    }
    bind_portal(reference.portal, std::move(ticket), header, rest);
    return std::nullopt;
}

/// @return why what this ticket is of must not run; it has been told of
std::optional<protocol::ErrorFields> ClientSession::refusal_of(const StatementTicket& ticket) {
    if (ticket.plan == nullptr || ticket.plan->refusal == policies::Refusal::None) {
        return std::nullopt;
    }
    protocol::ErrorFields why = refusal_by(*ticket.plan);
    tell_refused(ticket, why);
    return why;
}

/// @return whether something holds for the statements of this replication connection
bool ClientSession::is_replication_held() const {
    const policies::Plan& strictest = *context_->unread;
    return !pool_->key().replication.empty() &&
           (strictest.refusal != policies::Refusal::None || strictest.limits_result());
}

/// @return whether this message must be whole before it is looked at
bool ClientSession::awaits_policy(FrontendMessage type) const {
    if (type == FrontendMessage::Query && is_replication_held()) {
        return true;
    }
    switch (type) {
        case FrontendMessage::Bind: return follows_statements() && !carries_statements();
        case FrontendMessage::Execute:
        case FrontendMessage::Parse:
        case FrontendMessage::Query: return follows_statements();
        default: return false;
    }
}

/// @return why the message that has come must not be passed on
std::optional<protocol::ErrorFields> ClientSession::refusal_of_message(
    const protocol::FrameHeader& header, ByteView rest) {
    const auto type = static_cast<FrontendMessage>(header.type);
    const bool is_text = type == FrontendMessage::Query || type == FrontendMessage::Parse;
    const bool runs = type == FrontendMessage::Query || type == FrontendMessage::Execute ||
                      type == FrontendMessage::FunctionCall;
    if (!is_text && !runs) {
        return std::nullopt;
    }
    if (!pool_->key().replication.empty()) {
        return refusal_of_sql(header, rest);
    }
    if (runs && exceeds_rate()) {
        protocol::ErrorFields why{protocol::Severity::Error,
                                  sqlstate::kConfigurationLimitExceeded,
                                  "too many statements: a client may send " +
                                      std::to_string(context_->policy.rate_limit) +
                                      " per second (rate_limit)",
                                  {},
                                  hint_of_rate(context_->policy.rate_limit)};
        tell_refused(ticket_of_message(header, rest), why);
        return why;
    }
    if (auto behind = runs ? refusal_of_reset(type, /*parsed=*/nullptr) : std::nullopt; behind) {
        tell_refused(ticket_of_message(header, rest), *behind);
        return behind;
    }
    if (type == FrontendMessage::FunctionCall) {
        return refusal_of(special_ticket(kFunctionCall, context_->textless));
    }
    if (!is_text) {
        return std::nullopt;  // what it was bound to has been looked at
    }
    const auto text = text_in(header, rest);
    const StatementTicket ticket = text ? ticket_for(*text) : unread_ticket(kLongStatement);
    if (auto why = refusal_of(ticket); why) {
        return why;
    }
    auto hidden = refusal_of_reset(type, &ticket);
    if (hidden) {
        tell_refused(ticket, *hidden);
    }
    return hidden;
}

bool ClientSession::exceeds_rate() {
    const std::uint64_t rate = context_->policy.rate_limit;
    const bool is_replaying = route() != nullptr && route()->is_replaying;
    return rate > 0 && !is_replaying && !extras().rate.take(worker_.loop().now(), rate);
}

/// Answers the message in the server's place, where it must not run.
/// @return nothing where it may
std::optional<ClientSession::Begun> ClientSession::refuse_message(
    const protocol::FrameHeader& header, ByteView rest) {
    auto why = refusal_of_message(header, rest);
    if (!why) {
        return std::nullopt;
    }
    const auto type = static_cast<FrontendMessage>(header.type);
    worker_.mutable_counters().refused_statements.add();
    body_left_ = header.frame_bytes();
    if (state_ != ClientState::Active) {
        wanted_for_ = type;
        answer_refused(*why);
        is_refusal_pending_ = false;
        return Begun{is_ending() ? Treatment::Stop : Treatment::Drop};
    }
    if (!outgoing_->has_room()) {
        flush_to_backend(*outgoing_);
    }
    if (protocol::is_extended(type)) {
        is_flush_missing_ = true;
        return refuse_named(std::move(*why));
    }
    end_batch(FrontendMessage::Query);
    extras().refusals.push_back(std::move(*why));
    backend_->refuse_query(*outgoing_);
    return Begun{Treatment::Drop};
}

/// @return whether text means what it seems to in this session, as far as is known
bool ClientSession::is_text_known_plain() {
    return backend_ != nullptr ? is_text_plain() : text_reading().is_plain;
}

/// How a backend will read it that is lent to this session: by its settings, else by the defaults.
TextReading ClientSession::text_reading() {
    if (extras_ == nullptr) {
        return reading_by(*settings_, *pool_);
    }
    LastTextReading& last = extras_->text;
    const std::uint32_t version = pool_->defaults_version();
    if (last.settings != settings_ || last.defaults_version != version) {
        last = {settings_, version, reading_by(*settings_, *pool_)};
    }
    return last.reading;
}

/// @return whether something that is still to be answered may decide how the server reads text
bool ClientSession::is_reading_in_doubt() const {
    return is_text_in_doubt_ && backend_ != nullptr &&
           (backend_->owes_holder() || backend_->owed().is_sync_owed());
}

/// @return whether this message waits until the server has told how it reads text, which it does
/// with ReadyForQuery: where something hangs on what is in it
bool ClientSession::awaits_reading(FrontendMessage next) const {
    const bool has_text = next == FrontendMessage::Query || next == FrontendMessage::Parse;
    return has_text && is_reading_in_doubt() && !backend_->owed().is_sync_owed() &&
           !backend_->owed().is_copy_in_open() &&
           (context_->may_refuse || context_->limits_results) && follows_statements();
}

}  // namespace weir::proxy
