// The part of Backend that looks after what clients leave in its session: suspects it, looks, and
// takes it away.

#include "base/check.hpp"
#include "base/log.hpp"
#include "pool/backend.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::pool {

using protocol::BackendMessage;
using protocol::FrontendMessage;
using protocol::Noted;
using protocol::ReplyAction;

namespace {

/// The catalog answers in a moment: a server that has not by then has stopped.
constexpr std::chrono::seconds kAuditWithin{5};
/// A setting longer than this is not carried about.
constexpr std::size_t kAuditRowMax = std::size_t{64} * 1024;
constexpr std::chrono::seconds kResetWithin{5};

/// @return whether a statement with this tag may change what prepared statements return
bool changes_results(std::string_view tag) {
    static constexpr std::array<std::string_view, 7> kTags = {"ALTER TABLE",
                                                              "ALTER TYPE",
                                                              "ALTER VIEW",
                                                              "ALTER DOMAIN",
                                                              "ALTER MATERIALIZED VIEW",
                                                              "ALTER FOREIGN TABLE",
                                                              "CREATE VIEW"};
    return (tag.front() == 'A' || tag.front() == 'C') &&
           std::find(kTags.begin(), kTags.end(), tag) != kTags.end();
}

/// @return whether after a statement with this tag other functions may run than before
bool changes_functions(std::string_view tag) {
    return tag.starts_with("CREATE ") || tag.starts_with("ALTER ") || tag.starts_with("DROP ") ||
           tag == "DO" || tag == "IMPORT FOREIGN SCHEMA";
}

SessionEffects effects_of_d(std::string_view tag) {
    constexpr SessionEffects kAll = SessionEffects::all().without(SessionEffect::Lasting);
    if (tag == "DO" || tag.starts_with("DISCARD")) {
        return kAll;
    }
    if (tag.starts_with("DEALLOCATE")) {
        return SessionEffect::Statements;
    }
    return tag.starts_with("DROP") ? SessionEffects{SessionEffect::Temporary} : SessionEffects{};
}

/// @return what a statement with this tag may have left in its session, or taken from it
SessionEffects effects_of(std::string_view tag) {
    const auto if_tag = [tag](std::string_view wanted, SessionEffect effect) {
        return tag == wanted ? SessionEffects{effect} : SessionEffects{};
    };
    switch (tag.front()) {
        case 'C':
            return if_tag("CLOSE CURSOR", SessionEffect::Cursors) |
                   if_tag("CLOSE CURSOR ALL", SessionEffect::Cursors);
        case 'D': return effects_of_d(tag);
        case 'L':
            return if_tag("LISTEN", SessionEffect::Channels) |
                   if_tag("LOAD", SessionEffect::Lasting);
        case 'P': return if_tag("PREPARE", SessionEffect::Statements);
        case 'R': return if_tag("RESET", SessionEffect::Settings);
        case 'S': return if_tag("SET", SessionEffect::Settings);
        case 'U': return if_tag("UNLISTEN", SessionEffect::Channels);
        default: return {};
    }
}

/// @return whether this may be a setting that PostgreSQL does not list; anything else in it would
/// not be taken for a setting's name at all
bool is_custom_name(std::string_view name) {
    return name.find('.') != std::string_view::npos &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
                      c == '.';
           });
}

}  // namespace

void Backend::suspect(SessionEffects known, SessionEffects unknown) {
    if (env_.traits.carries_state) {
        traces_.known_ |= known;
        traces_.unknown_ |= unknown;
    }
}

/// A statement of the holder's has come true. Its text has been looked at already where there was
/// one: this is for what was hidden from us, and costs a comparison.
void Backend::note_tag(std::string_view tag) {
    has_changed_schema_ = has_changed_schema_ || changes_results(tag);
    if (changes_functions(tag)) {
        expect_catalog_change();
    }
    const SessionEffects effects = effects_of(tag);
    if (effects.empty()) {
        return;
    }
    if (tag == "RESET" || tag == "DISCARD ALL") {
        applied_ = nullptr;  // what was carried may be gone from this backend
    }
    traces_.has_reset_ = traces_.has_reset_ || tag == "RESET" || tag == "DISCARD ALL" ||
                         (traces_.is_set_a_reset_ && tag == "SET");
    if (tag == "SET" && traces_.local_sets_ > 0) {
        --traces_.local_sets_;
    } else if (tag == "DO") {
        suspect({}, effects);
    } else {
        suspect(effects, {});
    }
}

/// @return whether this is a row of the answer to our own question
bool Backend::is_audit_row(BackendMessage type, const protocol::FrameHeader& header) {
    if (type != BackendMessage::DataRow || audit_ == nullptr || audit_->is_done()) {
        return false;
    }
    if (header.length > kAuditRowMax) {
        audit_->on_error();
        return false;
    }
    return true;
}

void Backend::expect_catalog_change() {
    if (env_.traits.carries_state && catalog_change_ == nullptr) {
        catalog_change_ = std::make_unique<DatabaseKnowledge::Change>(env_.database->knowledge);
    }
}

void Backend::audit(const std::vector<std::string>& custom_settings) {
    WEIR_CHECK(is_at_rest() && audit_ == nullptr);
    const SessionEffects asked = traces_.suspected().without(SessionEffect::Lasting);
    traces_.audited_ = traces_.known_;
    traces_.known_ = traces_.unknown_ = {};
    std::vector<std::string> names = custom_settings;
    if (applied_ != nullptr) {
        for (const auto& [name, value] : *applied_) {
            if (is_custom_name(name)) {
                names.push_back(name);
            }
        }
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    audit_ = std::make_unique<SessionAudit>(asked, names, env_.traits.user);
    audit_->compare_with(applied_);
    if (applied_ != nullptr && applied_->contains("statement_timeout")) {
        audit_->lift_timeout();
    }
    begin_audit();
}

void Backend::audit(std::unique_ptr<CatalogQuestion> catalog) {
    WEIR_CHECK(is_at_rest() && audit_ == nullptr);
    audit_ = std::make_unique<SessionAudit>(std::move(catalog));
    begin_audit();
}

void Backend::begin_audit() {
    holder_has_unnamed_ = false;  // a simple Query throws it away
    env_.loop.set_deadline(deadline_, env_.loop.now() + kAuditWithin);
    ask(audit_->sql());
}

void Backend::finish_audit() {
    deadline_.clear();
    const AuditResult result = std::exchange(audit_, nullptr)->take_result();
    traces_.audited_ = {};
    if (time_limit_.began_at != kNever) {
        begin_statement();  // one has been sent behind it
    }
    if (result.has_failed) {
        traces_.known_ |= result.asked;
        log::info("session_not_audited", {{"backend", id_}, {"pid", process_id_}});
    } else if (result.asked.has(SessionEffect::Settings)) {
        // A reset has undone what connect_query set: that is only put right by a reset of all.
        const bool is_known = applied_ != nullptr || env_.traits.connect_query.empty();
        applied_ = is_known ? env_.settings.intern(result.settings) : nullptr;
    }
    if (holder_ != nullptr) {
        holder_->on_audited(result);
    } else {
        // Who has left may have made settings that no look shows.
        traces_.known_ |= result.present | (result.asked & SessionEffect::Settings);
    }
}

/// Takes away what is suspected, kind by kind, so that prepared statements stay where they can.
/// @return whether that takes more than the next client's prepare(): then there is an answer to
/// wait for, or an end
bool Backend::reset_suspected() {
    const SessionEffects unknown = std::exchange(traces_.unknown_, {});
    const SessionEffects known = std::exchange(traces_.known_, {});
    if (known.has(SessionEffect::Lasting)) {
        end(/*failure=*/nullptr);
        return true;
    }
    applied_ = nullptr;
    if (unknown.empty() && known == SessionEffects{SessionEffect::Settings}) {
        return false;
    }
    env_.loop.set_deadline(deadline_, env_.loop.now() + kResetWithin);
    if (!unknown.empty()) {
        ask("DISCARD ALL");
        return true;
    }

    struct Remedy {
        SessionEffect effect;
        std::string_view sql;
    };

    static constexpr std::array<Remedy, 5> kRemedies = {{
        {SessionEffect::Temporary, "DISCARD TEMP"},
        {SessionEffect::Cursors, "CLOSE ALL"},
        {SessionEffect::Statements, "DEALLOCATE ALL"},
        {SessionEffect::Channels, "UNLISTEN *"},
        {SessionEffect::Locks, "SELECT pg_catalog.pg_advisory_unlock_all()"},
    }};
    for (const Remedy& remedy : kRemedies) {
        if (known.has(remedy.effect)) {
            ask(remedy.sql);
        }
    }
    return true;
}

void Backend::forget_sequences(RequestBatch& batch) {
    // Whole messages, so that each takes one part of the batch.
    static constexpr std::string_view kQuery{
        "Q\0\0\0\x16"
        "DISCARD SEQUENCES\0",
        23};
    // Under a name of our own: the holder's unnamed statement stays as it is.
    static constexpr std::string_view kMessages{
        "C\0\0\0\x14"
        "Sweir:sequences\0"
        "P\0\0\0\x27"
        "weir:sequences\0DISCARD SEQUENCES\0\0\0"
        "B\0\0\0\x28"
        "weir:sequences\0weir:sequences\0\0\0\0\0\0\0"
        "E\0\0\0\x17"
        "weir:sequences\0\0\0\0\0"
        "C\0\0\0\x14"
        "Sweir:sequences\0",
        147};
    const bool is_between = !expected_.is_sync_owed();
    traces_.are_being_forgotten_ = is_between;
    const std::string_view messages = is_between ? kQuery : kMessages;
    for (ByteView rest = as_bytes(messages); !rest.empty();) {
        const auto header = protocol::read_header(rest).header;
        will_send(
            {static_cast<FrontendMessage>(header.type), ReplyAction::Swallow, Noted::Nowhere});
        rest = rest.subspan(header.frame_bytes());
    }
    batch.add(as_bytes(messages));
}

}  // namespace weir::pool
