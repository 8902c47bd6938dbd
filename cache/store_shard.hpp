#pragma once

#include "base/clock.hpp"
#include "base/counters.hpp"
#include "base/intrusive_list.hpp"
#include "cache/arena.hpp"
#include "cache/entry.hpp"
#include "cache/stored_entry.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

namespace weir::cache {

enum class Freshness : std::uint8_t { Fresh, Stale, Miss };

struct Found {
    Freshness freshness = Freshness::Miss;
    EntryPtr entry;  ///< nullptr for Miss
};

/// Entries that are out of the store. To be let go where no lock is held: large ones take their
/// time.
using Removed = std::vector<EntryPtr>;

/// What became of the entries of a store; sums since the start.
struct StoreCounts {
    std::uint64_t evictions = 0;  ///< for want of room
    std::uint64_t drops = 0;      ///< because of a write, or by order
    std::uint64_t expired = 0;    ///< found too old

    void add(const StoreCounts& other);
};

/// A part of the store with a lock of its own. Which one an entry is in follows from its key.
/// @thread any
class StoreShard {
public:
    /// @param entries of all shards; counts what is removed here. Who puts counts before.
    StoreShard(Arena& arena, std::atomic<std::size_t>& entries)
        : arena_{arena}, entries_{entries} {}

    StoreShard(const StoreShard&) = delete;
    StoreShard& operator=(const StoreShard&) = delete;
    StoreShard(StoreShard&&) = delete;
    StoreShard& operator=(StoreShard&&) = delete;
    ~StoreShard();

    /// @param buckets of its hash table: a power of two
    void set_buckets(std::size_t buckets);

    [[nodiscard]] Found find(KeyView key, TimePoint now);

    /// Takes the place of one with the same key.
    void put(std::shared_ptr<StoredEntry> entry, Removed& removed);

    /// @return how many: 0 or 1
    std::size_t erase(KeyView key, const Entry* only, Removed& removed);

    /// Removes the one whose last use is longest ago. @return how many: 0 or 1
    std::size_t evict(Removed& removed);

    /// Removes those of one table (0: all of the database), at most `most` of them.
    std::size_t drop(DatabaseId database, TableId table, std::size_t most, Removed& removed);

    /// Removes at most `most`, whichever.
    std::size_t drop_any(std::size_t most, Removed& removed);

    [[nodiscard]] std::vector<EntryPtr> all();

    /// @return when evict()'s next one was used last; the greatest number where it is empty
    [[nodiscard]] std::int64_t oldest_ns() const {
        return oldest_ns_.load(std::memory_order_relaxed);
    }

    [[nodiscard]] StoreCounts counts() const;

private:
    struct Counters {
        Counter evictions;
        Counter drops;
        Counter expired;
    };

    struct TableKey {
        DatabaseId database;
        TableId table;

        [[nodiscard]] bool operator==(const TableKey&) const = default;
    };

    struct TableKeyHash {
        [[nodiscard]] std::size_t operator()(const TableKey& key) const {
            constexpr unsigned kTableBits = 32;
            constexpr std::uint64_t kOdd = 0x9E37'79B9'7F4A'7C15U;
            return (std::uint64_t{key.database} << kTableBits | key.table) * kOdd;
        }
    };

    using TableIndex = std::unordered_map<TableKey, IntrusiveList<TableLink>, TableKeyHash>;

    static constexpr std::size_t kBucketBytes = sizeof(void*);
    /// About what a table costs in by_table_.
    static constexpr std::size_t kTableBytes = 2 * sizeof(TableIndex::value_type);

    [[nodiscard]] StoredEntry*& bucket(const KeyView& key);
    [[nodiscard]] StoredEntry* lookup(const KeyView& key);
    void link(StoredEntry& entry);
    void remove(StoredEntry& entry, Removed& removed);
    void touch(StoredEntry& entry, TimePoint now);
    void note_oldest();

    Arena& arena_;
    std::atomic<std::size_t>& entries_;
    std::mutex mutex_;  // guards all below but for the atomics
    std::vector<StoredEntry*> buckets_;
    IntrusiveList<StoredEntry> by_use_;  // the one whose last use is longest ago first
    TableIndex by_table_;
    Counters counters_;
    std::atomic<std::int64_t> oldest_ns_{INT64_MAX};
};

}  // namespace weir::cache
