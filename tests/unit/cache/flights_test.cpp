#include "cache/flights.hpp"

#include "tests/unit/cache/cache_support.hpp"
#include "tests/unit/cache/flight_support.hpp"

#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <vector>

using namespace weir::cache;        // NOLINT(google-build-using-namespace)
using namespace weir::cache::test;  // NOLINT(google-build-using-namespace)
using Tables = std::vector<TableId>;

namespace {

/// Flights over one table of one database, and an entry to land.
struct Airport {
    Airport() : flights{std::make_shared<Flights>()} {
        database = std::make_shared<Database>(1, "shop");
        entry = Made{"a"}.by(store);
    }

    Joined join(Told& follower, const std::shared_ptr<Mailbox>& mailbox) {
        Joined joined = flights->join({key.view(), database, follower, mailbox},
                                      database->versions().stamp(Tables{1}, kStart));
        follower.waiting = std::move(joined.waiting);
        return joined;
    }

    Leader lead() {
        Told nobody;
        Joined joined = join(nobody, queue);
        REQUIRE(joined.leader);
        return std::move(joined.leader);
    }

    void follow(Told& follower) {
        REQUIRE_FALSE(join(follower, queue).leader);
        REQUIRE(follower.waiting);
    }

    void write() {
        TableVersions& versions = database->versions();
        const WriteSet set = versions.begin_write({.tables = {1}, .everything = false}, kStart);
        versions.end_write(set, Outcome::Committed, kStart, {}, [] {});
    }

    LocalStore store{{.bytes_max = kMiB, .entries_max = 10, .entry_bytes_max = 1000}};
    std::shared_ptr<Flights> flights;
    DatabasePtr database;
    std::shared_ptr<Queue> queue = std::make_shared<Queue>();
    Key key = key_of("a");
    EntryPtr entry;
};

}  // namespace

TEST_CASE("the first one leads, the others wait and get what it has read") {
    Airport at;
    Leader leader = at.lead();
    std::array<Told, 3> followers;
    for (Told& follower : followers) {
        at.follow(follower);
    }
    CHECK(at.flights->size() == 1);
    CHECK(leader.land(at.entry) == 3);
    CHECK_FALSE(leader);
    CHECK(at.flights->size() == 0);
    CHECK(followers[0].calls == 0);  // not before its thread runs the message
    CHECK(at.queue->run() == 1);     // one for all of a thread
    for (const Told& follower : followers) {
        CHECK(follower.entry == at.entry);
        CHECK(follower.calls == 1);
    }
    CHECK(at.lead());
}

TEST_CASE("who has left is not told") {
    Airport at;
    Leader leader = at.lead();
    std::array<Told, 3> followers;
    for (Told& follower : followers) {
        at.follow(follower);
    }
    followers[0].waiting.leave();
    CHECK(leader.land(at.entry) == 2);
    followers[1].waiting = Waiting{};  // the message is under way already
    at.queue->run();
    CHECK(followers[0].calls == 0);
    CHECK(followers[1].calls == 0);
    CHECK(followers[2].calls == 1);
}

TEST_CASE("one that is told may send the others away") {
    Airport at;
    Leader leader = at.lead();
    Told other;

    struct Chaser final : Follower {
        explicit Chaser(Told& chased) : other{chased} {}

        void on_landed(EntryPtr /*entry*/) override { other.waiting = Waiting{}; }

        void on_promoted(Leader /*leader*/) override {}

        void on_alone() override {}

        Told& other;
    } chaser{other};

    const Joined joined = at.flights->join({at.key.view(), at.database, chaser, at.queue},
                                           at.database->versions().stamp(Tables{1}, kStart));
    at.follow(other);
    leader.land(at.entry);
    at.queue->run();
    CHECK(other.calls == 0);
}

TEST_CASE("when the leader fails one takes its place and the others go on waiting") {
    Airport at;
    Leader leader = at.lead();
    std::array<Told, 3> followers;
    for (Told& follower : followers) {
        at.follow(follower);
    }
    leader.fail();
    at.queue->run();
    REQUIRE(followers[0].leader);
    CHECK(followers[1].calls + followers[2].calls == 0);
    Told late;
    at.follow(late);
    CHECK(followers[0].leader.land(at.entry) == 3);
    at.queue->run();
    CHECK(followers[1].entry == at.entry);
    CHECK(followers[2].entry == at.entry);
    CHECK(late.entry == at.entry);
}

TEST_CASE("what fails again and again does not fail in turn for all") {
    Airport at;
    Leader leader = at.lead();
    std::array<Told, 10> followers;
    for (Told& follower : followers) {
        at.follow(follower);
    }
    leader.fail();
    at.queue->run();
    followers[0].leader.fail();
    at.queue->run();
    followers[1].leader.fail();
    at.queue->run();
    for (std::size_t i = 2; i < followers.size(); ++i) {
        CHECK(followers[i].is_alone);
    }
    CHECK(at.flights->size() == 0);
}

TEST_CASE("leaders that leave pass the lead on, to whoever still waits") {
    Airport at;
    std::array<Told, 8> followers;
    {
        const Leader leader = at.lead();
        for (Told& follower : followers) {
            at.follow(follower);
        }
    }
    for (std::size_t i = 0; i < 5; ++i) {  // more than may fail
        followers[i].waiting = Waiting{};
    }
    at.queue->run();
    REQUIRE(followers[5].leader);
    followers[5].leader = Leader{};
    at.queue->run();
    REQUIRE(followers[6].leader);
    CHECK(followers[7].calls == 0);
    followers[6].leader.land(at.entry);
    at.queue->run();
    CHECK(followers[7].entry == at.entry);
}

TEST_CASE("a lead that is lost with its thread's messages is passed on") {
    Airport at;
    Leader leader = at.lead();
    Told lost;
    at.follow(lost);
    const auto other_queue = std::make_shared<Queue>();
    Told other;
    REQUIRE_FALSE(at.join(other, other_queue).leader);
    leader.fail();
    at.queue->drop();
    other_queue->run();
    CHECK(other.leader);
}

TEST_CASE("a lead that nobody wants ends the flight") {
    Airport at;
    { const Leader leader = at.lead(); }
    CHECK(at.flights->size() == 0);
    at.lead().fail();
    CHECK(at.flights->size() == 0);
    at.lead().give_up();
    CHECK(at.flights->size() == 0);
}

TEST_CASE("what cannot be shared everybody reads alone") {
    Airport at;
    Leader leader = at.lead();
    std::array<Told, 3> followers;
    for (Told& follower : followers) {
        at.follow(follower);
    }
    leader.give_up();
    at.queue->run();
    for (const Told& follower : followers) {
        CHECK(follower.is_alone);
        CHECK(follower.calls == 1);
    }
}

TEST_CASE("who comes after a write does not join a flight from before it") {
    Airport at;
    Leader before = at.lead();
    Told early;
    at.follow(early);
    at.write();
    Leader after = at.lead();
    Told late;
    at.follow(late);
    before.land(at.entry);
    at.queue->run();
    CHECK(early.entry == at.entry);  // it had asked before the write began
    CHECK(late.calls == 0);
    CHECK(at.flights->size() == 1);  // that of the second leader
    const EntryPtr fresh = Made{"a"}.by(at.store);
    after.land(fresh);
    at.queue->run();
    CHECK(late.entry == fresh);
}

TEST_CASE("one who is promoted after a write can be followed once it has looked again") {
    Airport at;
    Leader leader = at.lead();
    Told next;
    at.follow(next);
    at.write();
    leader.fail();
    at.queue->run();
    REQUIRE(next.leader);
    CHECK_FALSE(at.database->versions().is_current(next.leader.stamp()));
    next.leader.renew_stamp(kStart);
    CHECK(at.database->versions().is_current(next.leader.stamp()));
    Told late;
    at.follow(late);
    next.leader.land(at.entry);
    at.queue->run();
    CHECK(late.entry == at.entry);
}

TEST_CASE("only one leads where nobody is to wait") {
    Airport at;
    const auto stamp = [&] { return at.database->versions().stamp(Tables{1}, kStart); };
    const Leader leader = at.flights->lead(at.key.view(), at.database, stamp());
    REQUIRE(leader);
    CHECK_FALSE(at.flights->lead(at.key.view(), at.database, stamp()));
    at.write();
    CHECK(at.flights->lead(at.key.view(), at.database, stamp()));
}

TEST_CASE("no more wait than may") {
    Airport at;
    Leader leader = at.lead();
    std::vector<Told> followers(Flights::kFollowersMax);
    for (Told& follower : followers) {
        at.follow(follower);
    }
    Told one_more;
    const Joined joined = at.join(one_more, at.queue);
    CHECK_FALSE(joined.leader);
    CHECK_FALSE(one_more.waiting);
    leader.land(at.entry);
    at.queue->run();
    CHECK(followers.back().calls == 1);
}

TEST_CASE("leaders and followers may be moved") {
    Airport at;
    Leader leader = at.lead();
    Leader moved = std::move(leader);
    Told one;
    at.follow(one);
    Waiting waiting = std::move(one.waiting);
    one.waiting = std::move(waiting);
    moved.land(at.entry);
    at.queue->run();
    CHECK(one.calls == 1);
}
