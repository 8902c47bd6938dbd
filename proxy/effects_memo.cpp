#include "proxy/effects_memo.hpp"

#include <bit>

namespace weir::proxy {

EffectsMemo::Entry& EffectsMemo::entry(std::uint64_t digest) {
    if (entries_.size() >= kEntriesMax && !entries_.contains(digest)) {
        entries_.clear();
    }
    return entries_[digest];
}

SessionEffects EffectsMemo::suspicion(std::uint64_t digest) {
    Entry& mine = entry(digest);
    if (!mine.found.empty()) {
        return mine.found;
    }
    ++mine.runs;
    const bool is_due =
        mine.runs < kCheckEvery ? std::has_single_bit(mine.runs) : mine.runs % kCheckEvery == 0;
    return is_due ? SessionEffects::all().without(SessionEffect::Lasting) : SessionEffects{};
}

void EffectsMemo::learn(std::uint64_t digest, SessionEffects found, SessionEffects explained) {
    Entry& mine = entry(digest);
    mine.found |= found;
    mine.proven |= found.without(explained);
}

}  // namespace weir::proxy
