#include "policies/election.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using weir::TimePoint;
using weir::policies::ConfiguredRole;
using weir::policies::Election;
using weir::policies::ElectionEvent;
using weir::policies::ElectionEventKind;
using weir::policies::MemberFacts;
using weir::policies::MemberRole;
using weir::policies::Reach;

namespace {

constexpr std::size_t kMembers = 4;

/// Answers that no cluster would give, too.
class Chaos {
public:
    explicit Chaos(std::uint64_t seed) : random_{seed} {
        for (MemberFacts& one : facts) {
            one.configured = static_cast<ConfiguredRole>(below(6) < 4 ? 0 : below(3));
        }
    }

    void step() {
        now += 1s;
        for (MemberFacts& one : facts) {
            switch (below(6)) {
                case 0: one.reach = Reach::Unreachable; break;
                case 1: break;  // no news
                default:
                    one.reach = Reach::Reachable;
                    one.in_recovery = below(4) != 0 ? one.in_recovery : below(2) == 0;
                    one.timeline += below(8) == 0 ? 1U : 0U;
                    one.timeline -= one.timeline > 1 && below(16) == 0 ? 1U : 0U;
                    one.position = below(1000);
                    one.system = below(20) == 0 ? below(3) : one.system;
                    one.answered_at = now;
            }
        }
    }

    std::vector<MemberFacts> facts = std::vector<MemberFacts>(kMembers);
    TimePoint now{1h};

private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

    std::mt19937_64 random_;
};

void check_roles(const Election& election, const std::vector<MemberFacts>& facts) {
    for (std::size_t member = 0; member < kMembers; ++member) {
        const MemberRole role = election.role(member);
        const MemberFacts& one = facts[member];
        REQUIRE((role == MemberRole::Primary) == (election.primary() == member));
        if (role == MemberRole::Primary) {
            REQUIRE(one.configured != ConfiguredRole::Replica);
            REQUIRE((one.reach == Reach::Unreachable || !one.in_recovery));
        }
        if (role == MemberRole::SplitBrain) {
            REQUIRE(one.reach == Reach::Reachable);
            REQUIRE_FALSE(one.in_recovery);
        }
        if (role == MemberRole::Replica && one.reach == Reach::Reachable) {
            REQUIRE((one.in_recovery || one.configured == ConfiguredRole::Replica));
        }
    }
}

}  // namespace

TEST_SUITE("election under chaos") {
    TEST_CASE("election: whatever is answered, roles are safe and events tell every change") {
        for (std::uint64_t seed = 1; seed <= 8; ++seed) {
            CAPTURE(seed);
            Chaos chaos{seed};
            Election election{kMembers};
            std::vector<MemberRole> known(kMembers, MemberRole::Unknown);
            std::optional<std::size_t> primary;
            bool split = false;
            for (int step = 0; step < 100; ++step) {
                chaos.step();
                for (const ElectionEvent& event : election.hold(chaos.facts)) {
                    switch (event.kind) {
                        case ElectionEventKind::RoleChanged:
                            REQUIRE(known.at(event.member) == event.role_before);
                            known.at(event.member) = event.role;
                            break;
                        case ElectionEventKind::PrimaryChanged:
                            REQUIRE(primary == event.from);
                            primary = event.to;
                            break;
                        case ElectionEventKind::SplitBrainBegan:
                        case ElectionEventKind::SplitBrainEnded:
                            REQUIRE(split != (event.kind == ElectionEventKind::SplitBrainBegan));
                            split = !split;
                            break;
                        case ElectionEventKind::ContradictionBegan:
                        case ElectionEventKind::ContradictionEnded: break;
                    }
                }
                REQUIRE(primary == election.primary());
                REQUIRE(split == election.is_split());
                for (std::size_t member = 0; member < kMembers; ++member) {
                    REQUIRE(known[member] == election.role(member));
                }
                check_roles(election, chaos.facts);
                REQUIRE(election.hold(chaos.facts).empty());  // the same facts change nothing
            }
        }
    }
}
