#include "policies/election.hpp"

#include "base/check.hpp"

#include <algorithm>

namespace weir::policies {

namespace {

bool is_reachable(const MemberFacts& facts) {
    return facts.reach == Reach::Reachable;
}

/// @return whether a member says that it takes writes
bool is_claiming(const MemberFacts& facts) {
    return is_reachable(facts) && !facts.in_recovery;
}

}  // namespace

Election::Election(std::size_t members) : members_(members) {}

std::vector<ElectionEvent> Election::hold(std::span<const MemberFacts> facts) {
    WEIR_CHECK(facts.size() == members_.size());
    std::vector<ElectionEvent> events;
    const auto primary_before = primary_;
    notice(facts);
    forget_lost_system(facts);
    primary_ = elect(facts);
    remember_primary(facts);
    settle_contradictions(facts, events);
    settle_roles(facts, events);
    if (primary_ != primary_before) {
        events.push_back(
            {.kind = ElectionEventKind::PrimaryChanged, .from = primary_before, .to = primary_});
    }
    return events;
}

void Election::forget() {
    last_.reset();
}

bool Election::is_split() const {
    return std::any_of(members_.begin(), members_.end(), [](const Memory& one) {
        return one.role == MemberRole::SplitBrain;
    });
}

void Election::notice(Facts facts) {
    for (std::size_t member = 0; member < facts.size(); ++member) {
        Memory& memory = members_[member];
        if (is_claiming(facts[member])) {
            memory.claims_since = memory.claims_since.value_or(facts[member].answered_at);
        } else if (is_reachable(facts[member])) {
            memory.claims_since.reset();
            memory.was_replica = true;
        }
    }
}

void Election::forget_lost_system(Facts facts) {
    if (last_ && std::all_of(facts.begin(), facts.end(), [this](const MemberFacts& one) {
            return is_reachable(one) && is_foreign(one);
        })) {
        forget();
    }
}

bool Election::is_foreign(const MemberFacts& one) const {
    return last_ && last_->system != 0 && one.system != 0 && one.system != last_->system;
}

/// A claim that would lose nobody's writes.
bool Election::may_be_primary(Facts facts, std::size_t member) const {
    const MemberFacts& one = facts[member];
    if (!is_claiming(one) || one.configured == ConfiguredRole::Replica || is_foreign(one)) {
        return false;
    }
    if (!last_ || primary_ == member) {
        return true;
    }
    if (primary_ && !is_reachable(facts[*primary_])) {
        const bool on_same = one.timeline == last_->timeline;
        return one.timeline > last_->timeline || (on_same && members_[member].was_replica);
    }
    return one.timeline >= last_->timeline;
}

bool Election::is_better(Facts facts, std::size_t left, std::size_t right) const {
    if (facts[left].timeline != facts[right].timeline) {
        return facts[left].timeline > facts[right].timeline;
    }
    if (primary_ == left || primary_ == right) {
        return primary_ == left;
    }
    return facts[left].position > facts[right].position;
}

std::optional<std::size_t> Election::elect(Facts facts) const {
    const bool all_were_asked =
        std::none_of(facts.begin(), facts.end(), [](const MemberFacts& one) {
            return one.reach == Reach::NotAskedYet;
        });
    if (!last_ && !all_were_asked) {
        return primary_;
    }
    std::optional<std::size_t> best;
    for (std::size_t member = 0; member < facts.size(); ++member) {
        if (may_be_primary(facts, member) && (!best || is_better(facts, member, *best))) {
            best = member;
        }
    }
    if (!best && primary_ && !is_reachable(facts[*primary_])) {
        return primary_;  // down, and nobody has been promoted
    }
    return best;
}

/// Notes what later claims are compared with.
void Election::remember_primary(Facts facts) {
    if (!primary_answers(facts)) {
        return;
    }
    const MemberFacts& now = facts[*primary_];
    const TimePoint since = members_[*primary_].claims_since.value_or(now.answered_at);
    const std::uint64_t system_before = last_ ? last_->system : 0;
    last_ = LastPrimary{now.timeline, now.system != 0 ? now.system : system_before, since};
}

bool Election::primary_answers(Facts facts) const {
    return primary_ && is_claiming(facts[*primary_]);
}

MemberRole Election::role_of(Facts facts, std::size_t member) const {
    const MemberFacts& one = facts[member];
    if (primary_ == member) {
        return MemberRole::Primary;
    }
    if (!is_reachable(one)) {
        const bool was_replica = members_[member].role == MemberRole::Replica;
        return was_replica ? MemberRole::Replica : MemberRole::Unknown;
    }
    if (is_foreign(one)) {
        return MemberRole::Unknown;
    }
    if (one.in_recovery) {
        return MemberRole::Replica;
    }
    if (one.configured == ConfiguredRole::Replica && !primary_answers(facts)) {
        return MemberRole::Replica;
    }
    return is_proved_split(facts, member) ? MemberRole::SplitBrain : MemberRole::Unknown;
}

/// Of a member out of recovery that is not the primary.
bool Election::is_proved_split(Facts facts, std::size_t member) const {
    const MemberFacts& one = facts[member];
    if (!last_ || one.answered_at < last_->claims_since) {
        return false;  // it may have stepped down since it said so
    }
    if (one.timeline < last_->timeline || members_[member].role == MemberRole::SplitBrain) {
        return true;
    }
    const TimePoint since = members_[member].claims_since.value_or(one.answered_at);
    return primary_ && facts[*primary_].answered_at >= since;
}

void Election::settle_contradictions(Facts facts, std::vector<ElectionEvent>& events) {
    for (std::size_t member = 0; member < facts.size(); ++member) {
        const MemberFacts& one = facts[member];
        const ConfiguredRole opposite =
            one.in_recovery ? ConfiguredRole::Primary : ConfiguredRole::Replica;
        const bool contradicts = one.configured == opposite || is_foreign(one);
        bool& known = members_[member].is_contradicting;
        if (is_reachable(one) && known != contradicts) {
            known = contradicts;
            events.push_back({.kind = contradicts ? ElectionEventKind::ContradictionBegan
                                                  : ElectionEventKind::ContradictionEnded,
                              .member = member});
        }
    }
}

void Election::settle_roles(Facts facts, std::vector<ElectionEvent>& events) {
    const bool was_split = is_split();
    std::optional<std::size_t> changed;  // the member that began the split brain, or ended it
    for (std::size_t member = 0; member < facts.size(); ++member) {
        Memory& memory = members_[member];
        const MemberRole role = role_of(facts, member);
        if (role == memory.role) {
            continue;
        }
        events.push_back({.kind = ElectionEventKind::RoleChanged,
                          .member = member,
                          .role_before = memory.role,
                          .role = role});
        if (role == MemberRole::SplitBrain || role == MemberRole::Primary) {
            memory.was_replica = false;
        }
        if (role == MemberRole::SplitBrain || memory.role == MemberRole::SplitBrain) {
            changed = changed.value_or(member);
        }
        memory.role = role;
    }
    if (changed && is_split() != was_split) {
        events.push_back({.kind = was_split ? ElectionEventKind::SplitBrainEnded
                                            : ElectionEventKind::SplitBrainBegan,
                          .member = *changed});
    }
}

}  // namespace weir::policies
