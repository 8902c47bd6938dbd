#pragma once

#include <chrono>
#include <cstdint>

namespace weir::conf {

/// Which results are kept for reuse, and how much room they have: [cache]. Plain values.
/// Thread: any (read only).
struct CacheSettings {
    bool enabled = false;
    std::chrono::milliseconds default_ttl{};  ///< zero = only what a rule or a comment says so of
    std::uint64_t max_size = 0;               ///< bytes of memory, for everything
    std::uint64_t max_entries = 0;
    std::uint64_t max_entry = 0;                         ///< bytes of one reply
    std::chrono::milliseconds stale_while_revalidate{};  ///< zero = nothing old is ever served
    bool invalidate_on_write = false;

    bool operator==(const CacheSettings&) const = default;
};

}  // namespace weir::conf
