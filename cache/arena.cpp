#include "cache/arena.hpp"

#include "base/check.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace weir::cache {

namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kRegionUnits = 1024;
constexpr std::size_t kAlignment = 16;
constexpr std::size_t kSmallestSlot = 256;
constexpr std::size_t kSlotsPerSlabMin = 4;
constexpr std::size_t kStep = 8;  // sizes grow by a kStep-th

constexpr std::size_t round_up(std::size_t value, std::size_t step) {
    return (value + step - 1) / step * step;
}

/// @return how many units a block of that size gets: few different numbers, so that what one block
/// leaves suits another. Units that it does not touch cost addresses, no memory.
std::size_t units_for(std::size_t size) {
    std::size_t units = round_up(size, Arena::kUnitBytes) / Arena::kUnitBytes;
    std::size_t step = 1;
    while (units > 2 * kStep * step) {
        step *= 2;
    }
    return round_up(units, step);
}

}  // namespace

constexpr std::size_t Arena::Slab::head_bytes() {
    return round_up(sizeof(Slab), kAlignment);
}

Arena::Slab& Arena::Slab::of(void* slot) {
    const auto offset = reinterpret_cast<std::uintptr_t>(slot) % kUnitBytes;
    return *std::launder(reinterpret_cast<Slab*>(static_cast<std::byte*>(slot) - offset));
}

Arena::SlotSizes Arena::make_slot_sizes() {
    constexpr std::size_t kUsable = kUnitBytes - Slab::head_bytes();
    SlotSizes result;
    for (std::size_t wanted = kSmallestSlot; kUsable / wanted >= kSlotsPerSlabMin;) {
        const std::size_t slots = kUsable / wanted;
        const std::size_t size = kUsable / slots / kAlignment * kAlignment;
        WEIR_CHECK(result.count < kSlabClassesMax);
        result.sizes[result.count++] = size;
        wanted = round_up(size + size / kStep, kAlignment);
    }
    return result;
}

const Arena::SlotSizes& Arena::slot_sizes() {
    static const SlotSizes kSizes = make_slot_sizes();
    return kSizes;
}

/// @return slot_sizes().count where it is too large for a slab
std::size_t Arena::class_of(std::size_t size) {
    const SlotSizes& sizes = slot_sizes();
    const auto* const begin = sizes.sizes.data();
    return static_cast<std::size_t>(std::lower_bound(begin, begin + sizes.count, size) - begin);
}

Arena::~Arena() {
    for (IntrusiveList<Slab>& slabs : have_slots_) {
        WEIR_CHECK(slabs.empty());
    }
    for (const Mapping& mapping : mappings_) {
        ::munmap(mapping.begin, mapping.bytes);
    }
}

std::size_t Arena::footprint(std::size_t size) {
    const std::size_t slab_class = class_of(size);
    const SlotSizes& sizes = slot_sizes();
    return slab_class < sizes.count ? sizes.sizes[slab_class] : round_up(size, kPageBytes);
}

void* Arena::allocate(std::size_t size) {
    const std::size_t slab_class = class_of(size);
    return slab_class < slot_sizes().count ? allocate_slot(slab_class) : allocate_pages(size);
}

bool Arena::take_bytes(std::size_t bytes) {
    std::size_t before = bytes_.load(std::memory_order_relaxed);
    do {
        const std::size_t most = limit();
        if (bytes > most || before > most - bytes) {
            return false;
        }
    } while (!bytes_.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed));
    return true;
}

void* Arena::allocate_slot(std::size_t slab_class) {
    const std::size_t size = slot_sizes().sizes[slab_class];
    const std::lock_guard lock{mutex_};
    Slab* slab = have_slots_[slab_class].front();
    if (slab == nullptr) {
        if (!take_bytes(kUnitBytes)) {
            return nullptr;
        }
        std::byte* unit = take_units(1);
        if (unit == nullptr) {
            refund(kUnitBytes);
            return nullptr;
        }
        slab = new (unit) Slab;
        slab->slab_class = slab_class;
        slab->untouched = static_cast<std::uint32_t>((kUnitBytes - Slab::head_bytes()) / size);
        have_slots_[slab_class].push_front(*slab);
    }
    ++slab->used;
    void* slot = slab->free;
    if (slot != nullptr) {
        std::memcpy(&slab->free, slot, sizeof(void*));
    } else {
        const std::size_t begun = (kUnitBytes - Slab::head_bytes()) / size - slab->untouched--;
        slot = reinterpret_cast<std::byte*>(slab) + Slab::head_bytes() + begun * size;
    }
    if (slab->free == nullptr && slab->untouched == 0) {
        slab->ListNode<Slab>::unlink();
    }
    return slot;
}

void* Arena::allocate_pages(std::size_t size) {
    const std::size_t resident = round_up(size, kPageBytes);
    if (!take_bytes(resident)) {
        return nullptr;
    }
    const std::lock_guard lock{mutex_};
    void* block = take_units(units_for(size));
    if (block == nullptr) {
        refund(resident);
    }
    return block;
}

/// @return not resident yet; nullptr where the kernel has no addresses left
std::byte* Arena::take_units(std::size_t units) {
    const auto found = free_.find(units);
    if (found != free_.end() && !found->second.empty()) {
        std::byte* begin = found->second.back();
        found->second.pop_back();
        return begin;
    }
    if (region_units_ < units && !map_region(std::max(units, kRegionUnits))) {
        return nullptr;
    }
    std::byte* begin = region_;
    region_ += units * kUnitBytes;
    region_units_ -= units;
    return begin;
}

bool Arena::map_region(std::size_t units) {
    const std::size_t bytes = (units + 1) * kUnitBytes;  // one more: to begin at a multiple
    void* begin = ::mmap(
        nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (begin == MAP_FAILED) {
        return false;
    }
    // Otherwise the first byte of a slab would make two megabytes resident.
    static_cast<void>(::madvise(begin, bytes, MADV_NOHUGEPAGE));
    mappings_.push_back({begin, bytes});
    for (; region_units_ > 0; --region_units_, region_ += kUnitBytes) {
        free_[1].push_back(region_);
    }
    const std::size_t offset = reinterpret_cast<std::uintptr_t>(begin) % kUnitBytes;
    region_ = static_cast<std::byte*>(begin) + (kUnitBytes - offset) % kUnitBytes;
    region_units_ = units;
    return true;
}

void Arena::free(void* block, std::size_t size) {
    const std::size_t slab_class = class_of(size);
    if (slab_class == slot_sizes().count) {
        give_back(static_cast<std::byte*>(block), units_for(size), round_up(size, kPageBytes));
        return;
    }
    Slab& slab = Slab::of(block);
    {
        const std::lock_guard lock{mutex_};
        WEIR_CHECK(slab.slab_class == slab_class && slab.used > 0);
        std::memcpy(block, &slab.free, sizeof(void*));
        slab.free = block;
        if (!slab.is_linked()) {
            have_slots_[slab_class].push_front(slab);
        }
        if (--slab.used > 0) {
            return;
        }
        slab.~Slab();
    }
    give_back(reinterpret_cast<std::byte*>(&slab), 1, kUnitBytes);
}

/// The kernel takes its time; nobody waits for that at the lock. Where it refuses, because the
/// process has locked its memory, that is what was asked for.
void Arena::give_back(std::byte* begin, std::size_t units, std::size_t bytes) {
    static_cast<void>(::madvise(begin, units * kUnitBytes, MADV_DONTNEED));
    refund(bytes);
    const std::lock_guard lock{mutex_};
    free_[units].push_back(begin);
}

}  // namespace weir::cache
