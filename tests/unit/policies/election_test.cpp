#include "policies/election.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using weir::TimePoint;
using weir::policies::ConfiguredRole;
using weir::policies::Election;
using weir::policies::ElectionEvent;
using weir::policies::ElectionEventKind;
using weir::policies::MemberFacts;
using weir::policies::MemberRole;
using weir::policies::name_of;
using weir::policies::Reach;

namespace {

/// A cluster whose members a test moves about; every round() is one round of probes.
class Cluster {
public:
    explicit Cluster(std::size_t members) : facts(members), election{members} {}

    void primary(std::size_t member, std::uint32_t timeline = 1, std::uint64_t position = 100) {
        answer(member);
        facts[member].in_recovery = false;
        facts[member].timeline = timeline;
        facts[member].position = position;
    }

    void replica(std::size_t member) {
        answer(member);
        facts[member].in_recovery = true;
        facts[member].timeline = 0;
    }

    void down(std::size_t member) { facts[member].reach = Reach::Unreachable; }

    /// Decides with everybody who is reachable having answered just now.
    const std::vector<ElectionEvent>& round() {
        now += 1s;
        for (std::size_t member = 0; member < facts.size(); ++member) {
            if (facts[member].reach == Reach::Reachable) {
                answer(member);
            }
        }
        return decide();
    }

    /// Decides with nobody but these having answered since.
    const std::vector<ElectionEvent>& decide() {
        events = election.hold(facts);
        return events;
    }

    [[nodiscard]] MemberRole role(std::size_t member) const { return election.role(member); }

    [[nodiscard]] long count(ElectionEventKind kind) const {
        return std::count_if(events.begin(), events.end(), [kind](const ElectionEvent& event) {
            return event.kind == kind;
        });
    }

    std::vector<MemberFacts> facts;
    std::vector<ElectionEvent> events;
    Election election;
    TimePoint now{1h};

private:
    void answer(std::size_t member) {
        facts[member].reach = Reach::Reachable;
        facts[member].answered_at = now;
    }
};

/// A primary 0 on timeline 1 with replicas, already elected.
Cluster healthy(std::size_t members = 3) {
    Cluster cluster{members};
    cluster.primary(0);
    for (std::size_t member = 1; member < members; ++member) {
        cluster.replica(member);
    }
    cluster.round();
    REQUIRE(cluster.election.primary() == 0);
    REQUIRE(cluster.round().empty());
    return cluster;
}

}  // namespace

TEST_SUITE("election") {
    TEST_CASE("election: who is not in recovery is the primary, the others are replicas") {
        Cluster cluster{3};
        cluster.replica(0);
        cluster.primary(1);
        cluster.replica(2);
        cluster.round();
        CHECK(cluster.election.primary() == 1);
        CHECK(cluster.role(0) == MemberRole::Replica);
        CHECK(cluster.role(1) == MemberRole::Primary);
        CHECK(cluster.role(2) == MemberRole::Replica);
        CHECK(cluster.count(ElectionEventKind::RoleChanged) == 3);
        CHECK(cluster.events.back() == ElectionEvent{.kind = ElectionEventKind::PrimaryChanged,
                                                     .from = std::nullopt,
                                                     .to = 1});
        CHECK(cluster.round().empty());
    }

    TEST_CASE("election: there is no primary where all are in recovery, or nobody is there") {
        Cluster cluster{2};
        cluster.replica(0);
        cluster.replica(1);
        cluster.round();
        CHECK_FALSE(cluster.election.primary());
        Cluster gone{2};
        gone.down(0);
        gone.down(1);
        CHECK(gone.round().empty());
        CHECK_FALSE(gone.election.primary());
        Election empty{0};
        CHECK(empty.hold({}).empty());
    }

    TEST_CASE("election: the first primary waits until everybody was asked") {
        Cluster cluster{2};
        cluster.primary(1, 4);
        cluster.round();
        CHECK_FALSE(cluster.election.primary());
        CHECK(cluster.role(1) == MemberRole::Unknown);
        SUBCASE("and is the one on the newest timeline then") {
            cluster.primary(0, 5);
            cluster.round();
            CHECK(cluster.election.primary() == 0);
        }
        SUBCASE("or could not be") {
            cluster.down(0);
            cluster.round();
            CHECK(cluster.election.primary() == 1);
        }
    }

    TEST_CASE("election: a primary that is down stays the primary while nobody is promoted") {
        Cluster cluster = healthy();
        cluster.down(0);
        for (int i = 0; i < 100; ++i) {
            CHECK(cluster.round().empty());
            CHECK(cluster.election.primary() == 0);
            CHECK(cluster.role(0) == MemberRole::Primary);
        }
        cluster.primary(0);
        CHECK(cluster.round().empty());
    }

    TEST_CASE("election: a promoted replica takes over from a primary that is down") {
        Cluster cluster = healthy();
        cluster.down(0);
        cluster.round();
        cluster.primary(2, 2);
        cluster.round();
        CHECK(cluster.election.primary() == 2);
        CHECK(cluster.role(0) == MemberRole::Unknown);
        CHECK(cluster.role(1) == MemberRole::Replica);
        CHECK(cluster.count(ElectionEventKind::PrimaryChanged) == 1);
        CHECK(cluster.events.back().from == 0);
        CHECK(cluster.events.back().to == 2);
        CHECK_FALSE(cluster.election.is_split());

        SUBCASE("who comes back as a second primary is split off, and never used") {
            cluster.primary(0, 1, 999999);
            cluster.round();
            CHECK(cluster.election.primary() == 2);
            CHECK(cluster.role(0) == MemberRole::SplitBrain);
            CHECK(cluster.count(ElectionEventKind::SplitBrainBegan) == 1);
            CHECK(cluster.count(ElectionEventKind::PrimaryChanged) == 0);
            for (int i = 0; i < 10; ++i) {
                CHECK(cluster.round().empty());
            }
            SUBCASE("until it follows") {
                cluster.replica(0);
                cluster.round();
                CHECK(cluster.role(0) == MemberRole::Replica);
                CHECK(cluster.count(ElectionEventKind::SplitBrainEnded) == 1);
            }
            SUBCASE("or is gone") {
                cluster.down(0);
                cluster.round();
                CHECK(cluster.role(0) == MemberRole::Unknown);
                CHECK(cluster.count(ElectionEventKind::SplitBrainEnded) == 1);
            }
            SUBCASE("and does not get its place back when the new primary is down") {
                cluster.down(2);
                cluster.round();
                CHECK(cluster.election.primary() == 2);
                CHECK(cluster.role(0) == MemberRole::SplitBrain);
            }
            SUBCASE("nor while the new primary steps down for another") {
                cluster.replica(2);
                cluster.round();
                CHECK_FALSE(cluster.election.primary());
                CHECK(cluster.role(0) == MemberRole::SplitBrain);
                cluster.primary(1, 3);
                cluster.round();
                CHECK(cluster.election.primary() == 1);
                CHECK(cluster.role(0) == MemberRole::SplitBrain);
                CHECK(cluster.count(ElectionEventKind::SplitBrainBegan) == 0);
            }
        }
        SUBCASE("who comes back as a replica is one") {
            cluster.replica(0);
            cluster.round();
            CHECK(cluster.role(0) == MemberRole::Replica);
            CHECK(cluster.count(ElectionEventKind::SplitBrainBegan) == 0);
        }
    }

    TEST_CASE("election: a promotion seen before the failure is no split brain") {
        Cluster cluster = healthy();
        cluster.now += 1s;
        cluster.primary(1, 2);  // the primary's last answer is a second old, it died since
        cluster.decide();
        CHECK(cluster.election.primary() == 1);
        CHECK(cluster.role(0) == MemberRole::Unknown);
        CHECK_FALSE(cluster.election.is_split());
        SUBCASE("if it is down") {
            cluster.down(0);
            cluster.round();
            CHECK(cluster.count(ElectionEventKind::SplitBrainBegan) == 0);
        }
        SUBCASE("but is one if it still answers") {
            cluster.round();
            CHECK(cluster.role(0) == MemberRole::SplitBrain);
            CHECK(cluster.count(ElectionEventKind::SplitBrainBegan) == 1);
        }
    }

    TEST_CASE("election: a planned switchover is two changes and no alarm") {
        Cluster cluster = healthy();
        cluster.replica(0);
        cluster.round();
        CHECK_FALSE(cluster.election.primary());
        CHECK(cluster.role(0) == MemberRole::Replica);
        CHECK(cluster.events.back().from == 0);
        CHECK_FALSE(cluster.events.back().to);
        cluster.primary(1, 2);
        cluster.round();
        CHECK(cluster.election.primary() == 1);
        CHECK_FALSE(cluster.election.is_split());
    }

    TEST_CASE("election: of two on one timeline the present primary stays, whoever wrote more") {
        Cluster cluster = healthy();
        cluster.primary(1, 1, 100000);
        for (std::size_t i = 0; i < 10; ++i) {
            cluster.facts[i % 2].position += 1000000;
            cluster.round();
            CHECK(cluster.election.primary() == 0);
            CHECK(cluster.role(1) == MemberRole::SplitBrain);
            CHECK(cluster.count(ElectionEventKind::PrimaryChanged) == 0);
        }
        SUBCASE("also while it is down: the other was no replica of it any more") {
            cluster.down(0);
            cluster.round();
            CHECK(cluster.election.primary() == 0);
            CHECK(cluster.role(1) == MemberRole::SplitBrain);
        }
    }

    TEST_CASE("election: of two found on one timeline at first, who has written more is it") {
        Cluster cluster{3};
        cluster.primary(0, 3, 100);
        cluster.primary(1, 3, 200);
        cluster.primary(2, 2, 900);
        cluster.round();
        CHECK(cluster.election.primary() == 1);
        CHECK(cluster.role(0) == MemberRole::SplitBrain);
        CHECK(cluster.role(2) == MemberRole::SplitBrain);
        cluster.facts[0].position = 500;
        CHECK(cluster.round().empty());
    }

    TEST_CASE("election: a standby restarted without its signal file takes over on its timeline") {
        Cluster cluster = healthy();
        SUBCASE("after the primary was seen down") {
            cluster.down(0);
            cluster.down(1);
            cluster.round();
            CHECK(cluster.role(1) == MemberRole::Replica);
        }
        SUBCASE("before it was") {
            cluster.now += 1s;
            cluster.primary(1, 1);
            cluster.decide();
            CHECK(cluster.election.primary() == 0);
            CHECK(cluster.role(1) == MemberRole::Unknown);
            cluster.down(0);
        }
        cluster.primary(1, 1);
        cluster.round();
        CHECK(cluster.election.primary() == 1);
        CHECK_FALSE(cluster.election.is_split());
        cluster.primary(0, 1);
        cluster.round();
        CHECK(cluster.election.primary() == 1);
        CHECK(cluster.role(0) == MemberRole::SplitBrain);
    }

    TEST_CASE("election: a second promotion while the first primary still answers takes over") {
        Cluster cluster = healthy();
        cluster.primary(1, 2);
        cluster.round();
        CHECK(cluster.election.primary() == 1);
        CHECK(cluster.role(0) == MemberRole::SplitBrain);
        cluster.primary(2, 3);
        cluster.round();
        CHECK(cluster.election.primary() == 2);
        CHECK(cluster.role(1) == MemberRole::SplitBrain);
        CHECK(cluster.count(ElectionEventKind::SplitBrainBegan) == 0);  // it went on
    }

    TEST_CASE("election: a configured primary in recovery is reported and not written to") {
        Cluster cluster{2};
        cluster.facts[0].configured = ConfiguredRole::Primary;
        cluster.replica(0);
        cluster.replica(1);
        cluster.round();
        CHECK_FALSE(cluster.election.primary());
        CHECK(cluster.election.is_contradicting(0));
        CHECK_FALSE(cluster.election.is_contradicting(1));
        CHECK(cluster.role(0) == MemberRole::Replica);
        CHECK(cluster.count(ElectionEventKind::ContradictionBegan) == 1);
        cluster.down(0);
        cluster.round();
        CHECK(cluster.election.is_contradicting(0));
        cluster.primary(0);
        cluster.round();
        CHECK(cluster.election.primary() == 0);
        CHECK(cluster.count(ElectionEventKind::ContradictionEnded) == 1);
    }

    TEST_CASE("election: a configured replica out of recovery is never written to") {
        Cluster cluster{2};
        cluster.facts[1].configured = ConfiguredRole::Replica;
        cluster.primary(0, 1);
        cluster.primary(1, 9);
        cluster.round();
        CHECK(cluster.election.primary() == 0);
        CHECK(cluster.role(1) == MemberRole::SplitBrain);
        CHECK(cluster.election.is_contradicting(1));
        cluster.down(0);
        cluster.round();
        CHECK(cluster.election.primary() == 0);
        CHECK(cluster.role(1) == MemberRole::Replica);  // reads need not stop
        cluster.replica(0);
        cluster.round();
        CHECK_FALSE(cluster.election.primary());
        CHECK(cluster.role(1) == MemberRole::Replica);
    }

    TEST_CASE("election: an unreachable replica stays one, whoever else is unreachable is nobody") {
        Cluster cluster = healthy();
        cluster.down(1);
        CHECK(cluster.round().empty());
        CHECK(cluster.role(1) == MemberRole::Replica);
        Cluster fresh{2};
        fresh.primary(0);
        fresh.down(1);
        fresh.round();
        CHECK(fresh.role(1) == MemberRole::Unknown);
    }

    TEST_CASE("election: the primary itself may go back to an older timeline, nobody else") {
        Cluster cluster{1};
        cluster.primary(0, 5);
        cluster.round();
        cluster.down(0);
        cluster.round();
        cluster.primary(0, 2);
        cluster.round();
        CHECK(cluster.election.primary() == 0);

        Cluster two{2};
        two.primary(0, 5);
        two.down(1);
        two.round();
        two.down(0);
        two.primary(1, 4);
        two.round();
        CHECK(two.election.primary() == 0);
        CHECK(two.role(1) == MemberRole::SplitBrain);
        SUBCASE("unless an operator says that the cluster went back") {
            two.election.forget();
            two.round();
            CHECK(two.election.primary() == 1);
            CHECK(two.role(1) == MemberRole::Primary);
            CHECK(two.count(ElectionEventKind::SplitBrainEnded) == 1);
        }
    }

    TEST_CASE("election: a member of another system is not used, and reported") {
        Cluster cluster = healthy();
        for (MemberFacts& one : cluster.facts) {
            one.system = 77;
        }
        CHECK(cluster.round().empty());
        cluster.facts[1].system = 88;
        cluster.round();
        CHECK(cluster.role(1) == MemberRole::Unknown);
        CHECK(cluster.election.is_contradicting(1));
        cluster.down(0);
        cluster.primary(1, 9);
        cluster.round();
        CHECK(cluster.election.primary() == 0);
        CHECK(cluster.role(1) == MemberRole::Unknown);

        SUBCASE("until all members are of another: the cluster was made anew") {
            cluster.primary(0, 1);
            cluster.facts[0].system = 88;
            cluster.replica(1);
            cluster.round();
            CHECK_FALSE(cluster.election.primary());
            cluster.facts[2].system = 88;
            cluster.round();
            CHECK(cluster.election.primary() == 0);
            CHECK(cluster.role(1) == MemberRole::Replica);
            CHECK_FALSE(cluster.election.is_contradicting(1));
        }
    }

    TEST_CASE("election: roles have the names that are shown") {
        CHECK(name_of(MemberRole::Unknown) == "unknown");
        CHECK(name_of(MemberRole::Primary) == "primary");
        CHECK(name_of(MemberRole::Replica) == "replica");
        CHECK(name_of(MemberRole::SplitBrain) == "split_brain");
    }
}
