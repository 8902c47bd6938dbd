// The part of ClientSession that looks after what a client leaves in its session: what can be is
// carried to its next backend, for the rest it keeps the one it has.

#include "base/check.hpp"
#include "base/log.hpp"
#include "protocol/frontend_views.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "sql/lexer.hpp"
#include "sql/session_facts.hpp"

namespace weir::proxy {

using protocol::FrontendMessage;

namespace {

/// What is told of a statement that pins.
constexpr std::size_t kCauseBytesMax = 256;
/// An audit that fails so often in a row pins the client: nothing is known of its session.
constexpr int kFailedAuditsMax = 3;
/// Longer texts are not looked at: such a request is suspected of everything.
constexpr std::size_t kTextBytesMax = std::size_t{16} * 1024;
/// The same where some statements must not run.
constexpr std::size_t kRefusableBytesMax = std::size_t{1} << 20U;
constexpr std::size_t kUnprovenMax = 64;
constexpr std::size_t kCausesMax = 64;
/// What may happen unseen. (What lasts as long as the server process leaves no trace in the
/// catalog.)
constexpr SessionEffects kUnseen = SessionEffects::all().without(SessionEffect::Lasting);

}  // namespace

/// @return whether what this client leaves in its session is ours to look after
bool ClientSession::carries_state() const {
    return pool_->plan().settings.state == conf::SessionState::Carry && !is_session_mode();
}

SessionState& ClientSession::session_state() {
    if (session_state_ == nullptr) {
        session_state_ = std::make_unique<SessionState>();
        session_state_->startup = settings_;
    }
    return *session_state_;
}

/// A client that has its backend from login to end has one that began as its own session.
pool::SettingsPtr ClientSession::wanted_startup() const {
    if (!is_session_mode()) {
        return nullptr;
    }
    return session_state_ == nullptr ? settings_ : session_state_->startup;
}

bool ClientSession::is_pinned() const {
    return session_state_ != nullptr && !session_state_->pinned.empty();
}

/// @return whether the client keeps its backend between transactions
bool ClientSession::keeps_backend() const {
    return is_session_mode() || is_pinned();
}

/// @return whether this message must be whole before it is looked at, and is not yet
bool ClientSession::awaits_whole_text(const protocol::FrameHeader& header, ByteView rest) const {
    const auto type = static_cast<FrontendMessage>(header.type);
    if (rest.size() >= header.frame_bytes()) {
        return false;
    }
    const bool is_text = type == FrontendMessage::Query || type == FrontendMessage::Parse;
    const std::size_t bytes_max = context_->may_refuse ? kRefusableBytesMax : kTextBytesMax;
    return header.body_bytes() <= bytes_max &&
           ((is_text && carries_state()) || awaits_policy(type));
}

/// A simple Query goes out; what is to follow it in our name goes out with it.
ClientSession::Begun ClientSession::forward_query(const protocol::FrameHeader& header,
                                                  ByteView rest) {
    const bool is_whole = rest.size() >= header.frame_bytes();
    const auto query = is_whole
                           ? std::optional{protocol::read_query(protocol::body_of(rest, header))}
                           : std::nullopt;
    pool::SettingsPtr reset;
    pool::StatementTicket ticket;
    if (query && *query) {
        const std::string_view text = (*query)->sql;
        const sql::SessionFacts facts = worker_.knowledge().facts(text);
        learn_names(facts);
        if (facts.is_local_set) {
            backend_->traces().expect_local_set();
        }
        observe(facts.effects, text);
        if (!facts.reset_name.empty()) {
            reset = settings_after_reset(facts.reset_name);
        }
        ticket = ticket_for(text, facts.effects.digest);
        if (pool::SettingsPtr all = settings_lifted_by(ticket); all != nullptr) {
            reset = std::move(all);
        }
    } else {
        suspect_unseen(kUnseen, 0, {});
        backend_->expect_unlisted();
        ticket = ticket_of_message(header, rest);
    }
    end_batch(FrontendMessage::Query);
    run_statement(FrontendMessage::Query, std::move(ticket));
    return reset != nullptr ? forward_reset(header, rest, *reset) : Begun{Treatment::Forward};
}

/// A text goes out that stands in for a simple Query of the client's.
void ClientSession::observe_query(std::string_view text) {
    if (carries_state()) {
        const sql::SessionFacts facts = worker_.knowledge().facts(text);
        learn_names(facts);
        observe(facts.effects, text);
    }
}

/// @return those of the settings that the session began with that a RESET leads back to
pool::SettingsPtr ClientSession::settings_after_reset(std::string_view name) {
    const pool::SettingsPtr& startup =
        session_state_ == nullptr ? settings_ : session_state_->startup;
    if (name == "all") {
        return startup->empty() ? nullptr : startup;
    }
    const auto found = startup->find(name);
    if (found == startup->end()) {
        return nullptr;
    }
    return worker_.settings().intern({*found});
}

/// A statement is about to be prepared or run: what is known of it, from its text.
const RequestEffects& ClientSession::effects_of(const pool::Statement& statement) {
    if (!statement.effects) {
        const auto text = as_text(statement.definition);
        const sql::SessionFacts facts = worker_.knowledge().facts(text.substr(0, text.find('\0')));
        learn_names(facts);
        statement.effects = facts.effects;
    }
    return *statement.effects;
}

/// A statement prepared by message is about to run.
void ClientSession::observe_statement(const pool::Statement& statement) {
    if (carries_state()) {
        const RequestEffects& effects = effects_of(statement);
        if (!effects.is_inert || !is_text_plain()) {
            const std::string_view definition = as_text(statement.definition);
            const std::string_view text = definition.substr(0, definition.find('\0'));
            observe(effects, text);
            if (effects.is_reset) {
                note_reset(sql::session_facts(text));
            }
        }
    }
}

/// A Parse of the unnamed statement, which is passed through: its text is looked at now.
void ClientSession::observe_unnamed(const protocol::FrameHeader& header, ByteView rest) {
    if (!carries_state()) {
        return;
    }
    const bool is_whole = rest.size() >= header.frame_bytes();
    const auto parse = is_whole
                           ? std::optional{protocol::read_parse(protocol::body_of(rest, header))}
                           : std::nullopt;
    if (!parse || !*parse) {
        suspect_unseen(kUnseen, 0, {});
        backend_->expect_unlisted();
        return;
    }
    const std::string_view text = (*parse)->sql;
    const sql::SessionFacts facts = worker_.knowledge().facts(text);
    learn_names(facts);
    observe(facts.effects, text);
    note_reset(facts);
}

/// A RESET by message: what it undoes too much is put right once it is known to have run.
void ClientSession::note_reset(const sql::SessionFacts& facts) {
    if (facts.reset_name.empty()) {
        return;
    }
    if (const pool::SettingsPtr reset = settings_after_reset(facts.reset_name); reset != nullptr) {
        session_state().reset.insert(reset->begin(), reset->end());
        backend_->traces().expect_default();
    }
}

/// @return whether a batch with a RESET in it has been sent and is not answered yet
bool ClientSession::awaits_reset() const {
    return session_state_ != nullptr && session_state_->is_reset_sent;
}

/// @return whether the batch with the RESET is answered
bool ClientSession::has_reset_due() const {
    return awaits_reset() && !backend_->owes_holder();
}

/// The batch with the RESET is answered.
void ClientSession::settle_reset() {
    const pool::SettingsMap reset = std::exchange(session_state_->reset, {});
    const bool may_have_reset = session_state_->may_have_reset;
    forget_reset();
    if (backend_->traces().take_has_reset() || may_have_reset) {
        give_settings_back(reset);
    }
}

/// The transaction under way is lost: what it has set has not been set.
void ClientSession::undo_settings() {
    if (session_state_ != nullptr && session_state_->before_change != nullptr &&
        session_state_->changed_at == backend_->traces().rests()) {
        set_settings(std::exchange(session_state_->before_change, nullptr));
    }
}

/// A function is called by its number.
void ClientSession::observe_function_call() {
    if (carries_state()) {
        backend_->traces().note_sequences();
        is_reading_uncertain_ = true;
        suspect_unseen(kUnseen, 0, "(function call)");
        backend_->expect_unlisted();
    }
}

/// @return whether this client's text means what it seems to
bool ClientSession::is_text_plain() const {
    if (const auto known = backend_->traces().is_text_plain()) {
        return *known;
    }
    std::string_view strings;
    std::string_view encoding;
    for (const auto& [name, value] : backend_->parameters()) {
        if (name == "standard_conforming_strings") {
            strings = value;
        } else if (name == "client_encoding") {
            encoding = value;
        }
    }
    const bool is_plain = sql::can_cut(strings, encoding);
    backend_->traces().note_text_plain(is_plain);
    return is_plain;
}

/// lastval() and currval() must not tell what nextval() has told somebody else. What is there is
/// forgotten before a transaction begins, in which the client may call one and then the other.
void ClientSession::observe_sequences(const RequestEffects& effects) {
    pool::SessionTraces& traces = backend_->traces();
    if (traces.has_foreign_sequences() && (effects.reads_sequences || effects.begins_transaction)) {
        if (!outgoing_->has_room()) {
            flush_to_backend(*outgoing_);
        }
        backend_->forget_sequences(*outgoing_);
    }
    if (effects.may_advance_sequences) {
        traces.note_sequences();
    }
}

/// What goes out now may decide how the server reads what follows.
void ClientSession::doubt_reading() {
    is_reading_uncertain_ = true;
    is_text_in_doubt_ = true;
    if (statements_ != nullptr) {
        statements_->forget_private();
    }
}

void ClientSession::observe(const RequestEffects& effects, std::string_view text) {
    observe_sequences(effects);
    if (effects.changes_reading || effects.is_opaque) {
        doubt_reading();
    }
    if (effects.is_inert && is_text_plain()) {
        return;
    }
    if (session_state_ != nullptr) {
        session_state_->is_audit_futile = false;
    }
    if (!effects.known.empty()) {
        backend_->suspect(effects.known, {});
        SessionState& mine = session_state();
        mine.has_unnamed_setting = mine.has_unnamed_setting || effects.has_unnamed_setting;
        for (std::size_t i = 0; i < kSessionEffects; ++i) {
            const auto effect = static_cast<SessionEffect>(i);
            if (effects.known.has(effect) && mine.causes.size() < kCausesMax) {
                mine.causes.push_back({effect, {}, sql::without_literals(text, kCauseBytesMax)});
            }
        }
    }
    if (effects.changes_catalog && !effects.known.has(SessionEffect::Temporary)) {
        backend_->expect_catalog_change();
    }
    judge(effects, text);
}

/// @param digest of a request that is to be remembered for it; 0: none
void ClientSession::suspect_unseen(SessionEffects effects,
                                   std::uint64_t digest,
                                   std::string_view text) {
    backend_->suspect({}, effects);
    SessionState& mine = session_state();
    mine.unseen_cause = sql::without_literals(text, kCauseBytesMax);
    if (digest != 0 && mine.unproven.size() < kUnprovenMax) {
        mine.unproven.push_back(digest);
    }
}

/// At rest: what the transaction has left behind is looked at before anybody else gets the backend.
/// @return whether that is under way; on_audited() goes on
bool ClientSession::audit() {
    if (!carries_state() || (session_state_ != nullptr && session_state_->is_audit_futile)) {
        return false;
    }
    if (auto question = catalog_question(); question != nullptr) {
        backend_->audit(std::move(question));
        return true;
    }
    suspect_changed();
    if (backend_->traces().suspected().empty()) {
        return false;
    }
    suspect_pins();
    const bool has_lasting = backend_->traces().known().has(SessionEffect::Lasting);
    if (has_lasting) {
        pin(SessionEffect::Lasting);
    }
    backend_->audit(names_to_ask());
    return true;
}

/// What the client is pinned for is to be looked at, or taken away, with the rest.
void ClientSession::suspect_pins() {
    if (!is_pinned()) {
        return;
    }
    // What EXECUTE has run has not been looked at, nor what a table's defaults have.
    const bool may_have_more = session_state_->pinned.has(SessionEffect::Statements) ||
                               session_state_->pinned.has(SessionEffect::Temporary);
    backend_->suspect(session_state_->pinned, may_have_more ? kUnseen : SessionEffects{});
}

void ClientSession::on_audited(const pool::AuditResult& result) {
    if (result.has_failed) {
        if (++session_state().failed_audits >= kFailedAuditsMax) {
            session_state().is_audit_futile = true;
            pin(result.asked);
        }
    } else if (!result.asked.empty()) {
        session_state().failed_audits = 0;
        take_over(result);
    }
    if (is_through()) {
        settle_at_rest();
    }
    go_on_settled();  // a message may have been kept for the answer
}

/// The audit's word is the truth about the session from here on.
void ClientSession::take_over(const pool::AuditResult& result) {
    SessionState& mine = session_state();
    forget_uncertainty();
    SessionEffects found = result.present | (mine.pinned & result.asked);
    if (result.asked.has(SessionEffect::Settings)) {
        pool::SettingsMap settings = result.settings;
        // What is reset is what the session began with; but as whom it acts is told unless it is
        // nobody else, and then SET ROLE none or the like has said so.
        for (const auto& [name, value] : *mine.startup) {
            const bool is_user = name == pool::kSessionAuthorization;
            settings.emplace(name,
                             name == pool::kRole ? "none" : (is_user ? pool_->key().user : value));
        }
        pool::SettingsPtr fresh = worker_.settings().intern(std::move(settings));
        if (fresh != settings_) {
            found |= SessionEffect::Settings;
            set_settings(std::move(fresh));
        }
    }
    if (!found.empty()) {
        SessionEffects explained = mine.pinned;
        for (const PinCause& cause : mine.causes) {
            explained |= cause.reason;
        }
        for (const std::uint64_t digest : mine.unproven) {
            request_judge().learn(digest, found, explained);
        }
    }
    mine.unproven.clear();
    mine.custom_settings.clear();
    SessionEffects reasons = result.present;
    if (result.has_privileged_setting || mine.has_unnamed_setting) {
        reasons |= SessionEffect::Settings;
    }
    mine.pinned = mine.pinned & (reasons | SessionEffects::all().without(result.asked));
    std::erase_if(mine.pins, [&](const PinCause& old) { return !mine.pinned.has(old.reason); });
    pin(reasons);
    mine.causes.clear();
    mine.unseen_cause.clear();
    // What was sent behind the look may have a RESET in it.
    if (!is_pinned() && settings_ == mine.startup && !mine.has_unnamed_setting &&
        !mine.may_be_reset()) {
        session_state_.reset();
    }
}

void ClientSession::pin(SessionEffects reasons) {
    SessionState& mine = session_state();
    reasons = reasons.without(mine.pinned);
    mine.pinned |= reasons;
    for (std::size_t i = 0; i < kSessionEffects; ++i) {
        const auto effect = static_cast<SessionEffect>(i);
        if (!reasons.has(effect)) {
            continue;
        }
        const auto cause =
            std::find_if(mine.causes.rbegin(), mine.causes.rend(), [&](const PinCause& known) {
                return known.reason == effect;
            });
        mine.pins.push_back({effect,
                             worker_.loop().now(),
                             cause == mine.causes.rend() ? mine.unseen_cause : cause->statement});
        worker_.mutable_counters().pins[i].add();
        log::debug("client_pinned",
                   {{"client", id_},
                    {"backend", backend_->id()},
                    {"reason", name_of(effect)},
                    {"statement", mine.pins.back().statement}});
    }
}

}  // namespace weir::proxy
