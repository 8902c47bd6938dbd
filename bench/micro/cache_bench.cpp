// What the cache costs a worker: a hit, a miss, and the blocking by writes, on one thread and on
// two; and which of the entries should make room, on traces of several kinds.
// Usage: cache_bench [Google Benchmark's options]

#include "cache/cache.hpp"

#include "cache/key.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using namespace weir::cache;  // NOLINT(google-build-using-namespace)
using weir::ByteView;
using weir::TimePoint;

constexpr std::size_t kEntries = 10'000;
constexpr TimePoint kNow{std::chrono::hours{1}};

class NoMailbox final : public Mailbox {
public:
    void post(std::function<void()> /*message*/) override {}
};

class NoFollower final : public Follower {
public:
    void on_landed(EntryPtr /*entry*/) override {}

    void on_promoted(Leader /*leader*/) override {}

    void on_alone() override {}
};

void build_key(KeyBuilder& builder, std::uint64_t number) {
    builder.clear();
    builder.add("shop")
        .add("app")
        .add("search_path=public")
        .add_text(
            "select id, name, price from products where category = $1 order by name limit 20");
    builder.add_list(1).add(std::to_string(number));
}

/// A cache with all entries there is a number for, shared by the threads of a benchmark.
struct Filled {
    Filled() {
        KeyBuilder builder;
        const std::string reply(1'000, 'x');
        const ByteView piece = weir::as_bytes(reply);
        for (std::uint64_t i = 0; i < kEntries; ++i) {
            build_key(builder, i);
            ReadStart start =
                cache.begin_read({builder.view(), database, tables, follower, mailbox}, kNow);
            ReadResult result{.reply = {&piece, 1}};
            result.fresh_for = std::chrono::hours{1};
            cache.end_read(std::move(start.leader), result, kNow);
        }
    }

    Cache cache{{.bytes_max = std::size_t{100} << 20U,
                 .entries_max = 100'000,
                 .entry_bytes_max = std::size_t{1} << 20U}};
    DatabasePtr database = cache.database("shop", kNow);
    std::vector<TableId> tables{1, 2};
    std::vector<TableId> others{3};
    NoFollower follower;
    std::shared_ptr<Mailbox> mailbox = std::make_shared<NoMailbox>();
};

Filled& filled() {
    static Filled it;
    return it;
}

void hit(benchmark::State& state) {
    Filled& it = filled();
    KeyBuilder builder;
    std::mt19937_64 random{static_cast<std::uint64_t>(state.thread_index())};
    for (auto _ : state) {
        build_key(builder, random() % kEntries);
        ReadStart start = it.cache.begin_read(
            {builder.view(), it.database, it.tables, it.follower, it.mailbox}, kNow);
        benchmark::DoNotOptimize(start.entry);
    }
}

/// The same, with one key that everybody wants: all of it behind one lock.
void hit_of_one(benchmark::State& state) {
    Filled& it = filled();
    KeyBuilder builder;
    build_key(builder, 1);
    for (auto _ : state) {
        ReadStart start = it.cache.begin_read(
            {builder.view(), it.database, it.tables, it.follower, it.mailbox}, kNow);
        benchmark::DoNotOptimize(start.entry);
    }
}

/// The same, while another table of the database is written.
void hit_beside_write(benchmark::State& state) {
    Filled& it = filled();
    Writing writing =
        it.cache.begin_write(it.database, {.tables = it.others, .everything = false}, kNow);
    hit(state);
    writing.end(Outcome::RolledBack, kNow);
}

void key_alone(benchmark::State& state) {
    KeyBuilder builder;
    std::uint64_t number = 0;
    for (auto _ : state) {
        build_key(builder, ++number % kEntries);
        benchmark::DoNotOptimize(builder.view());
    }
}

void miss_and_put(benchmark::State& state) {
    Filled& it = filled();
    KeyBuilder builder;
    const std::string reply(static_cast<std::size_t>(state.range(0)), 'x');
    const ByteView piece = weir::as_bytes(reply);
    static std::atomic<std::uint64_t> number{kEntries};
    for (auto _ : state) {
        build_key(builder, ++number);
        ReadStart start = it.cache.begin_read(
            {builder.view(), it.database, it.others, it.follower, it.mailbox}, kNow);
        ReadResult result{.reply = {&piece, 1}};
        result.fresh_for = std::chrono::hours{1};
        it.cache.end_read(std::move(start.leader), result, kNow);
    }
    it.cache.clear(it.database, it.others, kNow);
}

void write(benchmark::State& state) {
    Filled& it = filled();
    for (auto _ : state) {
        it.cache.begin_write(it.database, {.tables = it.others, .everything = false}, kNow)
            .end(Outcome::Committed, kNow);
    }
}

BENCHMARK(key_alone);
BENCHMARK(hit)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(hit_of_one)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(hit_beside_write)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(miss_and_put)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(write);

/// Which keys are asked for: zipfian, with a share of keys that come once only, and with what is
/// popular moving on by one every so many.
struct Trace {
    unsigned once_of_100;
    std::size_t moves_every;  // 0: never
};

constexpr std::size_t kAsked = 1'000'000;
constexpr std::size_t kKeys = 50'000;
constexpr std::size_t kRoom = 5'000;

std::vector<std::uint64_t> keys_of(const Trace& trace) {
    constexpr double kSkew = 0.9;
    std::vector<double> sums;
    double sum = 0;
    for (std::size_t i = 1; i <= kKeys; ++i) {
        sums.push_back(sum += 1 / std::pow(static_cast<double>(i), kSkew));
    }
    std::mt19937_64 random{1};
    std::uniform_real_distribution<double> place{0, sum};
    std::vector<std::uint64_t> keys;
    std::uint64_t once = std::uint64_t{1} << 60U;
    for (std::size_t i = 0; i < kAsked; ++i) {
        if (random() % 100 < trace.once_of_100) {
            keys.push_back(++once);
            continue;
        }
        const auto rank = std::lower_bound(sums.begin(), sums.end(), place(random)) - sums.begin();
        keys.push_back(static_cast<std::uint64_t>(rank) +
                       (trace.moves_every == 0 ? 0 : i / trace.moves_every));
    }
    return keys;
}

/// @return the share of hits where the one used least recently makes room
double hits_of_lru(const std::vector<std::uint64_t>& keys) {
    std::list<std::uint64_t> by_use;
    std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> places;
    std::size_t hits = 0;
    for (const std::uint64_t key : keys) {
        if (const auto known = places.find(key); known != places.end()) {
            ++hits;
            by_use.splice(by_use.end(), by_use, known->second);
            continue;
        }
        if (places.size() == kRoom) {
            places.erase(by_use.front());
            by_use.pop_front();
        }
        places[key] = by_use.insert(by_use.end(), key);
    }
    return static_cast<double>(hits) / static_cast<double>(keys.size());
}

/// @return the same for SIEVE: in the order they came, but those used since the hand last passed
/// stay
double hits_of_sieve(const std::vector<std::uint64_t>& keys) {
    struct Item {
        std::uint64_t key;
        bool is_used;
    };

    std::list<Item> by_age;
    std::unordered_map<std::uint64_t, std::list<Item>::iterator> places;
    auto hand = by_age.begin();
    std::size_t hits = 0;
    for (const std::uint64_t key : keys) {
        if (const auto known = places.find(key); known != places.end()) {
            ++hits;
            known->second->is_used = true;
            continue;
        }
        if (places.size() == kRoom) {
            hand = hand == by_age.end() ? by_age.begin() : hand;
            while (std::exchange(hand->is_used, false)) {
                hand = std::next(hand) == by_age.end() ? by_age.begin() : std::next(hand);
            }
            places.erase(hand->key);
            hand = by_age.erase(hand);
        }
        places[key] = by_age.insert(by_age.end(), {key, false});
    }
    return static_cast<double>(hits) / static_cast<double>(keys.size());
}

void eviction(benchmark::State& state, const Trace& trace) {
    const std::vector<std::uint64_t> keys = keys_of(trace);
    for (auto _ : state) {
        state.counters["lru"] = hits_of_lru(keys);
        state.counters["sieve"] = hits_of_sieve(keys);
    }
}

BENCHMARK_CAPTURE(eviction, zipf, Trace{0, 0})->Iterations(1);
BENCHMARK_CAPTURE(eviction, zipf_and_scans, Trace{20, 0})->Iterations(1);
BENCHMARK_CAPTURE(eviction, moves_every_100, Trace{0, 100})->Iterations(1);
BENCHMARK_CAPTURE(eviction, moves_every_20, Trace{0, 20})->Iterations(1);
BENCHMARK_CAPTURE(eviction, moves_every_5_and_scans, Trace{20, 5})->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
