#include "cache/cache.hpp"

#include "tests/unit/cache/cache_support.hpp"
#include "tests/unit/cache/flight_support.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace weir::cache;        // NOLINT(google-build-using-namespace)
using namespace weir::cache::test;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;
using weir::as_text;
using weir::ByteView;
using weir::TimePoint;
using Tables = std::vector<TableId>;

namespace {

constexpr Limits kLimits{.bytes_max = 8 * kMiB, .entries_max = 1'000, .entry_bytes_max = 10'000};

/// A cache, and one database that is read and written through it.
struct Proxy {
    ReadStart begin(Told& session, const std::string& text, Tables tables = {1}) {
        const Key key = key_of(text);
        ReadStart start = cache.begin_read({key.view(), database, tables, session, mailbox}, now);
        session.waiting = std::move(start.waiting);
        return start;
    }

    ReadStart begin(const std::string& text, Tables tables = {1}) {
        Told nobody;
        return begin(nobody, text, std::move(tables));
    }

    ReadEnd end(Leader leader, const std::string& reply) {
        const ByteView piece = weir::as_bytes(reply);
        const ReadResult result{
            .reply = {&piece, 1}, .server_us = 500, .fresh_for = fresh_for, .stale_for = stale_for};
        return cache.end_read(std::move(leader), result, now);
    }

    void fill(const std::string& text, const std::string& reply, Tables tables = {1}) {
        ReadStart start = begin(text, std::move(tables));
        REQUIRE(start.action == ReadAction::Run);
        REQUIRE(end(std::move(start.leader), reply) == ReadEnd::Kept);
    }

    Writing begin_write(Tables tables) {
        return cache.begin_write(database, {.tables = std::move(tables), .everything = false}, now);
    }

    ReadAction action(const std::string& text, Tables tables = {1}) {
        return begin(text, std::move(tables)).action;
    }

    Cache cache{kLimits};
    TimePoint now = kStart;
    DatabasePtr database = cache.database("shop", kStart);
    std::shared_ptr<Queue> queue = std::make_shared<Queue>();
    std::shared_ptr<Mailbox> mailbox = queue;
    weir::Duration fresh_for = seconds{10};
    weir::Duration stale_for{};
};

}  // namespace

TEST_CASE("what was read once is served until it is too old") {
    Proxy proxy;
    proxy.fill("a", "reply");
    const ReadStart hit = proxy.begin("a");
    REQUIRE(hit.action == ReadAction::Hit);
    CHECK(hit.freshness == Freshness::Fresh);
    CHECK(as_text(hit.entry->reply()) == "reply");
    CHECK(hit.entry->facts().server_us == 500);
    proxy.now += seconds{10};
    const ReadStart late = proxy.begin("a");
    CHECK(late.action == ReadAction::Run);
    CHECK(late.freshness == Freshness::Miss);
    CHECK(proxy.cache.statistics().expired == 1);
}

TEST_CASE("one reads and the others get it") {
    Proxy proxy;
    ReadStart start = proxy.begin("a");
    Told one;
    Told two;
    CHECK(proxy.begin(one, "a").action == ReadAction::Wait);
    CHECK(proxy.begin(two, "a").action == ReadAction::Wait);
    CHECK(proxy.end(std::move(start.leader), "reply") == ReadEnd::Kept);
    proxy.queue->run();
    CHECK(as_text(one.entry->reply()) == "reply");
    CHECK(one.entry == two.entry);
    CHECK(one.entry->facts().server_us == 500);
}

TEST_CASE("a write drops what reads its tables, and it is read anew") {
    Proxy proxy;
    proxy.fill("a", "old", {1, 2});
    proxy.fill("b", "other", {3});
    Writing writing = proxy.begin_write({2});
    CHECK(proxy.action("a", {1, 2}) == ReadAction::Bypass);
    CHECK(proxy.action("b", {3}) == ReadAction::Hit);
    writing.end(Outcome::Committed, proxy.now);
    CHECK_FALSE(writing);
    CHECK(proxy.action("a", {1, 2}) == ReadAction::Run);
    CHECK(proxy.action("b", {3}) == ReadAction::Hit);
    CHECK(proxy.cache.statistics().drops == 1);
}

TEST_CASE("a write that is rolled back changes nothing but what was being read") {
    Proxy proxy;
    proxy.fill("a", "reply");
    ReadStart running = proxy.begin("b");
    Writing writing = proxy.begin_write({1});
    writing.end(Outcome::RolledBack, proxy.now);
    CHECK(proxy.action("a") == ReadAction::Hit);
    CHECK(proxy.end(std::move(running.leader), "reply") == ReadEnd::NotKept);
}

TEST_CASE("a result is not kept when a write came in between, however it lay") {
    Proxy proxy;
    SUBCASE("begun and ended") {
        ReadStart start = proxy.begin("a");
        proxy.begin_write({1}).end(Outcome::Committed, proxy.now);
        CHECK(proxy.end(std::move(start.leader), "old") == ReadEnd::NotKept);
    }
    SUBCASE("begun") {
        ReadStart start = proxy.begin("a");
        Writing writing = proxy.begin_write({1});
        CHECK(proxy.end(std::move(start.leader), "old") == ReadEnd::NotKept);
        writing.end(Outcome::Committed, proxy.now);
    }
    SUBCASE("of everything") {
        ReadStart start = proxy.begin("a");
        proxy.cache.begin_write(proxy.database, WriteSet::all(), proxy.now)
            .end(Outcome::Committed, proxy.now);
        CHECK(proxy.end(std::move(start.leader), "old") == ReadEnd::NotKept);
    }
    SUBCASE("by order") {
        ReadStart start = proxy.begin("a");
        proxy.cache.clear();
        CHECK(proxy.end(std::move(start.leader), "old") == ReadEnd::NotKept);
    }
    CHECK(proxy.action("a") == ReadAction::Run);
    CHECK(proxy.cache.statistics().not_kept == 1);
}

TEST_CASE("those who waited before a write get the result that is not kept") {
    Proxy proxy;
    ReadStart start = proxy.begin("a");
    Told early;
    CHECK(proxy.begin(early, "a").action == ReadAction::Wait);
    proxy.begin_write({1}).end(Outcome::Committed, proxy.now);
    Told late;
    ReadStart again = proxy.begin(late, "a");
    REQUIRE(again.action == ReadAction::Run);
    proxy.end(std::move(start.leader), "old");
    CHECK(proxy.end(std::move(again.leader), "new") == ReadEnd::Kept);
    proxy.queue->run();
    CHECK(as_text(early.entry->reply()) == "old");
    CHECK(as_text(proxy.begin("a").entry->reply()) == "new");
}

TEST_CASE("a lost commit blocks its tables until the server must have done with it") {
    Proxy proxy;
    proxy.fill("a", "old");
    proxy.fresh_for = seconds{1'000};
    proxy.begin_write({1}).end(Outcome::Unknown, proxy.now);
    CHECK(proxy.action("a") == ReadAction::Bypass);
    proxy.now += Cache::kGrace - seconds{1};
    CHECK(proxy.action("a") == ReadAction::Bypass);
    proxy.now += seconds{1};
    proxy.fill("a", "new");
    CHECK(proxy.action("a") == ReadAction::Hit);
}

TEST_CASE("a write that nobody ends is one whose outcome is not known") {
    Proxy proxy;
    proxy.now = weir::Clock::now();
    proxy.fill("a", "old");
    proxy.fill("b", "old", {2});
    { const Writing writing = proxy.begin_write({1}); }
    Writing other = proxy.begin_write({2});
    other = Writing{};
    CHECK(proxy.action("a") == ReadAction::Bypass);
    CHECK(proxy.action("b", {2}) == ReadAction::Bypass);
    CHECK(proxy.cache.statistics().entries == 0);
}

TEST_CASE("a stale one is served while one renews it") {
    Proxy proxy;
    proxy.stale_for = seconds{10};
    proxy.fill("a", "old");
    proxy.now += seconds{11};
    ReadStart renewing = proxy.begin("a");
    REQUIRE(renewing.action == ReadAction::Run);
    for (int i = 0; i < 3; ++i) {
        const ReadStart served = proxy.begin("a");
        REQUIRE(served.action == ReadAction::Hit);
        CHECK(served.freshness == Freshness::Stale);
        CHECK(as_text(served.entry->reply()) == "old");
    }
    SUBCASE("it succeeds") {
        CHECK(proxy.end(std::move(renewing.leader), "new") == ReadEnd::Kept);
        CHECK(as_text(proxy.begin("a").entry->reply()) == "new");
    }
    SUBCASE("it fails") {
        renewing.leader.fail();
        CHECK(proxy.action("a") == ReadAction::Run);
    }
    SUBCASE("it takes too long") {
        proxy.now += seconds{9};
        Told waiting;
        CHECK(proxy.begin(waiting, "a").action == ReadAction::Wait);
    }
    SUBCASE("its table is written") {
        Writing writing = proxy.begin_write({1});
        CHECK(proxy.action("a") == ReadAction::Bypass);
        writing.end(Outcome::Committed, proxy.now);
        CHECK(proxy.action("a") == ReadAction::Run);
    }
}

TEST_CASE("what is too large is read by everybody alone") {
    Proxy proxy;
    ReadStart start = proxy.begin("a");
    Told one;
    CHECK(proxy.begin(one, "a").action == ReadAction::Wait);
    CHECK(proxy.cache.entry_bytes_max() == 10'000);
    CHECK(proxy.end(std::move(start.leader), std::string(10'001, 'x')) == ReadEnd::TooLarge);
    proxy.queue->run();
    CHECK(one.is_alone);
}

TEST_CASE("what is not to be kept is shared by those who wait") {
    Proxy proxy;
    proxy.fresh_for = {};
    ReadStart start = proxy.begin("a");
    Told one;
    CHECK(proxy.begin(one, "a").action == ReadAction::Wait);
    CHECK(proxy.end(std::move(start.leader), "reply") == ReadEnd::NotKept);
    proxy.queue->run();
    CHECK(as_text(one.entry->reply()) == "reply");
    CHECK(proxy.action("a") == ReadAction::Run);
}

TEST_CASE("databases are kept apart, and known by their names") {
    Proxy proxy;
    const DatabasePtr other = proxy.cache.database("stock", kStart);
    CHECK(proxy.cache.database("shop", kStart) == proxy.database);
    CHECK(other->id() != proxy.database->id());
    proxy.fill("a", "reply");
    proxy.cache.begin_write(other, WriteSet::all(), kStart).end(Outcome::Committed, kStart);
    CHECK(proxy.action("a") == ReadAction::Hit);
    CHECK(proxy.cache.clear(other) == 0);
    CHECK(proxy.cache.clear(proxy.database) == 1);
    CHECK(proxy.action("a") == ReadAction::Run);
}

TEST_CASE("entries are dropped by order") {
    Proxy proxy;
    proxy.fill("select a", "reply", {1});
    proxy.fill("select b", "reply", {2});
    proxy.fill("select c", "reply", {3});
    ReadStart running = proxy.begin("select d", {1});
    CHECK(proxy.cache.clear(proxy.database, Tables{1}, kStart) == 1);
    CHECK(proxy.end(std::move(running.leader), "old") == ReadEnd::NotKept);
    CHECK(proxy.cache.clear_matching("*b") == 1);
    CHECK(proxy.cache.clear() == 1);
    CHECK(proxy.cache.statistics().entries == 0);
}

TEST_CASE("databases that nobody uses are forgotten when there are many") {
    Proxy proxy;
    proxy.fill("a", "reply");
    const DatabaseId id = proxy.database->id();
    const DatabasePtr used = proxy.cache.database("used", kStart);
    const DatabasePtr written = proxy.cache.database("written", kStart);
    const Database* of_write = written.get();
    Writing writing =
        proxy.cache.begin_write(proxy.cache.database("busy", kStart), WriteSet::all(), kStart);
    proxy.database = nullptr;
    for (std::size_t i = 5; i <= Cache::kDatabasesMax; ++i) {
        CHECK(proxy.cache.database(std::to_string(i), kStart) != nullptr);
    }
    CHECK(proxy.cache.statistics().entries == 1);
    CHECK(proxy.cache.database("one more", kStart) != nullptr);
    CHECK(proxy.cache.statistics().entries == 0);
    CHECK(proxy.cache.database("used", kStart) == used);
    CHECK(proxy.cache.database("written", kStart).get() == of_write);
    CHECK(proxy.cache.database("shop", kStart)->id() > id);
    writing.end(Outcome::Committed, kStart);
}

TEST_CASE("less room at a reload is less room at once") {
    Proxy proxy;
    for (int i = 0; i < 100; ++i) {
        proxy.fill(std::to_string(i), std::string(5'000, 'x'));
    }
    proxy.cache.configure({.bytes_max = 300'000, .entries_max = 1'000, .entry_bytes_max = 100});
    CHECK(proxy.cache.statistics().bytes <= 300'000);
    CHECK(proxy.cache.statistics().evictions > 0);
    CHECK(proxy.cache.entry_bytes_max() == 100);
}
