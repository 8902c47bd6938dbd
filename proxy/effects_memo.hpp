#pragma once

#include "base/session_effects.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace weir::proxy {

/// Remembers what running a request has left behind unseen, by its digest: functions, triggers and
/// rules do what no text shows.
///
/// A request is suspected of everything the first time and whenever it has run twice as often as
/// the last time it was found clean, at least every kCheckEvery times. Once something was found it
/// is always looked for. One per worker; when full it forgets all and learns anew.
/// @thread its worker's
class EffectsMemo {
public:
    static constexpr std::uint32_t kCheckEvery = 1024;
    static constexpr std::size_t kEntriesMax = 32768;

    /// A request of this digest is about to run.
    /// @return what it is to be suspected of
    [[nodiscard]] SessionEffects suspicion(std::uint64_t digest);

    /// @return what requests of this digest have been found to leave, and nothing else could have
    [[nodiscard]] SessionEffects proven(std::uint64_t digest) const {
        const auto entry = entries_.find(digest);
        return entry == entries_.end() ? SessionEffects{} : entry->second.proven;
    }

    /// It was found that requests of this digest leave this behind.
    /// @param explained something else is known to have left these
    void learn(std::uint64_t digest, SessionEffects found, SessionEffects explained);

    [[nodiscard]] std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        std::uint32_t runs = 0;
        SessionEffects found;
        SessionEffects proven;
    };

    Entry& entry(std::uint64_t digest);

    std::unordered_map<std::uint64_t, Entry> entries_;
};

}  // namespace weir::proxy
