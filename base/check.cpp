#include "base/check.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace weir {

namespace {

struct BugSlot {
    std::atomic<const char*> what{nullptr};
    std::atomic<std::uint64_t> count{0};
};

// The one process-wide table: a bug may surface anywhere, also where nothing can be passed in.
std::array<BugSlot, kBugKindsMax>& bug_slots() {
    static std::array<BugSlot, kBugKindsMax> slots;
    return slots;
}

/// @return how often this kind was seen before
std::uint64_t count_bug(const char* what) noexcept {
    for (BugSlot& slot : bug_slots()) {
        const char* seen = nullptr;
        if (slot.what.compare_exchange_strong(seen, what) || std::string_view{seen} == what) {
            return slot.count.fetch_add(1);
        }
    }
    return 1;  // table full: still counted as known, so the log stays quiet
}

}  // namespace

BugCount bug_count(int index) noexcept {
    const BugSlot& slot = bug_slots()[static_cast<std::size_t>(index)];
    return {slot.what.load(), slot.count.load()};
}

namespace detail {

void check_failed(const char* condition, const char* file, int line) noexcept {
    std::fprintf(stderr, "weir: check failed: %s at %s:%d\n", condition, file, line);
    std::fflush(stderr);
    std::abort();
}

bool bug_found(const char* what, const char* file, int line) noexcept {
    const unsigned long long seen = count_bug(what) + 1;
    // At 1, 2, 4, 8 … only: a bug that repeats must not flood the log.
    if ((seen & (seen - 1)) == 0) {
        std::fprintf(stderr, "weir: bug: %s at %s:%d (seen %llu times)\n", what, file, line, seen);
    }
#if defined(WEIR_ASSERTS) && WEIR_ASSERTS
    check_failed(what, file, line);
#endif
    return true;
}

}  // namespace detail

}  // namespace weir
