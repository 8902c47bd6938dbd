#pragma once

#include "base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace weir::policies {

/// What the configuration says about a member.
enum class ConfiguredRole : std::uint8_t {
    Auto,     ///< ask it
    Primary,  ///< it should be the primary; ask it all the same
    Replica,  ///< never written to, whatever it says
};

/// What a member is, and so what it may be used for.
enum class MemberRole : std::uint8_t {
    Unknown,     ///< never asked, or what it last said is no longer true: for nothing
    Primary,     ///< for everything; where it is down, for nothing until it is back or replaced
    Replica,     ///< for reads
    SplitBrain,  ///< not in recovery although another is primary: for nothing
};

/// @return "unknown", "primary", "replica" or "split_brain"
[[nodiscard]] constexpr std::string_view name_of(MemberRole role) {
    switch (role) {
        case MemberRole::Unknown: return "unknown";
        case MemberRole::Primary: return "primary";
        case MemberRole::Replica: return "replica";
        case MemberRole::SplitBrain: return "split_brain";
    }
    return "unknown";
}

enum class Reach : std::uint8_t {
    NotAskedYet,  ///< since the election began there was neither an answer nor a failure
    Reachable,    ///< its last probe was answered
    Unreachable,  ///< it was not, or the breaker is open
};

/// What is known about one member from its last answered probe.
struct MemberFacts {
    ConfiguredRole configured = ConfiguredRole::Auto;
    Reach reach = Reach::NotAskedYet;
    bool in_recovery = true;  ///< pg_is_in_recovery(); this and what follows mean nothing before
                              ///< the first answer
    /// Of a primary: the first eight hexadecimal digits of pg_walfile_name(pg_current_wal_lsn()).
    /// Not pg_control_checkpoint(): that shows the old timeline for a while after a promotion. Of a
    /// replica it is not looked at.
    std::uint32_t timeline = 0;
    std::uint64_t position = 0;  ///< of a primary: how far it has written, bytes
    std::uint64_t system = 0;    ///< pg_control_system().system_identifier; 0 = not known
    TimePoint answered_at{};     ///< when the answer was read
};

enum class ElectionEventKind : std::uint8_t {
    PrimaryChanged,      ///< `from` and `to` are members; empty = none
    RoleChanged,         ///< of `member`, from `role_before` to `role`
    SplitBrainBegan,     ///< `member` is the first in SplitBrain
    SplitBrainEnded,     ///< no member is any more; `member` was the last
    ContradictionBegan,  ///< `member` is not what is configured: a primary in recovery, a replica
                         ///< out of it, or a member of another system than the primary
    ContradictionEnded,
};

/// A change for the log and the counters.
struct ElectionEvent {
    ElectionEventKind kind = ElectionEventKind::RoleChanged;
    std::size_t member = 0;
    MemberRole role_before = MemberRole::Unknown;
    MemberRole role = MemberRole::Unknown;
    std::optional<std::size_t> from{};
    std::optional<std::size_t> to{};

    bool operator==(const ElectionEvent&) const = default;
};

/// Who is primary now, and what the other members of a cluster are, from what probes found.
///
/// The primary is who is reachable, not in recovery and not configured as a replica. Of several the
/// one on the newest timeline, because a promotion begins a new one; of those alike the present
/// primary, else who has written most. Everybody else out of recovery is what a failover left
/// behind and not used, not even for reads: Unknown at first, because one of the two answers may be
/// older than a change of roles that is under way, and SplitBrain once the answers prove that both
/// were out of recovery at once, or that it is on a timeline the primary has left.
///
/// A primary that is down stays the primary, down, until somebody else is seen to be promoted: out
/// of recovery on a newer timeline, or on the same after it was seen in recovery (a standby
/// restarted without its signal file). Who is on an older timeline than the last primary never
/// becomes it, also while there is none: writes there would be lost. Only that primary itself may
/// go back (it was restored). Nor does a member of another system become it, or serve reads. The
/// memory of the last primary ends where every member answers and none belongs to its system (the
/// cluster was made anew), or by forget().
///
/// A member that is configured as a replica and out of recovery serves reads while no primary
/// answers; beside one it is SplitBrain as any other.
///
/// The first primary is chosen when every member has answered or failed to, so that a leftover that
/// answers first gets no writes.
///
/// An unreachable replica stays a replica: reachability is the caller's to look at before it uses
/// anybody. Any other member that is unreachable is Unknown.
///
/// @thread one
class Election {
public:
    /// @param members how many there are; their indexes are those of the facts
    explicit Election(std::size_t members);

    /// Decides anew.
    /// @param facts one per member
    /// @return what has changed: contradictions, roles, then split brain, then the primary
    [[nodiscard]] std::vector<ElectionEvent> hold(std::span<const MemberFacts> facts);

    /// Forgets which timeline and system the primary was on: an operator says that the cluster went
    /// back to an older one. The next hold() takes who is there.
    void forget();

    /// @return the primary, reachable or not
    [[nodiscard]] std::optional<std::size_t> primary() const { return primary_; }

    [[nodiscard]] MemberRole role(std::size_t member) const { return members_.at(member).role; }

    /// @return whether the member is not what is configured, by its last answer
    [[nodiscard]] bool is_contradicting(std::size_t member) const {
        return members_.at(member).is_contradicting;
    }

    /// @return whether any member is in SplitBrain
    [[nodiscard]] bool is_split() const;

private:
    using Facts = std::span<const MemberFacts>;

    /// What we remember of a member besides its last facts.
    struct Memory {
        MemberRole role = MemberRole::Unknown;
        bool is_contradicting = false;
        bool was_replica =
            false;  ///< seen in recovery, and since then neither Primary nor SplitBrain
        std::optional<TimePoint> claims_since;  ///< its first answer that it is out of recovery
    };

    void notice(Facts facts);
    void forget_lost_system(Facts facts);
    [[nodiscard]] bool is_foreign(const MemberFacts& one) const;
    [[nodiscard]] bool may_be_primary(Facts facts, std::size_t member) const;
    [[nodiscard]] bool is_better(Facts facts, std::size_t left, std::size_t right) const;
    [[nodiscard]] std::optional<std::size_t> elect(Facts facts) const;
    void remember_primary(Facts facts);
    [[nodiscard]] MemberRole role_of(Facts facts, std::size_t member) const;
    [[nodiscard]] bool is_proved_split(Facts facts, std::size_t member) const;
    [[nodiscard]] bool primary_answers(Facts facts) const;
    void settle_contradictions(Facts facts, std::vector<ElectionEvent>& events);
    void settle_roles(Facts facts, std::vector<ElectionEvent>& events);

    /// The last primary, also when there is none now.
    struct LastPrimary {
        std::uint32_t timeline = 0;
        std::uint64_t system = 0;
        TimePoint claims_since{};
    };

    std::vector<Memory> members_;
    std::optional<std::size_t> primary_;
    std::optional<LastPrimary> last_;
};

}  // namespace weir::policies
