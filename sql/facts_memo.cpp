#include "sql/facts_memo.hpp"

#include <algorithm>

namespace weir::sql {

namespace {

std::size_t bytes_of(const std::vector<QualifiedName>& names) {
    std::size_t bytes = 0;
    for (const QualifiedName& name : names) {
        bytes += sizeof(QualifiedName) + name.schema.capacity() + name.name.capacity();
    }
    return bytes;
}

std::size_t bytes_of(const std::vector<WriteTarget>& targets) {
    std::size_t bytes = 0;
    for (const WriteTarget& target : targets) {
        bytes += sizeof(WriteTarget) + target.name.schema.capacity() + target.name.name.capacity();
    }
    return bytes;
}

std::size_t bytes_of(const ResultFacts& result) {
    std::size_t bytes = result.members.size() * sizeof(std::uint32_t);
    for (const std::vector<std::string>* names : {&result.operators, &result.time_columns}) {
        for (const std::string& name : *names) {
            bytes += sizeof(std::string) + name.capacity();
        }
    }
    return bytes;
}

}  // namespace

FactsMemo::FactsMemo(std::size_t entries_max, std::size_t bytes_max)
    : entries_max_{std::max<std::size_t>(entries_max, 1)}, bytes_max_{bytes_max} {}

std::size_t FactsMemo::free_place() {
    if (!free_.empty()) {
        const std::size_t place = free_.back();
        free_.pop_back();
        return place;
    }
    if (entries_.size() < entries_max_) {
        entries_.emplace_back();
        return entries_.size() - 1;
    }
    return evict();
}

/// The second chance: what was used since the hand came by stays for another round.
/// @return the place that has become free; at least one is taken
std::size_t FactsMemo::evict() {
    while (!entries_[hand_].is_taken || entries_[hand_].is_used) {
        entries_[hand_].is_used = false;
        hand_ = (hand_ + 1) % entries_.size();
    }
    const std::size_t place = hand_;
    hand_ = (hand_ + 1) % entries_.size();
    bytes_ -= entries_[place].bytes;
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
    entries_[place].is_taken = true;
    return entries_[place];
}

void FactsMemo::find_out(Entry& mine, std::string_view sql) {
    mine.known.facts = std::make_shared<const StatementFacts>(statement_facts(sql));
    const StatementFacts& facts = *mine.known.facts;
    mine.bytes = sizeof(StatementFacts) + bytes_of(facts.functions) + bytes_of(facts.tables) +
                 bytes_of(facts.targets) + bytes_of(facts.result);
    bytes_ += mine.bytes;
}

FactsMemo::Known FactsMemo::look_up(std::uint64_t digest,
                                    std::string_view sql,
                                    const FunctionCatalog& catalog) {
    Entry& mine = entry(digest);
    const bool is_new = mine.known.facts == nullptr;
    if (is_new) {
        find_out(mine, sql);
    } else if (mine.version != catalog.version()) {
        mine.is_refused = false;
    }
    if (is_new || mine.version != catalog.version()) {
        mine.version = catalog.version();
        mine.known.is_read = !mine.is_refused && is_read(*mine.known.facts, catalog);
    }
    Known found = mine.known;
    while (bytes_ > bytes_max_ && !places_.empty()) {
        free_.push_back(evict());
    }
    return found;
}

void FactsMemo::remember_as_write(std::uint64_t digest) {
    Entry& mine = entry(digest);
    mine.is_refused = true;
    mine.known.is_read = false;
}

}  // namespace weir::sql
