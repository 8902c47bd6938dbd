#pragma once

#include "base/clock.hpp"
#include "base/session_effects.hpp"
#include "pool/session_settings.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::proxy {

/// Why a client keeps its backend, or will if it is found that it has to.
struct PinCause {
    SessionEffect reason{};
    TimePoint since{};
    std::string statement;  ///< without its literals
};

/// What is kept of a client beyond its settings; a client has one once its session is more than
/// how it began.
struct SessionState {
    pool::SettingsPtr startup;   ///< the settings its session began with: what RESET leads to
    SessionEffects pinned;       ///< what only its backend has
    std::vector<PinCause> pins;  ///< one for each of `pinned`

    // Of what is not audited yet:
    std::vector<PinCause> causes;              ///< requests whose words say what they do
    std::string unseen_cause;                  ///< the last one suspected of what is unseen
    std::vector<std::uint64_t> unproven;       ///< digests of those
    std::vector<std::string> custom_settings;  ///< that they may have set
    std::vector<std::string> unjudged;         ///< their texts: what they do was not known
    std::size_t unjudged_bytes = 0;
    pool::SettingsMap reset;           ///< to be set again where a RESET of the batch has come true
    bool is_reset_sent = false;        ///< the batch is complete: what follows waits
    bool has_reset_portal = false;     ///< or one that may be; while its client may only read
    bool may_have_reset = false;       ///< it has been run in the batch under way
    bool has_own_rights = false;       ///< its backend's, from before it might only read
    bool has_unnamed_setting = false;  ///< one was set whose name is not known
    int failed_audits = 0;
    bool is_audit_futile = false;  ///< it has failed too often; until the client asks for more

    /// @return whether what was sent behind a look at the session may reset its settings
    [[nodiscard]] bool may_be_reset() const { return !reset.empty() || has_reset_portal; }

    // A transaction that is lost takes with it what it has set:
    pool::SettingsPtr before_change;  ///< as they were before its first reported setting
    std::uint32_t changed_at = 0;     ///< SessionTraces::rests() then
};

}  // namespace weir::proxy
