#pragma once

#include "base/bytes.hpp"
#include "base/session_effects.hpp"
#include "pool/catalog_question.hpp"
#include "pool/session_settings.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::pool {

/// What a backend's session has, as its catalog says.
struct AuditResult {
    bool has_failed = false;  ///< nothing is known
    SessionEffects asked;     ///< what was looked at; of the rest nothing is said
    SessionEffects present;   ///< what there is that only this backend has; Settings and Lasting
                              ///< are never among it
    SettingsMap settings;     ///< where Settings was asked: all that are not as the session began
    /// A setting that its user may not set: whoever had the right to set it, it cannot be carried.
    bool has_privileged_setting = false;
};

/// One look at a session's state, sent as one simple Query and read from its answer.
///
/// PostgreSQL does not list settings with a dot in their names (my.var), so these are asked for by
/// name. Every name in the query is qualified and every operator PostgreSQL's own, whatever the
/// session's search_path is.
class SessionAudit {
public:
    /// @param custom_settings names of letters, digits, '_', '$' and dots
    /// @param login_user as whom the session began
    SessionAudit(SessionEffects asked,
                 const std::vector<std::string>& custom_settings,
                 std::string login_user);
    /// Asks the database's catalog instead, and nothing of the session.
    explicit SessionAudit(std::unique_ptr<CatalogQuestion> catalog);

    /// What the session had so far. A custom setting of these that is empty now was emptied;
    /// another one is only the name that somebody else's has left behind.
    void compare_with(SettingsPtr had) { had_ = std::move(had); }

    /// The session has a statement_timeout, which is not to end the look.
    void lift_timeout();

    [[nodiscard]] const std::string& sql() const { return sql_; }

    /// @param body of a DataRow
    void on_row(ByteView body);

    void on_error();

    /// ReadyForQuery has come.
    void end();

    [[nodiscard]] bool is_done() const { return is_done_; }

    /// @return only when is_done()
    [[nodiscard]] AuditResult take_result() { return std::move(result_); }

private:
    void take_setting(std::string_view kind, const std::string& key, std::string_view value);
    void take_role(const std::string& key, std::string_view value);
    void take_custom(const std::string& key, std::string_view value);

    std::string sql_;
    std::string login_user_;
    AuditResult result_;
    SettingsPtr had_;  // nullptr: unknown
    std::unique_ptr<CatalogQuestion> catalog_;
    std::optional<std::string> timeout_;
    std::vector<std::string> known_;  // custom settings that are listed after all
    bool is_done_ = false;
};

}  // namespace weir::pool
