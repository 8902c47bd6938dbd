#include "cache/local_store.hpp"

#include "tests/unit/cache/cache_support.hpp"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

using namespace weir::cache;        // NOLINT(google-build-using-namespace)
using namespace weir::cache::test;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;
using weir::as_text;
using weir::ByteView;

namespace {

constexpr Limits kLimits{.bytes_max = 8 * kMiB, .entries_max = 10'000, .entry_bytes_max = kMiB};

}  // namespace

TEST_CASE("an entry is what it was made of") {
    LocalStore store{kLimits};
    const std::string one = "one";
    const std::string two(100'000, '2');
    const std::vector<ByteView> pieces{weir::as_bytes(one), weir::as_bytes(two)};
    const std::vector<TableId> tables{3, 5};
    const Key key = key_of("select");
    const EntryFacts facts{.database = 7, .digest = 8, .rows = 9, .fresh_until = kStart};
    const auto entry = store.make({key.view(), pieces, tables, facts});
    REQUIRE(entry != nullptr);
    CHECK(as_text(entry->reply()) == one + two);
    CHECK(entry->key() == key.view());
    CHECK(entry->key().text() == "select");
    CHECK(std::vector<TableId>(entry->tables().begin(), entry->tables().end()) == tables);
    CHECK(entry->facts().rows == 9);
    CHECK(entry->charge() >= one.size() + two.size() + key.view().bytes.size());
    CHECK(entry->charge() < two.size() + 5'000);
}

TEST_CASE("an entry is fresh, then stale, then gone") {
    LocalStore store{kLimits};
    REQUIRE(Made{"a"}.put_into(store));
    CHECK(look(store, "a") == Freshness::Fresh);
    CHECK(look(store, "a", kStart + seconds{10}) == Freshness::Stale);
    CHECK(look(store, "b") == Freshness::Miss);
    CHECK(store.statistics().entries == 1);
    CHECK(look(store, "a", kStart + seconds{20}) == Freshness::Miss);
    CHECK(store.statistics().entries == 0);
    CHECK(store.statistics().counts.expired == 1);
}

TEST_CASE("one that is not to be stale is gone when it is not fresh") {
    LocalStore store{kLimits};
    Made made{"a"};
    made.facts.stale_until = made.facts.fresh_until;
    REQUIRE(made.put_into(store));
    CHECK(look(store, "a", kStart + seconds{10}) == Freshness::Miss);
}

TEST_CASE("the latest of one key stays, and readers keep what they have") {
    LocalStore store{kLimits};
    REQUIRE(Made("a", "old").reads({1}).put_into(store));
    const EntryPtr old = store.find(key_of("a").view(), kStart).entry;
    REQUIRE(Made("a", "new").reads({2}).put_into(store));
    CHECK(as_text(old->reply()) == "old");
    CHECK(as_text(store.find(key_of("a").view(), kStart).entry->reply()) == "new");
    CHECK(store.statistics().entries == 1);
    CHECK(store.drop_tables(1, std::vector<TableId>{1}) == 0);
    CHECK(store.drop_tables(1, std::vector<TableId>{2}) == 1);
}

TEST_CASE("what reads a table goes with it, and nothing else") {
    LocalStore store{kLimits};
    REQUIRE(Made{"a"}.reads({1, 2}).put_into(store));
    REQUIRE(Made{"b"}.reads({2, 3}).put_into(store));
    REQUIRE(Made{"c"}.reads({3}).put_into(store));
    REQUIRE(Made{"d"}.put_into(store));
    REQUIRE(Made{"e"}.in(2).reads({1, 2, 3}).put_into(store));
    CHECK(store.drop_tables(1, std::vector<TableId>{1, 2, 9}) == 2);
    CHECK(look(store, "a") == Freshness::Miss);
    CHECK(look(store, "b") == Freshness::Miss);
    CHECK(look(store, "c") == Freshness::Fresh);
    CHECK(look(store, "e") == Freshness::Fresh);
    CHECK(store.drop_database(1) == 2);
    CHECK(look(store, "d") == Freshness::Miss);
    CHECK(look(store, "e") == Freshness::Fresh);
    CHECK(store.statistics().counts.drops == 4);
}

TEST_CASE("thousands of one table are dropped, and what is left is as before") {
    LocalStore store{kLimits};
    const std::size_t empty = store.statistics().bytes;
    for (int i = 0; i < 6'000; ++i) {
        REQUIRE(Made{std::to_string(i)}.reads({i % 2 == 0 ? 1U : 2U}).put_into(store));
    }
    CHECK(store.drop_tables(1, std::vector<TableId>{1}) == 3'000);
    CHECK(store.statistics().entries == 3'000);
    CHECK(look(store, "1") == Freshness::Fresh);
    CHECK(store.clear() == 3'000);
    CHECK(store.statistics().bytes == empty);
}

TEST_CASE("entries are dropped by their statement's text") {
    LocalStore store{kLimits};
    REQUIRE(Made{"select * from orders"}.put_into(store));
    REQUIRE(Made{"select 1"}.put_into(store));
    CHECK(store.drop_matching("shop*") == 0);  // in the key, but not in the text
    CHECK(store.drop_matching("*orders*") == 1);
    CHECK(store.drop_matching("*") == 1);
}

TEST_CASE("one alone is erased by its key") {
    LocalStore store{kLimits};
    REQUIRE(Made{"a"}.put_into(store));
    CHECK(store.erase(key_of("b").view()) == 0);
    CHECK(store.erase(key_of("a").view()) == 1);
    CHECK(store.statistics().entries == 0);
}

TEST_CASE("the one that was used least recently makes room") {
    LocalStore store{{.bytes_max = kMiB, .entries_max = 3, .entry_bytes_max = kMiB}};
    REQUIRE(Made{"a"}.put_into(store));
    Made b{"b"};
    b.facts.stored_at = kStart + seconds{1};
    REQUIRE(b.put_into(store));
    Made c{"c"};
    c.facts.stored_at = kStart + seconds{2};
    REQUIRE(c.put_into(store));
    CHECK(look(store, "a", kStart + seconds{3}) == Freshness::Fresh);
    Made d{"d"};
    d.facts.stored_at = kStart + seconds{4};
    REQUIRE(d.put_into(store));
    CHECK(look(store, "b") == Freshness::Miss);
    CHECK(look(store, "a") == Freshness::Fresh);
    CHECK(look(store, "c") == Freshness::Fresh);
    CHECK(look(store, "d") == Freshness::Fresh);
    CHECK(store.statistics().counts.evictions == 1);
    CHECK(store.statistics().entries == 3);
}

TEST_CASE("of many the ones that were used last stay, whichever shard they are in") {
    LocalStore store{{.bytes_max = kMiB, .entries_max = 200, .entry_bytes_max = kMiB}};
    for (int i = 0; i < 600; ++i) {
        Made made{std::to_string(i)};
        made.facts.stored_at = kStart + std::chrono::milliseconds{i};
        REQUIRE(made.put_into(store));
    }
    for (int i = 0; i < 600; ++i) {
        const auto expected = i < 400 ? Freshness::Miss : Freshness::Fresh;
        CHECK(look(store, std::to_string(i)) == expected);
    }
}

TEST_CASE("neither bytes nor entries pass their limits") {
    LocalStore store{{.bytes_max = 2 * kMiB, .entries_max = 500, .entry_bytes_max = 200'000}};
    for (std::size_t i = 0; i < 5'000; ++i) {
        const std::size_t size = (i * 7'919) % (i % 17 == 0 ? 200'000 : 3'000);
        CHECK(Made(std::to_string(i), std::string(size, 'x'))
                  .reads({static_cast<TableId>(i % 50 + 1)})
                  .put_into(store));
        REQUIRE(store.statistics().bytes <= 2 * kMiB);
        REQUIRE(store.statistics().entries <= 500);
    }
    CHECK(store.statistics().entries > 20);
    CHECK(store.statistics().counts.evictions > 1'000);
}

TEST_CASE("what is too large is not kept") {
    LocalStore store{{.bytes_max = kMiB, .entries_max = 10, .entry_bytes_max = 1'000}};
    CHECK(Made("a", std::string(1'000, 'x')).put_into(store));
    CHECK_FALSE(Made("b", std::string(1'001, 'x')).put_into(store));
    store.configure({.bytes_max = kMiB, .entries_max = 10, .entry_bytes_max = 2 * kMiB});
    CHECK_FALSE(Made("c", std::string(2 * kMiB, 'x')).put_into(store));
    CHECK_FALSE(Made("d", std::string(kMiB - 1, 'x')).put_into(store));
    CHECK(Made("e", std::string(kMiB / 2, 'x')).put_into(store));
}

TEST_CASE("a store without room keeps nothing") {
    for (const Limits limits : {Limits{}, Limits{.bytes_max = kMiB, .entry_bytes_max = 100}}) {
        LocalStore store{limits};
        CHECK_FALSE(Made{"a"}.put_into(store));
        CHECK(look(store, "a") == Freshness::Miss);
    }
}

TEST_CASE("less room is less room at once, and more is more") {
    LocalStore store{kLimits};
    for (int i = 0; i < 2'000; ++i) {
        REQUIRE(Made(std::to_string(i), std::string(2'000, 'x')).put_into(store));
    }
    CHECK(store.statistics().bytes > 4 * kMiB);
    store.configure({.bytes_max = kMiB, .entries_max = 10'000, .entry_bytes_max = kMiB});
    CHECK(store.statistics().bytes <= kMiB);
    const std::size_t left = store.statistics().entries;
    CHECK(left > 0);
    std::size_t found = 0;
    for (int i = 0; i < 2'000; ++i) {
        found += look(store, std::to_string(i)) == Freshness::Fresh ? 1U : 0U;
    }
    CHECK(found == left);
    store.configure({.bytes_max = 8 * kMiB, .entries_max = 5, .entry_bytes_max = kMiB});
    CHECK(store.statistics().entries == 5);
    store.configure({});
    CHECK(store.statistics().entries == 0);
    store.configure(kLimits);
    CHECK(Made{"a"}.put_into(store));
}

TEST_CASE("entries outlive the store where somebody reads them") {
    EntryPtr held;
    {
        LocalStore store{kLimits};
        REQUIRE(Made("a", std::string(200'000, 'x')).put_into(store));
        held = store.find(key_of("a").view(), kStart).entry;
    }
    CHECK(as_text(held->reply()) == std::string(200'000, 'x'));
}

TEST_CASE("what readers hold counts, and is never more than there is room for") {
    LocalStore store{{.bytes_max = kMiB, .entries_max = 1'000, .entry_bytes_max = kMiB}};
    std::vector<EntryPtr> held;
    for (int i = 0; i < 100; ++i) {
        if (auto entry = Made(std::to_string(i), std::string(30'000, 'x')).by(store)) {
            held.push_back(entry);
            static_cast<void>(store.put(std::move(entry)));
        }
        REQUIRE(store.statistics().bytes <= kMiB);
    }
    CHECK(held.size() > 10);
    CHECK(held.size() < 35);
    held.clear();
    CHECK(Made("a", std::string(30'000, 'x')).put_into(store));
}

TEST_CASE("threads use one store at once") {
    LocalStore store{{.bytes_max = kMiB, .entries_max = 300, .entry_bytes_max = 100'000}};
    std::vector<std::thread> threads;
    for (unsigned seed = 0; seed < 4; ++seed) {
        threads.emplace_back([&store, seed] {
            for (unsigned i = 0; i < 3'000; ++i) {
                const std::size_t number = (i * 31 + seed * 7) % 600;
                const std::string text = std::to_string(number);
                const std::vector<TableId> tables{static_cast<TableId>(1 + number % 9)};
                switch ((i + seed) % 8) {
                    case 0: store.drop_tables(1, tables); break;
                    case 1: store.erase(key_of(text).view()); break;
                    case 2:
                    case 3:
                        Made(text, std::string(number * 40, 'x')).reads(tables).put_into(store);
                        break;
                    case 4:
                        if (i % 1'000 == 4) {
                            store.configure({.bytes_max = kMiB / (1 + i % 3),
                                             .entries_max = 300,
                                             .entry_bytes_max = 100'000});
                            store.drop_matching("1*");
                        }
                        break;
                    default: {
                        const Found found = store.find(key_of(text).view(), kStart);
                        if (found.entry != nullptr) {
                            REQUIRE(found.entry->reply().size() == number * 40);
                        }
                    }
                }
                REQUIRE(store.statistics().bytes <= kMiB + 10'000);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const std::size_t left = store.statistics().entries;
    CHECK(store.clear() == left);
    CHECK(store.statistics().entries == 0);
}
