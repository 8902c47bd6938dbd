#include "cache/cache.hpp"
#include "tests/unit/cache/cache_support.hpp"
#include "tests/unit/cache/flight_support.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace weir::cache;        // NOLINT(google-build-using-namespace)
using namespace weir::cache::test;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;
using weir::ByteView;
using Tables = std::vector<TableId>;

namespace {

constexpr unsigned kThreads = 4;
constexpr std::size_t kTables = 3;

/// What all threads share: a cache, and a server with one number for each table.
struct World {
    Cache cache{{.bytes_max = 8 * kMiB, .entries_max = 50, .entry_bytes_max = kMiB}};
    DatabasePtr database = cache.database("shop", kStart);
    std::array<std::atomic<std::uint64_t>, kTables> server{};
    std::array<std::atomic<std::uint64_t>, kTables> answered{};  // commits clients were told of
};

void raise(std::atomic<std::uint64_t>& number, std::uint64_t to) {
    std::uint64_t before = number.load();
    while (before < to && !number.compare_exchange_weak(before, to)) {
    }
}

/// A client on a thread of its own, that reads and writes.
class Client {
public:
    Client(World& world, unsigned seed) : world_{world}, random_{seed} {}

    void run(int rounds) {
        for (int round = 0; round < rounds; ++round) {
            if (random_() % 8 == 0) {
                write();
            } else {
                read();
            }
        }
    }

    std::size_t hits = 0;
    std::size_t landed = 0;

private:
    void write() {
        const std::size_t table = random_() % kTables;
        WriteSet set{.tables = {static_cast<TableId>(table + 1)},
                     .everything = random_() % 16 == 0};
        Writing writing = world_.cache.begin_write(world_.database, std::move(set), kStart);
        if (random_() % 4 == 0) {
            std::this_thread::yield();
            writing.end(Outcome::RolledBack, kStart);
            return;
        }
        const std::uint64_t value = ++world_.server[table];
        if (random_() % 4 == 0) {
            std::this_thread::yield();
        }
        writing.end(Outcome::Committed, kStart);
        raise(world_.answered[table], value);
        seen_[table] = std::max(seen_[table], value);
    }

    void read() {
        const std::size_t table = random_() % kTables;
        const Tables tables{static_cast<TableId>(table + 1)};
        const std::uint64_t least = std::max(world_.answered[table].load(), seen_[table]);
        const std::uint64_t value = read(table, tables);
        REQUIRE(value >= least);
        seen_[table] = value;
    }

    std::uint64_t read(std::size_t table, const Tables& tables) {
        const Key key = key_of(std::to_string(table));
        Told told;
        ReadStart start =
            world_.cache.begin_read({key.view(), world_.database, tables, told, mailbox_}, kStart);
        told.waiting = std::move(start.waiting);
        if (start.action == ReadAction::Hit) {
            ++hits;
            return value_of(*start.entry);
        }
        Leader leader = std::move(start.leader);
        if (start.action == ReadAction::Wait) {
            while (told.calls == 0) {
                queue_->run();
                std::this_thread::yield();
            }
            if (told.entry != nullptr) {
                ++landed;
                return value_of(*told.entry);
            }
            leader = std::move(told.leader);
            if (leader) {
                leader.renew_stamp(kStart);
            }
        }
        if (random_() % 4 == 0) {
            std::this_thread::yield();
        }
        const std::uint64_t value = world_.server[table].load();
        if (leader) {
            end(std::move(leader), value);
        }
        return value;
    }

    void end(Leader leader, std::uint64_t value) {
        if (random_() % 16 == 0) {
            leader.fail();
            return;
        }
        const ByteView piece = std::as_bytes(std::span{&value, 1});
        const ReadResult result{.reply = {&piece, 1}, .fresh_for = seconds{10}};
        world_.cache.end_read(std::move(leader), result, kStart);
    }

    static std::uint64_t value_of(const Entry& entry) {
        std::uint64_t value = 0;
        REQUIRE(entry.reply().size() == sizeof(value));
        std::memcpy(&value, entry.reply().data(), sizeof(value));
        return value;
    }

    World& world_;
    std::mt19937 random_;
    std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
    std::shared_ptr<Mailbox> mailbox_ = queue_;
    std::array<std::uint64_t, kTables> seen_{};
};

}  // namespace

TEST_CASE("threads that read and write see no value from before an answered commit") {
    World world;
    std::vector<Client> clients;
    clients.reserve(kThreads);
    for (unsigned i = 0; i < kThreads; ++i) {
        clients.emplace_back(world, i + 1);
    }
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (Client& client : clients) {
        threads.emplace_back([&client] { client.run(10'000); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    std::size_t hits = 0;
    for (const Client& client : clients) {
        hits += client.hits;
    }
    CHECK(hits > 1'000);
    CHECK(world.database->versions().is_quiet(kStart));
    CHECK(world.cache.statistics().drops > 100);
}

TEST_CASE("of five hundred on four threads one reads, and all get it") {
    constexpr std::size_t kFollowers = 500;
    World world;
    std::atomic<int> reads{0};
    std::atomic<std::size_t> served{0};
    const auto run = [&](std::size_t count) {
        const auto queue = std::make_shared<Queue>();
        const std::shared_ptr<Mailbox> mailbox = queue;
        const Tables tables{1};
        const Key key = key_of("a");
        std::vector<Told> told(count);
        Leader leader;
        for (Told& session : told) {
            ReadStart start = world.cache.begin_read(
                {key.view(), world.database, tables, session, mailbox}, kStart);
            session.waiting = std::move(start.waiting);
            session.entry = start.entry;
            if (start.leader) {
                ++reads;
                leader = std::move(start.leader);
            }
        }
        if (leader) {
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
            const ByteView piece = weir::as_bytes("reply");
            const ReadResult result{.reply = {&piece, 1}, .fresh_for = seconds{10}};
            world.cache.end_read(std::move(leader), result, kStart);
            ++served;
        }
        const auto is_waiting = [](const Told& session) { return bool{session.waiting}; };
        while (std::any_of(told.begin(), told.end(), is_waiting)) {
            queue->run();
            std::this_thread::yield();
        }
        served += static_cast<std::size_t>(
            std::count_if(told.begin(), told.end(), [](const Told& session) {
                return session.entry != nullptr;
            }));
    };
    for (int round = 0; round < 20; ++round) {
        world.cache.clear();
        reads = 0;
        served = 0;
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < kThreads; ++i) {
            threads.emplace_back(run, kFollowers / kThreads);
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        REQUIRE(reads == 1);
        REQUIRE(served == kFollowers);
    }
}

TEST_CASE("what lands while others look for it is not read again") {
    constexpr unsigned kKeys = 10'000;
    World world;
    world.cache.configure({.bytes_max = 8 * kMiB, .entries_max = kKeys, .entry_bytes_max = 100});
    std::atomic<unsigned> reads{0};
    std::atomic<unsigned> arrived{0};
    const auto run = [&] {
        const auto queue = std::make_shared<Queue>();
        const std::shared_ptr<Mailbox> mailbox = queue;
        const Tables tables{1};
        for (unsigned number = 0; number < kKeys; ++number) {
            const Key key = key_of(std::to_string(number));
            Told told;
            for (++arrived; arrived < (number + 1) * kThreads;) {
                std::this_thread::yield();
            }
            ReadStart start =
                world.cache.begin_read({key.view(), world.database, tables, told, mailbox}, kStart);
            told.waiting = std::move(start.waiting);
            if (start.leader) {
                ++reads;
                const ByteView piece = weir::as_bytes("reply");
                ReadResult result{.reply = {&piece, 1}};
                result.fresh_for = seconds{10};
                world.cache.end_read(std::move(start.leader), result, kStart);
            }
            while (told.waiting) {
                queue->run();
                std::this_thread::yield();
            }
        }
    };
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (unsigned i = 0; i < kThreads; ++i) {
        threads.emplace_back(run);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(reads == kKeys);
}

TEST_CASE("threads whose clients come, fail and leave at any time lose no lead") {
    World world;
    std::vector<std::thread> threads;
    std::atomic<int> told_times{0};
    for (unsigned seed = 0; seed < kThreads; ++seed) {
        threads.emplace_back([&world, &told_times, seed] {
            std::mt19937 random{seed};
            const auto queue = std::make_shared<Queue>();
            const std::shared_ptr<Mailbox> mailbox = queue;
            const Tables tables{1};
            const Key key = key_of("a");
            std::vector<Told> sessions(8);
            for (int round = 0; round < 5'000; ++round) {
                Told& session = sessions[random() % sessions.size()];
                told_times += session.calls;
                session.calls = 0;
                if (session.leader) {
                    switch (random() % 3) {
                        case 0: session.leader.fail(); break;
                        case 1: session.leader.give_up(); break;
                        default: session.leader = Leader{}; break;
                    }
                } else if (session.waiting && random() % 3 == 0) {
                    session.waiting = Waiting{};
                } else if (!session.waiting) {
                    ReadStart start = world.cache.begin_read(
                        {key.view(), world.database, tables, session, mailbox}, kStart);
                    session.waiting = std::move(start.waiting);
                    session.leader = std::move(start.leader);
                }
                queue->run();
            }
            sessions.clear();
            queue->run();
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(told_times > 100);
    Told last;
    const Key key = key_of("a");
    const std::shared_ptr<Mailbox> mailbox = std::make_shared<Queue>();
    const Tables tables{1};
    CHECK(world.cache.begin_read({key.view(), world.database, tables, last, mailbox}, kStart)
              .action == ReadAction::Run);
}
