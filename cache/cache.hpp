#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "cache/database.hpp"
#include "cache/draft.hpp"
#include "cache/entry.hpp"
#include "cache/flights.hpp"
#include "cache/key.hpp"
#include "cache/local_store.hpp"
#include "cache/table_versions.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::cache {

class Cache;

/// A read that may be answered from the cache.
///
/// One statement outside of a transaction, or the only one in its own: what a transaction sees may
/// be older than when it asks. All of it is needed during begin_read() only, but for the follower.
struct ReadRequest {
    KeyView key;
    const DatabasePtr& database;
    std::span<const TableId> tables;  ///< that it reads, sorted, each once
    Follower& follower;               ///< told, if it has to wait
    const std::shared_ptr<Mailbox>& mailbox;
    bool may_wait = true;  ///< false: where another one reads it, it is read without the cache
};

enum class ReadAction : std::uint8_t {
    Hit,     ///< here is the entry
    Wait,    ///< another one reads it; the follower will be told
    Run,     ///< read it, and end_read() or Leader::fail()
    Bypass,  ///< read it, without the cache
};

struct ReadStart {
    ReadAction action = ReadAction::Bypass;
    EntryPtr entry;                         ///< Hit
    Freshness freshness = Freshness::Miss;  ///< of the entry
    Waiting waiting;  ///< Wait: to be kept until the follower is told; destroying it is leaving
    Leader leader;    ///< Run
};

/// What a leader has read.
struct ReadResult {
    std::span<const ByteView> reply;  ///< the frames, in pieces, without ReadyForQuery
    std::uint64_t digest = 0;
    std::uint64_t rows = 0;
    std::uint64_t server_us = 0;
    Duration fresh_for{};  ///< 0: only for those who wait for it
    Duration stale_for{};  ///< after that
};

enum class ReadEnd : std::uint8_t {
    Kept,
    NotKept,   ///< a write came in between; those who waited have got it
    TooLarge,  ///< for an entry, or for the room there is: those who waited read for themselves
};

/// A write that is under way. One that is destroyed before end() ends Outcome::Unknown.
/// @thread any, one at a time
class Writing {
public:
    Writing() = default;
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;
    Writing(Writing&& other) noexcept = default;
    Writing& operator=(Writing&& other) noexcept;
    ~Writing();

    [[nodiscard]] explicit operator bool() const { return database_ != nullptr; }

    /// To be called before the client is told of the outcome.
    void end(Outcome outcome, TimePoint now);

private:
    friend class Cache;

    Writing(Cache& cache, DatabasePtr database, WriteSet set);

    Cache* cache_ = nullptr;
    DatabasePtr database_;  // nullptr: ended
    WriteSet set_;
};

/// Sums since the start, and what there is now. What became of reads is counted by who asks.
struct Statistics {
    std::uint64_t evictions = 0;
    std::uint64_t drops = 0;
    std::uint64_t expired = 0;
    std::uint64_t not_kept = 0;  ///< results that a write made old, or that were too large
    std::size_t bytes = 0;
    std::size_t entries = 0;
};

/// The results of reads that this process keeps, the versions of the tables they were read from,
/// and the reads that are under way: all that workers share of the cache.
///
/// What is promised to clients is in TableVersions. Must outlive every Writing; entries, leaders
/// and those who wait may outlive it.
/// @thread any
class Cache {
public:
    /// After a connection was lost with a commit under way the server may still commit.
    static constexpr std::chrono::seconds kGrace{60};
    /// More than that are forgotten when nobody uses them.
    static constexpr std::size_t kDatabasesMax = 1024;

    explicit Cache(const Limits& limits, Duration grace = kGrace);
    Cache(const Cache&) = delete;
    Cache& operator=(const Cache&) = delete;
    Cache(Cache&&) = delete;
    Cache& operator=(Cache&&) = delete;
    ~Cache() = default;

    /// @param name of the database and whatever else tells it from others of that name
    /// @return the same for the same name; to be kept for as long as it is used
    [[nodiscard]] DatabasePtr database(std::string_view name, TimePoint now);

    /// @return all that have been asked for
    [[nodiscard]] std::vector<DatabasePtr> databases();

    /// To be called before anything of the statement is sent.
    [[nodiscard]] ReadStart begin_read(const ReadRequest& request, TimePoint now);

    /// What a reply that may be kept is collected in.
    [[nodiscard]] Draft draft() { return Draft{store_}; }

    /// After the last message of the reply, if it was a success.
    ReadEnd end_read(Leader leader, const ReadResult& result, TimePoint now);

    /// The same of what another process has read: the server has had nothing to do.
    /// @return nullptr: it is too large; those who waited read for themselves
    [[nodiscard]] EntryPtr take_over(Leader leader, const ReadResult& result, TimePoint now);

    /// To be called before what may commit is sent: a COMMIT, or a statement outside of a
    /// transaction.
    [[nodiscard]] Writing begin_write(const DatabasePtr& database, WriteSet set, TimePoint now);

    /// Drop what is there, and what is being read now is not kept. All return how many entries.
    std::size_t clear();
    std::size_t clear(const DatabasePtr& database);
    std::size_t clear(const DatabasePtr& database, std::span<const TableId> tables, TimePoint now);
    /// @param pattern of the statement's text, all of it; * stands for any characters. What is
    /// being read now is kept.
    std::size_t clear_matching(std::string_view pattern);

    /// Shrinks at once where there is less room than before.
    void configure(const Limits& limits) { store_.configure(limits); }

    /// @return what a reply may have, to be kept: past it Leader::give_up() is due
    [[nodiscard]] std::size_t entry_bytes_max() const { return store_.limits().entry_bytes_max; }

    [[nodiscard]] Statistics statistics() const;

private:
    friend class Writing;

    void end_write(Database& database, const WriteSet& set, Outcome outcome, TimePoint now);
    std::size_t drop(const Database& database, const WriteSet& set);
    [[nodiscard]] ReadStart lead(Leader leader, TimePoint now);

    struct Landing {
        EntryPtr entry;  // nullptr: it was too large
        bool is_kept = false;
    };

    [[nodiscard]] Landing land(Leader leader, const ReadResult& result, TimePoint now);
    void forget_databases(TimePoint now);

    const Duration grace_;
    LocalStore store_;
    std::shared_ptr<Flights> flights_;
    std::atomic<std::uint64_t> not_kept_{0};

    std::mutex mutex_;  // guards the databases
    std::map<std::string, DatabasePtr, std::less<>> databases_;
    DatabaseId last_id_ = 0;
};

}  // namespace weir::cache
