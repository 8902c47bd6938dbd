#pragma once

#include "base/clock.hpp"
#include "cache/entry.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

namespace weir::cache {

/// What a statement, or a transaction, may have changed.
struct WriteSet {
    std::vector<TableId> tables;
    bool everything = false;  ///< it is not known what: no table of the database is what it was

    [[nodiscard]] static WriteSet all() { return {.tables = {}, .everything = true}; }
};

/// How a write ended, as far as the server said.
enum class Outcome : std::uint8_t {
    Committed,
    RolledBack,
    Unknown,  ///< the connection was lost: it may be committed yet
};

/// What was known of a read's tables before its statement was sent. Made by TableVersions::stamp().
class Snapshot {
public:
    Snapshot() = default;

    /// @return false: a write of one of the tables was under way, the result may not be kept
    [[nodiscard]] bool is_valid() const { return clock_ != 0; }

    [[nodiscard]] const std::vector<TableId>& tables() const { return tables_; }

    /// @return when the last committed write of any of the tables ended, or TimePoint::min(). A
    /// replica that had not replayed all from before then may not be asked for what is to be kept.
    [[nodiscard]] TimePoint written_at() const { return written_at_; }

private:
    friend class TableVersions;

    std::uint64_t clock_ = 0;
    TimePoint written_at_ = TimePoint::min();
    std::vector<TableId> tables_;
};

/// What makes it safe to keep a result of one database, and to serve it.
///
/// Promised: once end_write() has returned, which is before the client is told of its commit, no
/// request that begins later is served what was read before; and who has seen a new value is not
/// served the old one after it. It holds because
/// - while a write is under way, which is from before its statement is sent, is_blocked() says so
///   of its tables: nobody can see the new value from the server and then the old one from here;
/// - end_write() has the entries dropped while the tables are still blocked;
/// - none comes back: a stamp is void once a write of its tables begins (and none is made while
///   there is one), and run_if_current() asks that under the lock that begin_write() takes. So
///   either an entry is put before the write begins, and dropped at its end, or it is not put.
/// A request that asked is_blocked() just before a write began may be served the old value: it was
/// under way before anybody could see the new one.
/// @thread any
class TableVersions {
public:
    /// So many tables are remembered as written. When there are more, what is known of those that
    /// nobody writes now is forgotten, and all results under way are not kept instead.
    static constexpr std::size_t kTablesMax = 65'536;

    TableVersions() = default;
    TableVersions(const TableVersions&) = delete;
    TableVersions& operator=(const TableVersions&) = delete;
    TableVersions(TableVersions&&) = delete;
    TableVersions& operator=(TableVersions&&) = delete;
    ~TableVersions() = default;

    /// @return whether a write of any of them is under way, or may be. No lock where there is none
    /// in the whole database.
    [[nodiscard]] bool is_blocked(std::span<const TableId> tables, TimePoint now) const;

    /// To be asked for before the statement is sent.
    [[nodiscard]] Snapshot stamp(std::span<const TableId> tables, TimePoint now) const;

    /// @return whether no write of the stamp's tables was under way then, or has begun since
    [[nodiscard]] bool is_current(const Snapshot& stamp) const;

    /// Calls `put` if is_current(), so that no write can begin in between.
    /// @return whether it did
    bool run_if_current(const Snapshot& stamp, const std::function<void()>& put) const;

    /// To be called before what may commit is sent. end_write() must follow with what it returns.
    /// @return what is blocked: `set`, or everything where that is too much to remember
    [[nodiscard]] WriteSet begin_write(WriteSet set, TimePoint now);

    /// To be called before the client is told. Calls `drop` unless it was rolled back: it removes
    /// the entries of these tables.
    /// @param grace for Unknown: so long the tables stay blocked
    ///
    /// Nothing has to be dropped when the grace is over: it was all dropped when it began, and
    /// nothing is put while it lasts.
    void end_write(const WriteSet& set,
                   Outcome outcome,
                   TimePoint now,
                   Duration grace,
                   const std::function<void()>& drop);

    /// No result that is under way now will be kept.
    void invalidate_all();

    /// @return whether no write is under way, or may be
    [[nodiscard]] bool is_quiet(TimePoint now) const;

    /// @return how many tables are remembered
    [[nodiscard]] std::size_t tables() const;

private:
    struct State {
        std::uint32_t writes = 0;   // under way
        std::uint64_t version = 0;  // of clock_, when a write last began or ended
        TimePoint blocked_until = TimePoint::min();
        TimePoint written_at = TimePoint::min();

        [[nodiscard]] bool is_blocked(TimePoint now) const {
            return writes > 0 || now < blocked_until;
        }
    };

    template <class Visitor>
    void for_each_state(const WriteSet& set, Visitor&& visit);
    template <class Predicate>
    [[nodiscard]] bool any_state(std::span<const TableId> tables, Predicate&& is) const;
    [[nodiscard]] bool is_current_locked(const Snapshot& stamp) const;
    void forget_tables(TimePoint now);

    std::atomic<std::uint64_t> writes_{0};                   // under way
    std::atomic<std::int64_t> blocked_until_ns_{INT64_MIN};  // the latest of all

    mutable std::mutex mutex_;  // guards what is below
    std::uint64_t clock_ = 1;   // of this database alone; 0 is no time
    State everything_;          // counts for every table
    std::unordered_map<TableId, State> tables_;
};

}  // namespace weir::cache
