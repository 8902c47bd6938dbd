#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weir::pool {

/// Settings (GUCs) a client's session has or a backend has applied, by lower-case name. Immutable
/// once interned.
using SettingsMap = std::map<std::string, std::string, std::less<>>;

/// Interned: within one SettingsTable two equal maps are the same pointer, so comparing costs
/// nothing.
using SettingsPtr = std::shared_ptr<const SettingsMap>;

/// Who a session is, in the server's lists; it decides nothing.
inline constexpr std::string_view kApplicationName = "application_name";
/// Whether its transactions may write, where they do not say so themselves.
inline constexpr std::string_view kReadOnly = "default_transaction_read_only";
/// As whom it acts.
inline constexpr std::string_view kRole = "role";
inline constexpr std::string_view kSessionAuthorization = "session_authorization";

/// Gives equal settings one address. One per worker; forgets maps nobody holds.
///
/// @thread its worker's
class SettingsTable {
public:
    SettingsTable();

    [[nodiscard]] SettingsPtr intern(SettingsMap settings);

    [[nodiscard]] const SettingsPtr& none() const { return none_; }

    /// @return `base` with one setting changed, interned
    [[nodiscard]] SettingsPtr with(const SettingsPtr& base,
                                   std::string_view name,
                                   std::string_view value);
    [[nodiscard]] SettingsPtr without(const SettingsPtr& base, std::string_view name);

private:
    void sweep();

    std::map<SettingsMap, std::weak_ptr<const SettingsMap>> table_;
    std::size_t sweep_at_ = 64;
    SettingsPtr none_;
};

/// What becomes of a backend where settings cannot be set again behind a RESET. (Where that fails
/// with the transaction around it, the RESET is undone with it.)
enum class Reapply : std::uint8_t { IfPossible, OrLose };

/// What a client's startup packet asks for.
struct StartupWishes {
    std::string user;
    std::string database;
    std::string replication;  ///< "" = an ordinary connection; "true", "database"
    /// Everything else, `options` taken apart. Never has a name that would be somebody's identity
    /// in a startup packet (protocol::is_packet_word).
    SettingsMap settings;
    /// The first setting asked for that is called like one of those, which PostgreSQL knows no
    /// setting of; "" = none.
    std::string impossible_setting;
};

/// @param parameters the startup packet's, in order; names are told apart as PostgreSQL does it:
///        user, database, replication and options in this spelling alone, settings in any case
/// @errors Unsupported 0A000: `options` has something other than -c name=value and --name=value;
///         Rejected 22023: `replication` is neither a boolean nor "database"
[[nodiscard]] Result<StartupWishes> read_wishes(
    const std::vector<std::pair<std::string, std::string>>& parameters);

/// @return whether this setting, reported by the backend (ParameterStatus), follows the client from
/// backend to backend
[[nodiscard]] bool is_carried_when_reported(std::string_view lower_case_name);

[[nodiscard]] std::string lower_case(std::string_view name);

/// Appends the messages that turn a backend with `applied` into one with `wanted`, and what each is
/// owed.
///
/// First one simple Query with the RESETs (where any), then `connect_query` where everything was
/// reset, then Parse, Bind and Execute of set_config()
/// per setting and a Sync: values travel as parameters, so nothing can be misquoted in any
/// client_encoding.
/// @param applied nullptr: unknown, so everything is reset first
/// @param connect_query what the server session began with, which a reset of everything undoes; may
/// be empty
/// @return how many ReadyForQuery will come back (0..3)
[[nodiscard]] int write_settings_change(ByteWriter& writer,
                                        const SettingsMap* applied,
                                        const SettingsMap& wanted,
                                        std::string_view connect_query);

}  // namespace weir::pool
