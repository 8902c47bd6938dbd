#pragma once

#include "base/bytes.hpp"
#include "base/session_effects.hpp"
#include "pool/session_settings.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weir::pool {

/// Every name we give to a statement on a backend begins with this; no client reaches such a name
/// by naming it itself.
inline constexpr std::string_view kStatementPrefix = "weir_";

/// A named prepared statement as all clients share it: what it says, and what it is called on every
/// backend. Clients that prepare the same text with the same parameter types under whatever name
/// mean the same Statement, if their sessions have the same settings: literals (dates, times),
/// names without a schema and the text itself mean what the settings say when it is prepared.
/// What was prepared before a change of the schema and what was prepared after it are two: only
/// PostgreSQL can say whether the first still returns what its clients were told.
struct Statement {
    std::string name;                   ///< kStatementPrefix and 32 hexadecimal digits
    std::vector<std::byte> definition;  ///< a Parse's body behind the name: text, parameter types
    SettingsPtr settings;               ///< of the sessions that mean it, as far as they matter
    std::uint64_t epoch = 0;            ///< of the schema when its clients prepared it
    /// Of running it, once its worker has read the text; for that worker's thread alone.
    mutable std::optional<RequestEffects> effects;

    /// @return the name as it stands in a message, with its terminator
    [[nodiscard]] ByteView name_on_wire() const {
        return std::as_bytes(std::span{name.c_str(), name.size() + 1});
    }
};

/// Interned: within one StatementTable two equal definitions are the same pointer.
using StatementPtr = std::shared_ptr<const Statement>;

/// Gives equal definitions one Statement. One per worker; forgets what nobody holds.
///
/// Names are cut from the SHA-256 of definition, settings and epoch, so every worker and every
/// process calls a statement the same and no client can find two texts that share a name.
/// @thread its worker's; the Statements themselves may be read by any
class StatementTable {
public:
    /// @param definition a Parse's body behind the name
    /// @param settings interned in this worker's table
    /// @param epoch of the schema of the database it is for
    [[nodiscard]] StatementPtr intern(ByteView definition,
                                      const SettingsPtr& settings,
                                      std::uint64_t epoch);

    /// @return how many are remembered, with those that nobody holds any more
    [[nodiscard]] std::size_t size() const { return count_; }

private:
    void sweep();

    std::unordered_map<std::size_t, std::vector<std::weak_ptr<const Statement>>>
        by_hash_;  // of the definition
    std::size_t count_ = 0;
    std::size_t sweep_at_ = 256;
};

}  // namespace weir::pool
