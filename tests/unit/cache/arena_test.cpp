#include "cache/arena.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <thread>
#include <utility>
#include <vector>

using weir::cache::Arena;

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;

struct Block {
    unsigned char* begin = nullptr;
    std::size_t size = 0;
    unsigned char filled_with = 0;
};

Block take(Arena& arena, std::size_t size, unsigned char with) {
    auto* begin = static_cast<unsigned char*>(arena.allocate(size));
    if (begin != nullptr) {
        std::memset(begin, with, size);
    }
    return {begin, size, with};
}

/// @return whether nobody else wrote into it
bool is_whole(const Block& block) {
    for (std::size_t i = 0; i < block.size; ++i) {
        if (block.begin[i] != block.filled_with) {
            return false;
        }
    }
    return true;
}

void churn(Arena& arena, unsigned seed, int rounds) {
    std::mt19937_64 random{seed};
    std::vector<Block> blocks;
    for (int round = 0; round < rounds; ++round) {
        if (!blocks.empty() && random() % 2 == 0) {
            std::swap(blocks[random() % blocks.size()], blocks.back());
            REQUIRE(is_whole(blocks.back()));
            arena.free(blocks.back().begin, blocks.back().size);
            blocks.pop_back();
            continue;
        }
        const std::size_t size = 1 + random() % (std::size_t{1} << random() % 19);
        const Block block = take(arena, size, static_cast<unsigned char>(random()));
        if (block.begin != nullptr) {
            REQUIRE(reinterpret_cast<std::uintptr_t>(block.begin) % 16 == 0);
            blocks.push_back(block);
        }
        REQUIRE(arena.bytes() <= arena.limit());
    }
    for (const Block& block : blocks) {
        REQUIRE(is_whole(block));
        arena.free(block.begin, block.size);
    }
}

}  // namespace

TEST_CASE("blocks do not overlap, keep what is in them and never pass the limit") {
    Arena arena{8 * kMiB};
    churn(arena, 1, 20'000);
    CHECK(arena.bytes() == 0);
    churn(arena, 2, 20'000);
    CHECK(arena.bytes() == 0);
}

TEST_CASE("blocks are taken and given back on several threads") {
    Arena arena{8 * kMiB};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; ++i) {
        threads.emplace_back([&arena, i] { churn(arena, i, 3'000); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(arena.bytes() == 0);
}

TEST_CASE("every size fits where it is put, up to the end of a slab") {
    Arena arena{64 * kMiB};
    for (std::size_t size = 1; size < 80'000; size += size < 20'000 ? 61 : 4'999) {
        REQUIRE(Arena::footprint(size) >= size);
        std::vector<Block> blocks;
        for (std::size_t sum = 0; sum <= 2 * Arena::kUnitBytes; sum += size) {
            blocks.push_back(take(arena, size, static_cast<unsigned char>(blocks.size())));
        }
        for (const Block& block : blocks) {
            REQUIRE(is_whole(block));
            arena.free(block.begin, block.size);
        }
        REQUIRE(arena.bytes() == 0);
    }
}

TEST_CASE("what it is asked for beyond its limit is refused") {
    Arena arena{kMiB};
    CHECK(arena.allocate(2 * kMiB) == nullptr);
    CHECK(arena.allocate(SIZE_MAX / 2) == nullptr);
    void* all = arena.allocate(kMiB);
    REQUIRE(all != nullptr);
    CHECK(arena.allocate(1) == nullptr);
    CHECK(arena.allocate(100'000) == nullptr);
    arena.free(all, kMiB);
    CHECK(arena.bytes() == 0);
    arena.set_limit(0);
    CHECK(arena.allocate(1) == nullptr);
}

TEST_CASE("memory from elsewhere counts") {
    Arena arena{kMiB};
    arena.charge(kMiB - 100);
    CHECK(arena.allocate(1) == nullptr);
    arena.refund(kMiB - 100);
    void* block = arena.allocate(1);
    REQUIRE(block != nullptr);
    arena.free(block, 1);
}

TEST_CASE("a block larger than a region has one of its own") {
    Arena arena{256 * kMiB};
    auto* block = static_cast<unsigned char*>(arena.allocate(200 * kMiB));
    REQUIRE(block != nullptr);
    block[0] = 1;
    block[200 * kMiB - 1] = 1;
    arena.free(block, 200 * kMiB);
    CHECK(arena.bytes() == 0);
}
