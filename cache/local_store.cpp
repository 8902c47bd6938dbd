#include "cache/local_store.hpp"

#include "base/wildcard.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace weir::cache {

namespace {

/// No more at a time under a shard's lock.
constexpr std::size_t kBatch = 256;

/// What an entry takes at least, roughly: there is no use in a larger hash table.
constexpr std::size_t kEntryBytesMin = 512;

/// Tables are counted when they come, which may be after the arena is full.
std::size_t headroom(std::size_t bytes_max) {
    constexpr std::size_t kShare = 64;
    return bytes_max / kShare;
}

/// Twice as many as entries: who looks in vain mostly finds an empty one, and need not look at an
/// entry, which is nowhere near the processor.
std::size_t buckets_for(const Limits& limits) {
    const std::size_t entries = std::min(limits.entries_max, limits.bytes_max / kEntryBytesMin);
    return std::bit_ceil(std::max<std::size_t>(2 * entries / LocalStore::kShards, 1));
}

}  // namespace

LocalStore::LocalStore(const Limits& limits) : arena_{std::make_shared<Arena>(0)} {
    for (auto& shard : shards_) {
        shard = std::make_unique<StoreShard>(*arena_, entries_);
    }
    configure(limits);
}

LocalStore::~LocalStore() {
    clear();
}

Limits LocalStore::limits() const {
    return {.bytes_max = bytes_max_.load(std::memory_order_relaxed),
            .entries_max = entries_max_.load(std::memory_order_relaxed),
            .entry_bytes_max = entry_bytes_max_.load(std::memory_order_relaxed)};
}

void LocalStore::configure(const Limits& limits) {
    bytes_max_ = limits.bytes_max;
    entries_max_ = limits.entries_max;
    entry_bytes_max_ = limits.entry_bytes_max;
    arena_->set_limit(limits.bytes_max - headroom(limits.bytes_max));
    for (auto& shard : shards_) {
        shard->set_buckets(buckets_for(limits));
    }
    Removed removed;
    while ((arena_->bytes() > arena_->limit() || entries_ > limits.entries_max) &&
           evict_one(removed)) {
        removed.clear();
    }
}

bool LocalStore::evict_one(Removed& removed) {
    for (;;) {
        const auto oldest = std::min_element(
            shards_.begin(), shards_.end(), [](const auto& one, const auto& other) {
                return one->oldest_ns() < other->oldest_ns();
            });
        if ((*oldest)->oldest_ns() == INT64_MAX) {
            return false;
        }
        if ((*oldest)->evict(removed) > 0) {
            return true;
        }
    }
}

/// Or until the rest is held by those who read it.
template <class Try>
void LocalStore::make_room_until(const Try& has_room) {
    while (!has_room()) {
        Removed removed;
        if (!evict_one(removed)) {
            return;
        }
    }
}

std::shared_ptr<StoredEntry> LocalStore::make(const EntryParts& parts) {
    std::size_t bytes = 0;
    for (const ByteView piece : parts.reply) {
        bytes += piece.size();
    }
    const Limits limits = this->limits();
    if (bytes > limits.entry_bytes_max || bytes >= limits.bytes_max || limits.entries_max == 0) {
        return nullptr;
    }
    std::shared_ptr<StoredEntry> entry;
    make_room_until([&] { return (entry = StoredEntry::make(arena_, parts)) != nullptr; });
    return entry;
}

void* LocalStore::allocate(std::size_t size) {
    void* block = nullptr;
    make_room_until([&] { return (block = arena_->allocate(size)) != nullptr; });
    return block;
}

Removed LocalStore::put(std::shared_ptr<StoredEntry> entry) {
    Removed removed;
    StoreShard& shard = shard_of(entry->key());
    // Counted first, so that there are never too many.
    while (++entries_ > entries_max_ && evict_one(removed)) {
        --entries_;
    }
    shard.put(std::move(entry), removed);
    return removed;
}

std::size_t LocalStore::erase(KeyView key) {
    Removed removed;
    return shard_of(key).erase(key, /*only=*/nullptr, removed);
}

std::size_t LocalStore::drop_batches(DatabaseId database, TableId table) {
    std::size_t sum = 0;
    for (auto& shard : shards_) {
        for (std::size_t count = kBatch; count == kBatch;) {
            Removed removed;
            count = shard->drop(database, table, kBatch, removed);
            sum += count;
        }
    }
    return sum;
}

std::size_t LocalStore::drop_tables(DatabaseId database, std::span<const TableId> tables) {
    std::size_t count = 0;
    for (const TableId table : tables) {
        count += drop_batches(database, table);
    }
    return count;
}

std::size_t LocalStore::drop_database(DatabaseId database) {
    return drop_batches(database, 0);
}

std::size_t LocalStore::drop_matching(std::string_view pattern) {
    std::size_t sum = 0;
    for (auto& shard : shards_) {
        // Patterns and texts are compared outside of the lock.
        for (const EntryPtr& entry : shard->all()) {
            if (matches_wildcard(entry->key().text(), pattern)) {
                Removed removed;
                const std::size_t count = shard->erase(entry->key(), entry.get(), removed);
                sum += count;
            }
        }
    }
    return sum;
}

std::size_t LocalStore::clear() {
    std::size_t sum = 0;
    for (auto& shard : shards_) {
        for (std::size_t count = kBatch; count == kBatch;) {
            Removed removed;
            count = shard->drop_any(kBatch, removed);
            sum += count;
        }
    }
    return sum;
}

StoreStatistics LocalStore::statistics() const {
    StoreStatistics statistics;
    for (const auto& shard : shards_) {
        statistics.counts.add(shard->counts());
    }
    statistics.bytes = arena_->bytes();
    statistics.entries = entries_.load(std::memory_order_relaxed);
    return statistics;
}

}  // namespace weir::cache
