#pragma once

#include "base/session_effects.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sql/session_facts.hpp"

namespace weir::sql {

/// Remembers the facts of texts by their digests: most requests are like one before them, and to
/// cut a text is cheaper than to read it.
///
/// What a literal decides is not remembered (SessionFacts::is_of_digest). When full it forgets all.
/// @thread its owner's
class SessionFactsMemo {
public:
    static constexpr std::size_t kEntriesMax = 32768;
    /// Of a text that is asked for again soon: if its result is kept, where it runs, and, perhaps
    /// after others, what it leaves behind.
    static constexpr std::size_t kRecentBytesMax = 4096;
    static constexpr std::size_t kRecentTexts = 64;  ///< a power of two

    /// @param sql as for session_facts(), and what is returned is the same
    [[nodiscard]] SessionFacts facts(std::string_view sql);

    /// The same as facts().effects.digest, cheaper for a text that was asked for just now.
    [[nodiscard]] std::uint64_t digest(std::string_view sql);

    [[nodiscard]] std::size_t size() const { return effects_.size(); }

private:
    struct Recent {
        std::string text;  // "" = none
        RequestEffects effects;

        [[nodiscard]] bool is(std::string_view sql) const { return !text.empty() && sql == text; }
    };

    [[nodiscard]] Recent& place_of(std::string_view sql);
    [[nodiscard]] SessionFacts learn(std::string_view sql, Recent& recent);
    [[nodiscard]] SessionFacts look_up(std::string_view sql);

    std::unordered_map<std::uint64_t, RequestEffects> effects_;  // by digest
    std::array<Recent, kRecentTexts> recent_;                    // each text has one place
};

}  // namespace weir::sql
