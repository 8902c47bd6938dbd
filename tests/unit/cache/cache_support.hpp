#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "cache/key.hpp"
#include "cache/local_store.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::cache::test {

inline constexpr TimePoint kStart{std::chrono::hours{1}};
inline constexpr std::size_t kMiB = std::size_t{1} << 20U;

inline Key key_of(std::string_view text) {
    KeyBuilder builder;
    builder.add("shop").add_text(text);
    return Key{builder.view()};
}

/// What an entry is made of, owned: fresh for ten seconds, stale for ten more.
struct Made {
    explicit Made(std::string_view text, std::string bytes = "reply")
        : key{key_of(text)}, reply{std::move(bytes)} {
        facts.database = 1;
        facts.server_us = 1000;
        facts.stored_at = kStart;
        facts.fresh_until = kStart + std::chrono::seconds{10};
        facts.stale_until = kStart + std::chrono::seconds{20};
    }

    Made& in(DatabaseId database) {
        facts.database = database;
        return *this;
    }

    Made& reads(std::vector<TableId> from) {
        tables = std::move(from);
        return *this;
    }

    [[nodiscard]] std::shared_ptr<StoredEntry> by(LocalStore& store) const {
        const ByteView piece = as_bytes(reply);
        return store.make({key.view(), {&piece, 1}, tables, facts});
    }

    /// @return whether there was room
    bool put_into(LocalStore& store) const {
        auto entry = by(store);
        if (entry == nullptr) {
            return false;
        }
        static_cast<void>(store.put(std::move(entry)));
        return true;
    }

    Key key;
    std::string reply;
    std::vector<TableId> tables;
    EntryFacts facts;
};

inline Freshness look(LocalStore& store, std::string_view text, TimePoint now = kStart) {
    return store.find(key_of(text).view(), now).freshness;
}

}  // namespace weir::cache::test
