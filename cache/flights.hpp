#pragma once

#include "cache/database.hpp"
#include "cache/entry.hpp"
#include "cache/key.hpp"
#include "cache/table_versions.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace weir::cache {

class Flights;
class Leader;

/// The way to a thread, for those who wait on it.
class Mailbox {
public:
    Mailbox() = default;
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;
    Mailbox(Mailbox&&) = delete;
    Mailbox& operator=(Mailbox&&) = delete;
    virtual ~Mailbox() = default;

    /// Has it run on that thread, later; not before this returns. Where the thread runs nothing any
    /// more it is destroyed instead.
    /// @thread any
    virtual void post(std::function<void()> message) = 0;
};

/// Who waits for what another one reads. Exactly one of these is called, unless the follower's
/// Waiting is destroyed before; inside of it Waiting may be destroyed.
/// @thread its mailbox's
class Follower {
public:
    Follower() = default;
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;
    Follower(Follower&&) = delete;
    Follower& operator=(Follower&&) = delete;
    virtual ~Follower() = default;

    /// This is the result.
    virtual void on_landed(EntryPtr entry) = 0;
    /// The one who read has failed: read in its place. The others go on waiting.
    virtual void on_promoted(Leader leader) = 0;
    /// There will be no result to share: read for yourself.
    virtual void on_alone() = 0;
};

namespace detail {

struct Flight;
struct Seat;

using SeatPtr = std::shared_ptr<Seat>;
using Seats = std::list<SeatPtr>;

/// A follower's place. Outlives it where a message to it is under way.
struct Seat {
    Follower* follower = nullptr;  // of its thread alone; nullptr: it has left, or was told
    std::shared_ptr<Mailbox> mailbox;
    bool is_taken = false;  // it is among its flight's
    Seats::iterator place;  // if so
};

}  // namespace detail

/// The duty to read for all who wait: it ends with land(), give_up() or fail(). One that is
/// destroyed before, because its client has left, is passed on to the next.
/// @thread any, one at a time
class Leader {
public:
    Leader() = default;
    Leader(const Leader&) = delete;
    Leader& operator=(const Leader&) = delete;
    Leader(Leader&& other) noexcept = default;

    Leader& operator=(Leader&& other) noexcept {
        if (this != &other) {
            end();
            flights_ = std::move(other.flights_);
            flight_ = std::move(other.flight_);
        }
        return *this;
    }

    ~Leader() { end(); }

    [[nodiscard]] explicit operator bool() const { return flight_ != nullptr; }

    [[nodiscard]] KeyView key() const;
    [[nodiscard]] const DatabasePtr& database() const;

    /// @return what was known before the statement was sent
    [[nodiscard]] const Snapshot& stamp() const;

    /// Of a promoted one, before its statement is sent: what the one before knew is old.
    void renew_stamp(TimePoint now);

    /// Gives the result to all who wait. They joined while the stamp held (see Flights::join), so
    /// it is not too old for any of them, also where it may not be kept.
    /// @return how many they are
    std::size_t land(const EntryPtr& entry);

    /// The statement failed, and might not for another: one of those who wait is promoted; unless
    /// too many have failed already, then all read for themselves.
    void fail();

    /// The result cannot be shared: all who wait read for themselves.
    void give_up();

private:
    friend class Flights;

    Leader(std::shared_ptr<Flights> flights, std::shared_ptr<detail::Flight> flight);

    void end() {
        if (flight_ != nullptr) {
            pass_on();
        }
    }

    void pass_on();

    std::shared_ptr<Flights> flights_;
    std::shared_ptr<detail::Flight> flight_;
};

/// A follower's hold on its flight: destroying it is leaving.
/// @thread its mailbox's
class Waiting {
public:
    Waiting() = default;
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    Waiting(Waiting&& other) noexcept = default;
    Waiting& operator=(Waiting&& other) noexcept;
    ~Waiting();

    [[nodiscard]] explicit operator bool() const { return flight_ != nullptr; }

    void leave();

private:
    friend class Flights;

    Waiting(std::shared_ptr<Flights> flights,
            std::shared_ptr<detail::Flight> flight,
            detail::SeatPtr seat);

    std::shared_ptr<Flights> flights_;
    std::shared_ptr<detail::Flight> flight_;
    detail::SeatPtr seat_;
};

/// Who wants to join which flight.
struct JoinRequest {
    KeyView key;
    const DatabasePtr& database;
    Follower& follower;
    const std::shared_ptr<Mailbox>& mailbox;
};

/// What became of join(): one of the two, or neither where too many wait.
struct Joined {
    Leader leader;
    Waiting waiting;
};

/// Identical reads that are under way: one reads, the others wait for it.
/// @thread any
class Flights : public std::enable_shared_from_this<Flights> {
public:
    static constexpr std::size_t kFollowersMax = 10'000;
    /// What fails so often fails for a reason that all share: then they need not fail in turn.
    static constexpr std::size_t kFailuresMax = 3;

    Flights() = default;

    /// Waits for the flight of that key, or leads one where there is none.
    ///
    /// One whose stamp does not hold any more is not joined but replaced: its result may be from
    /// before a write that has ended, and a new one is led. Those who wait for it already asked
    /// before that write began, so it goes on for them.
    /// @param stamp of the caller, valid
    [[nodiscard]] Joined join(const JoinRequest& request, Snapshot stamp);

    /// @return the lead of a new flight; none where there is one whose stamp holds
    [[nodiscard]] Leader lead(KeyView key, const DatabasePtr& database, Snapshot stamp);

    /// @return how many may be joined
    [[nodiscard]] std::size_t size() const;

private:
    friend class Leader;
    friend class Waiting;
    using Flight = detail::Flight;
    using FlightPtr = std::shared_ptr<Flight>;
    using SeatPtr = detail::SeatPtr;
    using Seats = detail::Seats;

    enum class Because : std::uint8_t { Failed, Left };

    struct Shard {
        mutable std::mutex mutex;  // guards the table, and the flights in or from it
        std::unordered_map<KeyView, FlightPtr, KeyHash> flights;
    };

    static constexpr std::size_t kShards = 16;

    Shard& shard_of(const KeyView& key) {
        constexpr unsigned kTopBits = 60;
        return shards_[key.hash >> kTopBits];
    }

    [[nodiscard]] static FlightPtr joinable(const Shard& shard, const KeyView& key);
    [[nodiscard]] Leader start(Shard& shard,
                               KeyView key,
                               const DatabasePtr& database,
                               Snapshot stamp);
    static void unlist(Shard& shard, Flight& flight);
    [[nodiscard]] static Seats take_seats(Flight& flight);
    [[nodiscard]] Seats end(Flight& flight);
    void hand_on(const FlightPtr& flight, Because because);
    void leave(Flight& flight, detail::Seat& seat);

    std::array<Shard, kShards> shards_;
};

}  // namespace weir::cache
