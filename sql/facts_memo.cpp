#include "sql/facts_memo.hpp"

#include <algorithm>

namespace weir::sql {

namespace {

/// Most statements that go to the primary need no facts of their own.
std::shared_ptr<const StatementFacts> shared(StatementFacts facts) {
    return std::make_shared<const StatementFacts>(std::move(facts));
}

}  // namespace

FactsMemo::FactsMemo(std::size_t entries_max)
    : entries_max_{std::max<std::size_t>(entries_max, 1)} {}

/// The second chance: what was used since the hand came by stays for another round.
std::size_t FactsMemo::free_place() {
    if (entries_.size() < entries_max_) {
        entries_.emplace_back();
        return entries_.size() - 1;
    }
    while (entries_[hand_].is_used) {
        entries_[hand_].is_used = false;
        hand_ = (hand_ + 1) % entries_.size();
    }
    const std::size_t place = hand_;
    hand_ = (hand_ + 1) % entries_.size();
    places_.erase(entries_[place].digest);
    entries_[place] = Entry{};
    return place;
}

FactsMemo::Entry& FactsMemo::entry(std::uint64_t digest) {
    const auto known = places_.find(digest);
    if (known != places_.end()) {
        Entry& mine = entries_[known->second];
        mine.is_used = true;
        return mine;
    }
    const std::size_t place = free_place();
    places_.emplace(digest, place);
    entries_[place].digest = digest;
    return entries_[place];
}

FactsMemo::Known FactsMemo::look_up(std::uint64_t digest,
                                    std::string_view sql,
                                    const FunctionKnowledge& knowledge) {
    Entry& mine = entry(digest);
    const bool is_new = mine.known.facts == nullptr;
    if (is_new) {
        mine.known.facts = shared(statement_facts(sql));
    }
    if (mine.version != knowledge.version()) {
        mine.is_refused = mine.is_refused && is_new;
    }
    if (is_new || mine.version != knowledge.version()) {
        mine.version = knowledge.version();
        mine.known.verdict = read_verdict(*mine.known.facts, knowledge);
        if (mine.is_refused) {
            mine.known.verdict.route = ReadRoute::Primary;
        }
    }
    return mine.known;
}

void FactsMemo::remember_as_write(std::uint64_t digest) {
    Entry& mine = entry(digest);
    mine.is_refused = true;
    mine.known.verdict.route = ReadRoute::Primary;
}

}  // namespace weir::sql
