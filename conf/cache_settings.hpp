#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace weir::conf {

/// Which results are kept for reuse, and how much room they have: [cache]. Plain values.
/// Thread: any (read only).
struct CacheSettings {
    bool enabled = false;
    std::chrono::milliseconds default_ttl{};  ///< zero = only what a rule or a comment says so of
    std::uint64_t max_size = 0;               ///< bytes of memory; zero = nothing in this process
    std::uint64_t max_entries = 0;
    std::uint64_t max_entry = 0;                         ///< bytes of one reply
    std::chrono::milliseconds stale_while_revalidate{};  ///< zero = nothing old is ever served
    bool invalidate_on_write = false;
    std::string redis = {};  ///< a URL with, perhaps, a password; "" = this process only
    std::string redis_key_prefix = {};
    std::chrono::milliseconds redis_timeout{};  ///< of each command
    std::uint64_t redis_queue = 0;              ///< tables to be told of once Redis is back

    bool operator==(const CacheSettings&) const = default;
};

}  // namespace weir::conf
