#pragma once

#include "base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::policies {

/// When the primary had written how far: tells from what a replica has replayed until when it knows
/// everything, and so whether a session that wrote sees its own writes there.
///
/// A session remembers w, when its last write was committed. It may read on a replica when
/// `may_read_own_writes(w, fresh_until(position the replica has replayed))`. That holds because
/// both times are taken on the safe side:
///  - sampled_at is read BEFORE the question for its position is sent to the primary, so whatever
///    was committed at that time is within the position that comes back;
///  - w is read AFTER the answer to the COMMIT was read from the backend, so the commit itself is
///    older than w. It must be the clock at that moment, `Clock::now()`: the time an event loop
///    keeps was read when its event began, and the bytes may have come in after that.
/// With w < sampled_at the commit is thus within the position, and a replica that has replayed the
/// position has replayed the commit.
///
/// The position asked for must be pg_current_wal_insert_lsn(): a commit with synchronous_commit =
/// off is answered before it is written, and pg_current_wal_lsn() would not yet count it. Positions
/// of replicas are pg_last_wal_replay_lsn(); they mean something only on the primary's timeline.
///
/// Memory is bounded: while the primary writes nothing one entry is moved on; above the capacity
/// the oldest goes, and a replica that is further behind counts as never fresh.
///
/// @thread one
class PositionHistory {
public:
    static constexpr std::size_t kCapacityDefault = 1024;

    /// @param capacity how many positions are remembered, at least 1
    explicit PositionHistory(std::size_t capacity = kCapacityDefault);

    enum class Sampled : std::uint8_t {
        Added,
        Ignored,    ///< older than what is known already
        Restarted,  ///< the position went back: what was known belongs to another history
    };

    /// Adds what the primary answered.
    /// @param sampled_at read before the question was sent
    /// @param position bytes, as parse_wal_position() gives it
    Sampled sample(TimePoint sampled_at, std::uint64_t position);

    /// Forgets everything: another member is primary now, or the same on another timeline.
    void restart();

    /// @return until when a replica that has replayed so far knows everything: the latest
    /// sampled_at
    ///         whose position it has reached; TimePoint::min() when it has reached none
    /// @cost O(log capacity)
    [[nodiscard]] TimePoint fresh_until(std::uint64_t replay_position) const;

    [[nodiscard]] std::size_t size() const { return size_; }

private:
    struct Entry {
        TimePoint sampled_at;
        std::uint64_t position = 0;
    };

    /// @param age 0 = the oldest
    [[nodiscard]] const Entry& entry(std::size_t age) const;
    [[nodiscard]] Entry& newest();

    std::vector<Entry> ring_;  ///< positions and times both grow strictly from oldest to newest
    std::size_t oldest_ = 0;
    std::size_t size_ = 0;
};

/// @param wrote_at when the session's last commit was answered; TimePoint::min() = it wrote nothing
/// @return whether a replica that is fresh until then shows the session its own writes
[[nodiscard]] constexpr bool may_read_own_writes(TimePoint wrote_at, TimePoint fresh_until) {
    return wrote_at == TimePoint::min() || wrote_at < fresh_until;
}

}  // namespace weir::policies
