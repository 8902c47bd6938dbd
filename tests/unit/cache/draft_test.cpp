#include "cache/draft.hpp"

#include "tests/unit/cache/cache_support.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace weir::cache;        // NOLINT(google-build-using-namespace)
using namespace weir::cache::test;  // NOLINT(google-build-using-namespace)
using weir::as_bytes;
using weir::as_text;

namespace {

constexpr std::size_t kShort = Draft::kShortBytes;
constexpr std::size_t kBlock = Arena::kUnitBytes;

std::string text_of(const Draft& draft) {
    std::string text;
    for (const weir::ByteView piece : draft.pieces()) {
        text += as_text(piece);
    }
    return text;
}

std::string numbers(std::size_t size) {
    std::string text;
    for (unsigned i = 0; text.size() < size; ++i) {
        text += std::to_string(i) + ' ';
    }
    return text.substr(0, size);
}

std::size_t counted(const LocalStore& store) {
    return store.statistics().bytes;
}

}  // namespace

TEST_SUITE("draft") {
    TEST_CASE("draft: what was appended, however long and in whatever pieces") {
        LocalStore store{{.bytes_max = 4 * kMiB, .entries_max = 100, .entry_bytes_max = kMiB}};
        for (const std::size_t size : {std::size_t{0},
                                       std::size_t{1},
                                       kShort - 1,
                                       kShort,
                                       kShort + 1,
                                       kShort + kBlock,
                                       kShort + kBlock + 1,
                                       kShort + 5 * kBlock - 1}) {
            const std::string whole = numbers(size);
            for (const std::size_t step : {std::size_t{7}, kShort, kBlock + 3, 10 * kBlock}) {
                Draft draft{store};
                for (std::size_t at = 0; at < size; at += step) {
                    REQUIRE(draft.append(as_bytes(std::string_view{whole}.substr(at, step))));
                }
                CHECK(draft.size() == size);
                CHECK(text_of(draft) == whole);
            }
        }
    }

    TEST_CASE("draft: a long one counts while it is there") {
        LocalStore store{{.bytes_max = 4 * kMiB, .entries_max = 100, .entry_bytes_max = kMiB}};
        const std::size_t before = counted(store);
        const std::string whole = numbers(kShort + 2 * kBlock);
        Draft draft{store};
        CHECK(draft.append(as_bytes(std::string_view{whole}.substr(0, kShort))));
        CHECK(counted(store) == before);
        CHECK(draft.append(as_bytes(std::string_view{whole}.substr(kShort))));
        CHECK(counted(store) == before + 2 * kBlock);
        Draft other = std::move(draft);
        CHECK(counted(store) == before + 2 * kBlock);
        CHECK(text_of(other) == whole);
        other.yield();
        CHECK(counted(store) == before);
        CHECK(text_of(other) == whole);
        other.clear();
        CHECK(counted(store) == before);
        CHECK(other.pieces().front().empty());
        CHECK(other.append(as_bytes(whole)));
        CHECK(counted(store) == before + 2 * kBlock);
        other = Draft{};
        CHECK(counted(store) == before);
    }

    TEST_CASE("draft: entries make room for it, until none is left") {
        constexpr std::size_t kMax = kMiB;
        LocalStore store{{.bytes_max = kMax, .entries_max = 1000, .entry_bytes_max = kMiB}};
        for (int i = 0; i < 100; ++i) {
            CHECK(Made{std::to_string(i), std::string(20'000, 'x')}.put_into(store));
        }
        REQUIRE(store.statistics().entries > 30);
        Draft draft{store};
        const std::string block(kBlock, 'x');
        CHECK(draft.append(as_bytes(block)));
        CHECK(store.statistics().entries > 30);
        bool has_room = true;
        while (draft.size() < 2 * kMax && (has_room = draft.append(as_bytes(block)))) {
            CHECK(counted(store) <= kMax);
        }
        CHECK_FALSE(has_room);
        CHECK(store.statistics().entries == 0);
        draft.clear();
        CHECK(Made{"next"}.put_into(store));
    }

    TEST_CASE("draft: may outlive its store") {
        Draft draft;
        {
            LocalStore store{{.bytes_max = kMiB, .entries_max = 10, .entry_bytes_max = kMiB}};
            draft = Draft{store};
            CHECK(draft.append(as_bytes(std::string(3 * kBlock, 'x'))));
        }
        CHECK(draft.size() == 3 * kBlock);
    }
}
