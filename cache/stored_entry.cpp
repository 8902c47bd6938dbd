#include "cache/stored_entry.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace weir::cache {

namespace {

/// Room for what std::allocate_shared puts in front of the entry; BlockAllocator checks it.
constexpr std::size_t kControlBytes = 64;

std::size_t reply_bytes(const EntryParts& parts) {
    std::size_t bytes = 0;
    for (const ByteView piece : parts.reply) {
        bytes += piece.size();
    }
    return bytes;
}

std::size_t bytes_behind(const EntryParts& parts) {
    return (parts.tables.size() + 1) * sizeof(TableLink) + parts.tables.size_bytes() +
           parts.key.bytes.size() + reply_bytes(parts);
}

/// Gives std::allocate_shared the one block that was allocated before, larger than it knows.
template <class T>
struct BlockAllocator {
    using value_type = T;  // NOLINT(readability-identifier-naming): the standard library's name

    BlockAllocator(std::shared_ptr<Arena> from, void* allocated, std::size_t bytes)
        : arena{std::move(from)}, block{allocated}, size{bytes} {}

    template <class Other>
    // NOLINTNEXTLINE(google-explicit-constructor): as the standard library converts it
    BlockAllocator(const BlockAllocator<Other>& other)
        : arena{other.arena}, block{other.block}, size{other.size} {}

    [[nodiscard]] T* allocate(std::size_t count) {
        static_assert(sizeof(T) <= kControlBytes + sizeof(StoredEntry));
        static_assert(alignof(T) <= 16);
        WEIR_CHECK(count == 1);
        return static_cast<T*>(block);
    }

    void deallocate(T* allocated, std::size_t /*count*/) { arena->free(allocated, size); }

    template <class Other>
    [[nodiscard]] bool operator==(const BlockAllocator<Other>& other) const {
        return block == other.block;
    }

    std::shared_ptr<Arena> arena;
    void* block;
    std::size_t size;
};

}  // namespace

std::shared_ptr<StoredEntry> StoredEntry::make(const std::shared_ptr<Arena>& arena,
                                               const EntryParts& parts) {
    const std::size_t size = kControlBytes + sizeof(StoredEntry) + bytes_behind(parts);
    void* block = arena->allocate(size);
    if (block == nullptr) {
        return nullptr;
    }
    return std::allocate_shared<StoredEntry>(
        BlockAllocator<StoredEntry>{arena, block, size}, parts, Arena::footprint(size));
}

StoredEntry::StoredEntry(const EntryParts& parts, std::size_t charge)
    : Entry{parts.facts, charge}, last_used{parts.facts.stored_at} {
    static_assert(sizeof(StoredEntry) % alignof(TableLink) == 0);
    static_assert(alignof(TableLink) >= alignof(TableId));
    auto* at = reinterpret_cast<std::byte*>(this) + sizeof(StoredEntry);

    auto* links = reinterpret_cast<TableLink*>(at);
    for (std::size_t i = 0; i <= parts.tables.size(); ++i) {
        auto* link = new (links + i) TableLink;
        link->entry = this;
        link->table = i == 0 ? 0 : parts.tables[i - 1];
    }
    links_ = {links, parts.tables.size() + 1};
    at += links_.size_bytes();

    auto* tables = reinterpret_cast<TableId*>(at);
    std::copy(parts.tables.begin(), parts.tables.end(), tables);
    at += parts.tables.size_bytes();

    const auto append = [&at](ByteView bytes) {
        std::copy(bytes.begin(), bytes.end(), at);
        at += bytes.size();
    };
    KeyView key = parts.key;
    key.bytes = {reinterpret_cast<const char*>(at), key.bytes.size()};
    append(as_bytes(parts.key.bytes));
    const std::byte* reply = at;
    for (const ByteView piece : parts.reply) {
        append(piece);
    }
    set_parts(key, {reply, static_cast<std::size_t>(at - reply)}, {tables, parts.tables.size()});
}

StoredEntry::~StoredEntry() {
    std::destroy(links_.begin(), links_.end());
}

}  // namespace weir::cache
