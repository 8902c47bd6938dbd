#pragma once

#include <cstdint>

/// Three strengths of assertion; none of them may ever depend on bytes from outside.
///
/// WEIR_ASSERT(cond)        debug, sanitizer and fuzz builds: an invariant we proved
/// WEIR_CHECK(cond)         always: going on would hand one client's data to another or corrupt
/// memory WEIR_BUG_IF(cond, what)  a recoverable surprise: debug builds abort; release builds count
/// weir_bugs_total{what},
///                          log once in ten seconds and evaluate to true, so that the caller closes
///                          that one session

namespace weir::detail {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;
[[nodiscard]] bool bug_found(const char* what, const char* file, int line) noexcept;

}  // namespace weir::detail

namespace weir {

/// One row of weir_bugs_total. `what` is the literal given to WEIR_BUG_IF.
struct BugCount {
    const char* what;
    std::uint64_t count;
};

/// Calls visit(BugCount) for every kind of bug seen since the start. Thread: any.
template <class Visitor>
void for_each_bug(Visitor&& visit);

inline constexpr int kBugKindsMax = 32;
[[nodiscard]] BugCount bug_count(int index) noexcept;

template <class Visitor>
void for_each_bug(Visitor&& visit) {
    for (int i = 0; i < kBugKindsMax; ++i) {
        if (const BugCount bug = bug_count(i); bug.what != nullptr) {
            visit(bug);
        }
    }
}

}  // namespace weir

#define WEIR_CHECK(cond)                            \
    (static_cast<bool>(cond) ? static_cast<void>(0) \
                             : ::weir::detail::check_failed(#cond, __FILE__, __LINE__))

#if defined(WEIR_ASSERTS) && WEIR_ASSERTS
#define WEIR_ASSERT(cond) WEIR_CHECK(cond)
#else
#define WEIR_ASSERT(cond) static_cast<void>(sizeof(static_cast<bool>(cond)))
#endif

#define WEIR_BUG_IF(cond, what) \
    (static_cast<bool>(cond) && ::weir::detail::bug_found(what, __FILE__, __LINE__))
