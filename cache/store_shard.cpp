#include "cache/store_shard.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace weir::cache {

void StoreCounts::add(const StoreCounts& other) {
    evictions += other.evictions;
    drops += other.drops;
    expired += other.expired;
}

namespace {

/// Nobody has looked at it for long: when its turn comes, it need not be waited for.
void prefetch(const StoredEntry* entry) {
    if (entry != nullptr) {
        constexpr std::size_t kLineBytes = 64;
        const auto* begin = reinterpret_cast<const std::byte*>(entry);
        for (std::size_t at = 0; at < sizeof(StoredEntry) + 2 * sizeof(TableLink);
             at += kLineBytes) {
            __builtin_prefetch(begin + at, 1);
        }
    }
}

}  // namespace

StoreShard::~StoreShard() {
    Removed removed;
    drop_any(SIZE_MAX, removed);
}

StoreCounts StoreShard::counts() const {
    return {.evictions = counters_.evictions.value(),
            .drops = counters_.drops.value(),
            .expired = counters_.expired.value()};
}

void StoreShard::set_buckets(std::size_t buckets) {
    WEIR_CHECK(std::has_single_bit(buckets));
    const std::lock_guard lock{mutex_};
    if (buckets == buckets_.size()) {
        return;
    }
    arena_.refund(buckets_.size() * kBucketBytes);
    buckets_ = std::vector<StoredEntry*>(buckets);
    arena_.charge(buckets_.size() * kBucketBytes);
    by_use_.for_each([this](StoredEntry& entry) {
        entry.next_in_bucket = std::exchange(bucket(entry.key()), &entry);
    });
}

StoredEntry*& StoreShard::bucket(const KeyView& key) {
    return buckets_[key.hash & (buckets_.size() - 1)];
}

StoredEntry* StoreShard::lookup(const KeyView& key) {
    StoredEntry* entry = bucket(key);
    while (entry != nullptr && !(entry->key() == key)) {
        entry = entry->next_in_bucket;
    }
    return entry;
}

void StoreShard::note_oldest() {
    const StoredEntry* oldest = std::as_const(by_use_).front();
    oldest_ns_.store(oldest == nullptr ? INT64_MAX : oldest->last_used.time_since_epoch().count(),
                     std::memory_order_relaxed);
}

void StoreShard::touch(StoredEntry& entry, TimePoint now) {
    entry.last_used = now;
    entry.ListNode<StoredEntry>::unlink();
    by_use_.push_back(entry);
    note_oldest();
}

Found StoreShard::find(KeyView key, TimePoint now) {
    Removed too_old;  // let go after the lock
    const std::lock_guard lock{mutex_};
    StoredEntry* entry = lookup(key);
    if (entry != nullptr && now >= entry->facts().fresh_until &&
        now >= entry->facts().stale_until) {
        remove(*entry, too_old);
        counters_.expired.add();
        entry = nullptr;
    }
    if (entry == nullptr) {
        return {};
    }
    touch(*entry, now);
    const bool is_fresh = now < entry->facts().fresh_until;
    return {is_fresh ? Freshness::Fresh : Freshness::Stale, entry->self};
}

void StoreShard::link(StoredEntry& entry) {
    entry.next_in_bucket = std::exchange(bucket(entry.key()), &entry);
    by_use_.push_back(entry);
    for (TableLink& of : entry.links()) {
        const auto [list, is_new] = by_table_.try_emplace({entry.facts().database, of.table});
        list->second.push_back(of);
        if (is_new) {
            arena_.charge(kTableBytes);
        }
    }
    note_oldest();
}

void StoreShard::put(std::shared_ptr<StoredEntry> entry, Removed& removed) {
    const std::lock_guard lock{mutex_};
    WEIR_CHECK(entry->self == nullptr);
    StoredEntry* before = lookup(entry->key());
    if (before != nullptr) {
        remove(*before, removed);
    }
    StoredEntry& stored = *entry;
    stored.self = std::move(entry);
    link(stored);
}

void StoreShard::remove(StoredEntry& entry, Removed& removed) {
    StoredEntry** place = &bucket(entry.key());
    while (*place != &entry) {
        place = &(*place)->next_in_bucket;
    }
    *place = std::exchange(entry.next_in_bucket, nullptr);
    entry.ListNode<StoredEntry>::unlink();
    for (TableLink& of : entry.links()) {
        of.ListNode<TableLink>::unlink();
        const auto list = by_table_.find({entry.facts().database, of.table});
        if (list->second.empty()) {
            by_table_.erase(list);
            arena_.refund(kTableBytes);
        }
    }
    removed.push_back(std::move(entry.self));
    entries_.fetch_sub(1, std::memory_order_relaxed);
    note_oldest();
}

std::size_t StoreShard::erase(KeyView key, const Entry* only, Removed& removed) {
    const std::lock_guard lock{mutex_};
    StoredEntry* entry = lookup(key);
    if (entry == nullptr || (only != nullptr && entry != only)) {
        return 0;
    }
    remove(*entry, removed);
    counters_.drops.add();
    return 1;
}

std::size_t StoreShard::evict(Removed& removed) {
    const std::lock_guard lock{mutex_};
    StoredEntry* oldest = by_use_.front();
    if (oldest == nullptr) {
        return 0;
    }
    remove(*oldest, removed);
    counters_.evictions.add();
    prefetch(by_use_.front());
    return 1;
}

std::size_t StoreShard::drop(DatabaseId database,
                             TableId table,
                             std::size_t most,
                             Removed& removed) {
    const std::lock_guard lock{mutex_};
    std::size_t count = 0;
    for (; count < most; ++count) {
        const auto list = by_table_.find({database, table});
        if (list == by_table_.end()) {
            break;
        }
        remove(*list->second.front()->entry, removed);
    }
    counters_.drops.add(count);
    return count;
}

std::size_t StoreShard::drop_any(std::size_t most, Removed& removed) {
    const std::lock_guard lock{mutex_};
    std::size_t count = 0;
    for (; count < most && !by_use_.empty(); ++count) {
        remove(*by_use_.front(), removed);
    }
    counters_.drops.add(count);
    return count;
}

std::vector<EntryPtr> StoreShard::all() {
    std::vector<EntryPtr> entries;
    const std::lock_guard lock{mutex_};
    entries.reserve(by_use_.size());
    by_use_.for_each([&entries](StoredEntry& entry) { entries.push_back(entry.self); });
    return entries;
}

}  // namespace weir::cache
