#pragma once

#include "base/intrusive_list.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

namespace weir::cache {

/// Memory whose resident size is known and limited.
///
/// With malloc a store of 100 MiB was measured at 270 MiB resident after the sizes of its entries
/// had changed: what is free lies between what is not. Here blocks of like size share slabs, larger
/// ones have pages of their own, and what counts is slabs and pages, not what is in them. Those
/// that are empty go back to the kernel, the addresses are kept.
/// @thread any
class Arena {
public:
    static constexpr std::size_t kUnitBytes = std::size_t{64} << 10U;  ///< of a slab

    explicit Arena(std::size_t limit) : limit_{limit} {}

    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    Arena(Arena&&) = delete;
    Arena& operator=(Arena&&) = delete;
    /// Nothing may be allocated any more.
    ~Arena();

    /// @return aligned to 16 bytes; nullptr where the limit would be passed
    [[nodiscard]] void* allocate(std::size_t size);

    /// @param size as it was asked for
    void free(void* block, std::size_t size);

    /// @return what a block of that size takes: its share of a slab, or its pages
    [[nodiscard]] static std::size_t footprint(std::size_t size);

    /// Memory from elsewhere that is to count too. Passes the limit where it has to.
    void charge(std::size_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }

    void refund(std::size_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

    /// @return all that counts
    [[nodiscard]] std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

    [[nodiscard]] std::size_t limit() const { return limit_.load(std::memory_order_relaxed); }

    /// Frees nothing by itself.
    void set_limit(std::size_t limit) { limit_.store(limit, std::memory_order_relaxed); }

private:
    /// At the beginning of its unit; the slots follow.
    struct Slab : ListNode<Slab> {
        std::size_t slab_class = 0;
        std::uint32_t used = 0;       // slots that are allocated
        std::uint32_t untouched = 0;  // slots behind all that ever were
        void* free = nullptr;         // a chain through slots that were, and are not

        [[nodiscard]] static constexpr std::size_t head_bytes();
        [[nodiscard]] static Slab& of(void* slot);
    };

    static constexpr std::size_t kSlabClassesMax = 64;

    /// What the sizes of slots are: each about an eighth above the one before.
    struct SlotSizes {
        std::array<std::size_t, kSlabClassesMax> sizes{};
        std::size_t count = 0;
    };

    [[nodiscard]] static SlotSizes make_slot_sizes();
    [[nodiscard]] static const SlotSizes& slot_sizes();
    [[nodiscard]] static std::size_t class_of(std::size_t size);

    [[nodiscard]] bool take_bytes(std::size_t bytes);
    [[nodiscard]] void* allocate_slot(std::size_t slab_class);
    [[nodiscard]] void* allocate_pages(std::size_t size);
    [[nodiscard]] std::byte* take_units(std::size_t units);
    [[nodiscard]] bool map_region(std::size_t units);
    void give_back(std::byte* begin, std::size_t units, std::size_t bytes);

    std::atomic<std::size_t> bytes_{0};
    std::atomic<std::size_t> limit_;

    std::mutex mutex_;                                             // guards all below
    std::array<IntrusiveList<Slab>, kSlabClassesMax> have_slots_;  // slabs that are not full
    std::map<std::size_t, std::vector<std::byte*>> free_;  // by how many units; not resident
    std::byte* region_ = nullptr;                          // what was never used of the last one
    std::size_t region_units_ = 0;

    struct Mapping {
        void* begin;
        std::size_t bytes;
    };

    std::vector<Mapping> mappings_;
};

}  // namespace weir::cache
