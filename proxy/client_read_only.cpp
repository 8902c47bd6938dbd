// The part of ClientSession that sees to it that the session of a client that may only read stays
// read-only on the server too: what functions do no text shows, PostgreSQL refuses it.

#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <utility>

namespace weir::proxy {

using protocol::FrontendMessage;

/// @return those settings as this client may have them
pool::SettingsPtr ClientSession::allowed_settings(pool::SettingsPtr settings) {
    if (context_->policy.read_only) {
        return worker_.settings().with(settings, pool::kReadOnly, "on");
    }
    return settings;
}

/// A reload may have made it one that may only read: so are all settings from here on that it is
/// given, or comes back to.
void ClientSession::enforce_read_only() {
    if (!context_->policy.read_only) {
        return;
    }
    const pool::SettingsPtr before = settings_;
    set_settings(settings_);
    if (session_state_ != nullptr) {
        session_state_->startup = allowed_settings(session_state_->startup);
    }
    if (backend_ != nullptr && settings_ != before) {
        session_state().has_own_rights = true;
        if (is_idle_with_backend()) {
            static_cast<void>(end_if_lifted());
        }
    }
}

/// At rest, and it keeps its backend: nobody will give that its settings.
/// @return whether it is over
bool ClientSession::end_if_lifted() {
    const bool is_lifted = context_->policy.read_only && pool_->key().replication.empty() &&
                           keeps_backend() &&
                           (backend_->traces().is_read_only_lifted() ||
                            (session_state_ != nullptr && session_state_->has_own_rights));
    if (is_lifted) {
        fatal(sqlstate::kAdminShutdown,
              "this user may only read now (read_only in weir's policy), and the session on the "
              "server may write: log in once more");
    }
    return is_lifted;
}

/// @return whether a RESET ALL of its own lets it write: in session mode it leads to what the
/// session began with
bool ClientSession::may_lift_read_only() const {
    return context_->policy.read_only && !is_session_mode();
}

/// Sent behind a RESET ALL; what follows waits for it.
void ClientSession::give_settings_back(const pool::SettingsMap& settings) {
    backend_->reapply(settings,
                      may_lift_read_only() ? pool::Reapply::OrLose : pool::Reapply::IfPossible);
}

/// @return the settings that a RESET ALL of this statement leads to too little of; nullptr: none
pool::SettingsPtr ClientSession::settings_lifted_by(const pool::StatementTicket& ticket) {
    const bool is_reset = ticket.plan != nullptr && ticket.plan->resets_settings;
    return is_reset && may_lift_read_only() ? settings_after_reset("all") : nullptr;
}

/// A simple Query with a RESET goes out, and the settings it leads to too little of behind it.
ClientSession::Begun ClientSession::forward_reset(const protocol::FrameHeader& header,
                                                  ByteView rest,
                                                  const pool::SettingsMap& settings) {
    outgoing_->add(rest.first(header.frame_bytes()));
    flush_to_backend(*outgoing_);
    give_settings_back(settings);
    return {Treatment::Forward, header.frame_bytes()};
}

/// A portal is bound in this transaction: what runs by its name may be a RESET ALL.
/// @param ticket of what it is bound to; nullptr, or without a plan: nobody knows
void ClientSession::watch_portal(const pool::StatementTicket* ticket) {
    const bool is_harmless =
        ticket != nullptr && ticket->plan != nullptr && !ticket->plan->resets_settings;
    if (!is_harmless && may_lift_read_only()) {
        session_state().has_reset_portal = true;
    }
}

/// An Execute goes out. Where it may be a RESET ALL the rest of its batch must not run, and behind
/// its Sync the settings are set again.
void ClientSession::watch_execute() {
    if (session_state_ == nullptr || !session_state_->has_reset_portal || !may_lift_read_only()) {
        return;
    }
    const pool::SettingsPtr& startup = session_state_->startup;
    session_state_->reset.insert(startup->begin(), startup->end());
    session_state_->may_have_reset = true;
}

/// What the batch under way does to the settings is undone, or has been seen to.
void ClientSession::forget_reset() {
    if (session_state_ != nullptr) {
        session_state_->is_reset_sent = false;
        session_state_->may_have_reset = false;
        session_state_->reset.clear();
    }
}

/// @return why this message must not be passed on behind, or as, a RESET ALL
std::optional<protocol::ErrorFields> ClientSession::refusal_of_reset(
    FrontendMessage type, const pool::StatementTicket* parsed) const {
    const bool is_behind = parsed == nullptr && session_state_ != nullptr &&
                           session_state_->may_have_reset && may_lift_read_only();
    // What such a name stands for is the server's to know.
    const bool is_hidden = parsed != nullptr && type == FrontendMessage::Parse &&
                           parsed->plan->resets_settings && may_lift_read_only() &&
                           !carries_statements();
    if (!is_behind && !is_hidden) {
        return std::nullopt;
    }
    return protocol::ErrorFields{
        protocol::Severity::Error,
        sqlstate::kReadOnlySqlTransaction,
        is_behind
            ? "cannot execute a statement behind RESET ALL or DISCARD ALL in a read-only session"
            : "cannot prepare RESET ALL or DISCARD ALL in a read-only session",
        "This user may only read (read_only in weir's policy).",
        is_behind ? "Send a Sync between them." : "Send it as a simple query."};
}

/// @return whether nothing may be sent until the settings are there again, or the backend goes back
bool ClientSession::awaits_settings() const {
    return context_->policy.read_only &&
           (backend_->traces().is_reapplying() ||
            (backend_->traces().is_read_only_lifted() && backend_->is_auditing()));
}

}  // namespace weir::proxy
