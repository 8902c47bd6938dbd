#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "cache/key.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace weir::cache {

/// The oid of a table; never 0.
using TableId = std::uint32_t;

/// Of a Database; never used again for another one.
using DatabaseId = std::uint32_t;

/// What is known of a result besides its bytes.
struct EntryFacts {
    DatabaseId database = 0;
    std::uint64_t digest = 0;  ///< of the statement
    std::uint64_t rows = 0;
    std::uint64_t server_us = 0;  ///< what it took the server: what a hit saves
    TimePoint stored_at{};
    TimePoint fresh_until{};
    TimePoint
        stale_until{};  ///< after fresh_until it is served while one renews it; not before that
};

/// One result. Immutable; lives as long as anybody holds it, also when the store has let it go.
/// @thread any
class Entry {
public:
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    Entry(Entry&&) = delete;
    Entry& operator=(Entry&&) = delete;

    [[nodiscard]] KeyView key() const { return key_; }

    /// The reply's frames as they came, without ReadyForQuery.
    [[nodiscard]] ByteView reply() const { return reply_; }

    /// The tables it was read from, sorted.
    [[nodiscard]] std::span<const TableId> tables() const { return tables_; }

    [[nodiscard]] const EntryFacts& facts() const { return facts_; }

    /// @return the memory it takes, with its key, its place in the store and what is lost by
    /// rounding
    [[nodiscard]] std::size_t charge() const { return charge_; }

protected:
    Entry(const EntryFacts& facts, std::size_t charge) : facts_{facts}, charge_{charge} {}

    ~Entry() = default;

    void set_parts(KeyView key, ByteView reply, std::span<const TableId> tables) {
        key_ = key;
        reply_ = reply;
        tables_ = tables;
    }

private:
    KeyView key_;
    ByteView reply_;
    std::span<const TableId> tables_;
    EntryFacts facts_;
    std::size_t charge_;
};

using EntryPtr = std::shared_ptr<const Entry>;

}  // namespace weir::cache
