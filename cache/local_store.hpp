#pragma once

#include "cache/arena.hpp"
#include "cache/entry.hpp"
#include "cache/store_shard.hpp"
#include "cache/stored_entry.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace weir::cache {

struct Limits {
    std::size_t bytes_max = 0;  ///< of memory, for everything; 0: nothing is kept
    std::size_t entries_max = 0;
    std::size_t entry_bytes_max = 0;  ///< of one reply
};

struct StoreStatistics {
    StoreCounts counts;
    std::size_t bytes = 0;
    std::size_t entries = 0;
};

/// The results this process keeps.
///
/// Who was used least recently makes room. SIEVE was measured beside it, entry by entry
/// (bench/micro/cache_bench): it keeps 6 to 9 points more of a zipfian load that never changes,
/// with scans or without, and loses 2 to 10 where what is popular moves on, as the newest orders
/// do. It is not clearly better, so it is the one that everybody knows.
///
/// Bounded by the memory that is resident (see Arena), what readers still hold of entries that were
/// removed included. What is removed is let go outside of the locks; only put() and make_room() of
/// others wait for one another, a shard at a time.
/// @thread any
class LocalStore {
public:
    static constexpr std::size_t kShards = 16;

    explicit LocalStore(const Limits& limits);
    LocalStore(const LocalStore&) = delete;
    LocalStore& operator=(const LocalStore&) = delete;
    LocalStore(LocalStore&&) = delete;
    LocalStore& operator=(LocalStore&&) = delete;
    ~LocalStore();

    /// Shrinks at once where there is less room than before.
    void configure(const Limits& limits);

    [[nodiscard]] Limits limits() const;

    [[nodiscard]] Found find(KeyView key, TimePoint now) { return shard_of(key).find(key, now); }

    /// Makes an entry of copies, and room for it, but does not put it anywhere yet.
    /// @return nullptr: it is too large, or there is no room
    [[nodiscard]] std::shared_ptr<StoredEntry> make(const EntryParts& parts);

    /// Memory of the arena, for which entries make room.
    /// @return nullptr: there is none
    [[nodiscard]] void* allocate(std::size_t size);

    [[nodiscard]] const std::shared_ptr<Arena>& arena() const { return arena_; }

    /// Takes the place of the one with the same key.
    /// @param entry made by this store; once
    /// @return what had to go, to be destroyed where no lock is held
    [[nodiscard]] Removed put(std::shared_ptr<StoredEntry> entry);

    /// All these return how many were removed.
    std::size_t erase(KeyView key);
    /// Takes time for what it removes, not for what stays.
    std::size_t drop_tables(DatabaseId database, std::span<const TableId> tables);
    std::size_t drop_database(DatabaseId database);
    /// @param pattern of the statement's text, all of it; * stands for any characters
    std::size_t drop_matching(std::string_view pattern);
    std::size_t clear();

    [[nodiscard]] StoreStatistics statistics() const;

private:
    [[nodiscard]] StoreShard& shard_of(const KeyView& key) {
        constexpr unsigned kTopBits = 60;  // the lower ones choose the bucket
        return *shards_[key.hash >> kTopBits];
    }

    template <class Try>
    void make_room_until(const Try& has_room);
    bool evict_one(Removed& removed);
    [[nodiscard]] std::size_t drop_batches(DatabaseId database, TableId table);

    std::shared_ptr<Arena> arena_;  // entries that outlive the store hold it too
    std::atomic<std::size_t> entries_{0};
    std::array<std::unique_ptr<StoreShard>, kShards> shards_;
    std::atomic<std::size_t> entries_max_{0};
    std::atomic<std::size_t> entry_bytes_max_{0};
    std::atomic<std::size_t> bytes_max_{0};
};

}  // namespace weir::cache
