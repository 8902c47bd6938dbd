#pragma once

#include "base/bytes.hpp"
#include "base/intrusive_list.hpp"
#include "cache/arena.hpp"
#include "cache/entry.hpp"

#include <cstddef>
#include <memory>
#include <span>

namespace weir::cache {

class StoredEntry;

/// What an entry is made of, borrowed.
struct EntryParts {
    KeyView key;
    std::span<const ByteView> reply;  ///< in pieces, as they were received
    std::span<const TableId> tables;  ///< sorted, each once
    EntryFacts facts;
};

/// The place of an entry among those of one table, or (table 0) of one database.
struct TableLink : ListNode<TableLink> {
    StoredEntry* entry = nullptr;
    TableId table = 0;
};

/// An entry with its place in the store, all in one block of the arena: the counters of its
/// shared_ptr, itself, and behind it its links, tables, key and reply.
/// @thread what is not Entry's: whoever holds the lock of its shard
class StoredEntry final : public Entry, public ListNode<StoredEntry> {
public:
    /// @return nullptr where the arena has no room for it
    [[nodiscard]] static std::shared_ptr<StoredEntry> make(const std::shared_ptr<Arena>& arena,
                                                           const EntryParts& parts);

    StoredEntry(const EntryParts& parts, std::size_t charge);
    StoredEntry(const StoredEntry&) = delete;
    StoredEntry& operator=(const StoredEntry&) = delete;
    StoredEntry(StoredEntry&&) = delete;
    StoredEntry& operator=(StoredEntry&&) = delete;
    ~StoredEntry();

    [[nodiscard]] std::span<TableLink> links() { return links_; }

    std::shared_ptr<StoredEntry> self;  ///< while it is in the store
    StoredEntry* next_in_bucket = nullptr;
    TimePoint last_used;

private:
    std::span<TableLink> links_;
};

}  // namespace weir::cache
