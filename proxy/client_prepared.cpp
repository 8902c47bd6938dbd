// The part of ClientSession that carries named prepared statements from backend to backend.

#include "base/check.hpp"
#include "protocol/backend_views.hpp"
#include "protocol/frontend_views.hpp"
#include "protocol/message_writer.hpp"
#include "proxy/client_session.hpp"
#include "proxy/deallocate.hpp"
#include "proxy/local_reply.hpp"
#include "proxy/worker.hpp"

#include <utility>

namespace weir::proxy {

using protocol::FrontendMessage;
using protocol::Noted;
using protocol::ReplyAction;
using protocol::StatementReference;

namespace {

/// What a client's named statements may add up to.
constexpr std::size_t kStatementBytesMax = std::size_t{32} << 20U;
/// What stands for a DEALLOCATE by message, which is not sent as it is.
constexpr std::string_view kDeallocate = "DEALLOCATE";
/// Of a name that is told back in an error.
constexpr std::size_t kNameToldMax = 1024;

std::string quoted(std::string_view name) {
    return "prepared statement \"" + std::string{name.substr(0, kNameToldMax)} + "\"";
}

protocol::ErrorFields error(SqlState sqlstate, std::string message) {
    return {protocol::Severity::Error, sqlstate, std::move(message), {}, {}};
}

}  // namespace

/// @return whether named statements are ours to carry: not where the client has the backend to
/// itself
bool ClientSession::carries_statements() const {
    return statements_ != nullptr ||
           (!is_session_mode() && pool_->plan().settings.prepared_statements > 0);
}

ClientStatements& ClientSession::statements() {
    if (statements_ == nullptr) {
        statements_ = std::make_unique<ClientStatements>();
    }
    return *statements_;
}

/// @return which statement a message is about; a simple Query is about the one it deallocates
StatementReference ClientSession::reference_of(const protocol::FrameHeader& header, ByteView rest) {
    const auto type = static_cast<FrontendMessage>(header.type);
    if (type != FrontendMessage::Query) {
        return protocol::read_statement_reference(header, rest);
    }
    StatementReference reference;
    if (statements_ == nullptr || header.body_bytes() > kDeallocateBytesMax) {
        return reference;
    }
    if (rest.size() < header.frame_bytes()) {
        reference.kind = StatementReference::Kind::Incomplete;
        return reference;
    }
    const auto query = protocol::read_query(protocol::body_of(rest, header));
    auto found = query ? find_deallocation(query->sql) : std::nullopt;
    if (found &&
        (statements_->find(found->name) != nullptr || statements_->is_unsettled(found->name))) {
        reference.kind = StatementReference::Kind::Named;
        reference.name = statements_->keep(std::move(found->name));
    }
    return reference;
}

/// @return whether an answer still to come decides what this message means: it is kept until then.
/// (Within one batch nothing needs to wait: what hangs on a failed message is skipped with it.)
bool ClientSession::must_settle_first(const protocol::FrameHeader& header,
                                      const StatementReference& reference,
                                      ByteView rest) const {
    using Kind = StatementReference::Kind;
    const auto type = static_cast<FrontendMessage>(header.type);
    const bool is_about_unnamed =
        reference.kind == Kind::Unnamed && type != FrontendMessage::Parse && !has_unnamed_in_batch_;
    if (backend_ == nullptr || (reference.kind != Kind::Named && !is_about_unnamed)) {
        return false;
    }
    if (backend_->owed().is_copy_in_open()) {
        return false;  // nothing but the data of the COPY belongs here: PostgreSQL says so
    }
    if (backend_->owed().has_query()) {
        return true;  // it may throw statements away
    }
    if (statements_ == nullptr) {
        return false;
    }
    if (statements_->is_unsettled(reference.name)) {
        return true;
    }
    const ClientStatement* known = statements_->find(reference.name);
    if (known != nullptr && backend_->is_unsettled(known->statement->definition)) {
        return true;
    }
    return type == FrontendMessage::Parse &&
           backend_->is_unsettled(
               protocol::body_of(rest, header).subspan(reference.name.size() + 1));
}

/// A message about a named statement goes out in our words.
/// @param rest begins with the message, as much of it as there is
ClientSession::Begun ClientSession::begin_named(const protocol::FrameHeader& header,
                                                const StatementReference& reference,
                                                ByteView rest) {
    if (!outgoing_->has_room()) {
        flush_to_backend(*outgoing_);
    }
    if (reference.kind == StatementReference::Kind::Unnamed) {
        return begin_unnamed(header, rest);
    }
    if (reference.kind == StatementReference::Kind::TooLong) {
        return refuse_named(error(sqlstate::kProgramLimitExceeded,
                                  "the prepared statement or its name is too long"));
    }
    switch (static_cast<FrontendMessage>(header.type)) {
        case FrontendMessage::Parse: return parse_named(reference, protocol::body_of(rest, header));
        case FrontendMessage::Close: close_named(reference.name); break;
        case FrontendMessage::Query:
            deallocate_named(reference.name, protocol::body_of(rest, header));
            break;
        case FrontendMessage::Describe: return refer_to_named(header, reference, {}, rest);
        default:
            return refer_to_named(header,
                                  reference,
                                  rest.subspan(protocol::kHeaderBytes, reference.portal.size() + 1),
                                  rest);
    }
    return {Treatment::Forward, header.frame_bytes()};
}

ClientSession::Begun ClientSession::parse_named(const StatementReference& reference,
                                                ByteView body) {
    if (const auto parse = protocol::read_parse(body); !parse) {
        return refuse_named(error(parse.error().sqlstate(), std::string{parse.error().what()}));
    }
    if (const ClientStatement* taken = statements().find(reference.name); taken != nullptr) {
        extras().refusals.push_back(error(sqlstate::kDuplicatePreparedStatement,
                                          quoted(reference.name) + " already exists"));
        backend_->refuse_parse(
            taken->statement, body.subspan(reference.name.size() + 1), *outgoing_);
        return {Treatment::Forward, protocol::kHeaderBytes + body.size()};
    }
    if (statements().bytes() + body.size() > kStatementBytesMax) {
        return refuse_named(error(sqlstate::kProgramLimitExceeded,
                                  "the prepared statements of this session are longer than " +
                                      std::to_string(kStatementBytesMax) + " bytes in all"));
    }
    const pool::StatementPtr statement = worker_.statements().intern(
        body.subspan(reference.name.size() + 1), settings_for_reading(), backend_->schema_epoch());
    statements().add(reference.name, {statement});
    backend_->parse(statement, *outgoing_);
    return {Treatment::Forward, protocol::kHeaderBytes + body.size()};
}

/// The backend has the session's settings, and no others.
void ClientSession::forget_uncertainty() {
    is_reading_uncertain_ = false;
    if (statements_ != nullptr) {
        statements_->forget_private();
    }
}

/// PostgreSQL reads literals by the settings of the session that prepares them, so only clients
/// with the same settings may share a statement. Where the transaction under way has others, what
/// it prepares is nobody else's.
const pool::SettingsPtr& ClientSession::settings_for_reading() {
    return is_reading_uncertain_ ? statements().private_settings(
                                       worker_.settings(), worker_.shared().next_id.fetch_add(1))
                                 : statements().reading_settings(settings_, worker_.settings());
}

/// Bind and Describe: the statement is made sure of, then named as the backend knows it.
/// @param portal Bind's, with its terminator
ClientSession::Begun ClientSession::refer_to_named(const protocol::FrameHeader& header,
                                                   const StatementReference& reference,
                                                   ByteView portal,
                                                   ByteView rest) {
    const ClientStatement* known = statements().find(reference.name);
    if (known == nullptr) {
        return refuse_named(
            error(sqlstate::kInvalidSqlStatementName, quoted(reference.name) + " does not exist"));
    }
    pool::StatementPtr statement = known->statement;
    if (const pool::SettingsPtr& settings = settings_for_reading();
        statement->settings != settings) {
        statement = worker_.statements().intern(statement->definition, settings, statement->epoch);
        statements().reread(reference.name, statement);
    }
    const auto type = static_cast<FrontendMessage>(header.type);
    if (type == FrontendMessage::Bind) {
        pool::StatementTicket ticket = ticket_for(*statement);
        if (auto why = refusal_of(ticket); why) {
            return refuse_named(std::move(*why));  // since it was prepared
        }
        observe_statement(*statement);
        const std::string_view name = as_text(portal);
        bind_portal(name.substr(0, name.size() - 1), std::move(ticket), header, rest);
    }
    backend_->ensure(statement, *outgoing_);
    backend_->will_send(type);
    const std::size_t body_bytes =
        header.body_bytes() - (reference.name.size() + 1) + statement->name_on_wire().size();
    if (type == FrontendMessage::Describe) {
        outgoing_->add_header(type, body_bytes, 'S');
    } else {
        outgoing_->add_header(type, body_bytes);
        outgoing_->add(portal);
    }
    outgoing_->add(statement->name_on_wire());
    return {Treatment::Forward, reference.head_bytes};
}

/// The unnamed statement is passed through. It is remembered where its Bind does not follow at
/// once: then the next Bind may come when the client has another backend.
ClientSession::Begun ClientSession::begin_unnamed(const protocol::FrameHeader& header,
                                                  ByteView rest) {
    const auto type = static_cast<FrontendMessage>(header.type);
    if (type == FrontendMessage::Parse) {
        has_unnamed_in_batch_ = true;
        if (const auto name = name_deallocated_by(header, rest); name) {
            const ByteView definition = protocol::body_of(rest, header).subspan(1);
            statements().add(
                "",
                {.statement = worker_.statements().intern(definition, worker_.settings().none(), 0),
                 .is_deallocate = true});
            statements().remove(*name);
            backend_->parse_deallocate(ReplyAction::Forward, *outgoing_);
            note_unnamed(special_ticket(kDeallocate, context_->textless));
            return {Treatment::Forward, header.frame_bytes()};
        }
        observe_unnamed(header, rest);
        note_parse(header, rest);
        parse_unnamed(header, rest);
        return {Treatment::Forward};
    }
    const ClientStatement* known = statements_ == nullptr ? nullptr : statements_->find("");
    if (type == FrontendMessage::Close) {
        if (known != nullptr) {
            statements_->remove("");
        }
        backend_->will_send(
            {type, ReplyAction::Forward, known != nullptr ? Noted::ByClient : Noted::Nowhere});
        return {Treatment::Forward};
    }
    if (!has_unnamed_in_batch_ && type == FrontendMessage::Bind && known != nullptr) {
        observe_statement(*known->statement);
    }
    if (!has_unnamed_in_batch_ && !backend_->has_holders_unnamed()) {
        // Whatever unnamed statement the backend has is somebody else's.
        if (known == nullptr) {
            return refuse_named(error(sqlstate::kInvalidSqlStatementName,
                                      "unnamed prepared statement does not exist"));
        }
        if (known->is_deallocate) {
            backend_->parse_deallocate(ReplyAction::Prepare, *outgoing_);
            note_unnamed(special_ticket(kDeallocate, context_->textless));
        } else {
            backend_->parse_unnamed(*known->statement, *outgoing_);
            note_unnamed(ticket_for(*known->statement));
        }
        has_unnamed_in_batch_ = true;
    }
    if (type == FrontendMessage::Bind) {
        if (auto why = note_bind(header, rest); why) {
            return refuse_named(std::move(*why));
        }
    }
    backend_->will_send(type);
    return {Treatment::Forward};
}

/// @return the statement that a Parse of a DEALLOCATE is about, where it is one prepared by message
std::optional<std::string> ClientSession::name_deallocated_by(const protocol::FrameHeader& header,
                                                              ByteView rest) const {
    if (statements_ == nullptr || header.body_bytes() > kDeallocateBytesMax ||
        rest.size() < header.frame_bytes()) {
        return std::nullopt;
    }
    const auto parse = protocol::read_parse(protocol::body_of(rest, header));
    auto name = parse ? deallocated_name(parse->sql) : std::nullopt;
    return name && statements_->find(*name) != nullptr ? name : std::nullopt;
}

void ClientSession::parse_unnamed(const protocol::FrameHeader& header, ByteView rest) {
    lender().counters().backend_parses.add();
    Noted noted = Noted::Nowhere;
    const bool is_worth_keeping =
        rest.size() >= header.frame_bytes() && header.body_bytes() <= protocol::kMaxUnnamedBytes;
    if (is_worth_keeping) {
        const ByteView definition = protocol::body_of(rest, header).subspan(1);
        statements().add("",
                         {worker_.statements().intern(definition, worker_.settings().none(), 0)});
        noted = Noted::ByClient;
    } else if (statements_ != nullptr && statements_->find("") != nullptr) {
        statements_->remove("");
        noted = Noted::ByClient;
    }
    backend_->will_send({FrontendMessage::Parse, ReplyAction::Forward, noted});
}

/// A Sync or a simple Query is being sent.
void ClientSession::end_batch(FrontendMessage type) {
    if (type != FrontendMessage::Sync && type != FrontendMessage::Query) {
        return;
    }
    has_unnamed_in_batch_ = false;
    if (ClientRoute* mine = route(); mine != nullptr) {
        mine->is_sent = true;
    }
    backend_->end_batch(type);
    if (statements_ != nullptr) {
        statements_->seal();
        if (type == FrontendMessage::Query && statements_->find("") != nullptr) {
            flush_to_backend(*outgoing_);  // it may view what is forgotten now
            statements_->forget_unnamed();
        }
    }
}

/// A Close is never sent: others use the statement too.
void ClientSession::close_named(std::string_view name) {
    const bool is_known = statements().find(name) != nullptr;
    if (is_known) {
        statements().remove(name);
    }
    backend_->answer(
        {FrontendMessage::Close, ReplyAction::Answer, is_known ? Noted::ByClient : Noted::Nowhere});
}

/// DEALLOCATE in SQL of a statement that was prepared by message.
/// @param body of the Query it stands in, which is known to have it
void ClientSession::deallocate_named(std::string_view name, ByteView body) {
    end_batch(FrontendMessage::Query);
    statements().remove(name);
    const auto query = protocol::read_query(body);
    const auto found = query ? find_deallocation(query->sql) : std::nullopt;
    WEIR_ASSERT(found);
    ClientCache::note_unseen_write(*this);  // what stands beside it is not taken apart
    observe_query(std::string{found->before}.append(found->after));
    backend_->deallocate(found->before, found->after, *outgoing_);
    if (const auto reset = settings_lifted_by(ticket_for(query->sql)); reset != nullptr) {
        flush_to_backend(*outgoing_);
        give_settings_back(*reset);
    }
}

ClientSession::Begun ClientSession::refuse_named(protocol::ErrorFields why) {
    extras().refusals.push_back(std::move(why));
    backend_->refuse(*outgoing_);
    return {Treatment::Drop};
}

/// A message that was kept until others are answered can be dealt with now.
void ClientSession::go_on_settled() {
    if (std::exchange(is_settling_, false)) {
        resume_held();
    }
}

/// What was on its way to a backend that is gone has not happened.
void ClientSession::forget_pending_statements() {
    if (statements_ != nullptr) {
        statements_->drop_all();
    }
    if (extras_ != nullptr) {
        extras_->refusals.clear();
    }
    has_unnamed_in_batch_ = false;
}

void ClientSession::on_noted(const protocol::NotedOutcome& told) {
    protocol::NotedOutcome outcome = told;
    settle_parsing(outcome);  // what passes through was sent before it kept a list
    if (outcome.dropped_refusals > 0) {
        auto& refusals = extras().refusals;
        WEIR_CHECK(outcome.dropped_refusals <= refusals.size());
        refusals.erase(refusals.begin(), refusals.begin() + outcome.dropped_refusals);
    }
    if (statements_ != nullptr) {
        statements_->settle(outcome.done_by_client);
        statements_->drop(outcome.dropped_by_client,
                          outcome.has_first_failed ? ClientStatements::Why::FirstFailed
                                                   : ClientStatements::Why::Skipped);
    }
}

void ClientSession::on_refusal_due(ByteView error) {
    ClientCache::give_up(extras_.get());
    auto& refusals = extras().refusals;
    WEIR_CHECK(!refusals.empty());
    const protocol::ErrorFields why = std::move(refusals.front());
    refusals.erase(refusals.begin());
    ByteWriter output;
    const auto theirs = protocol::read_error(error);
    if (theirs && theirs->sqlstate == why.sqlstate) {
        protocol::write_error_reworded(output, error, why.message);  // theirs but for the name
    } else {
        protocol::write_error(output, why);
    }
    worker_.mutable_counters().errors.add(why.sqlstate);
    send(output);
}

void ClientSession::on_statements_forgotten() {
    if (statements_ != nullptr) {
        statements_->forget_all();
    }
}

}  // namespace weir::proxy
