#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::sql {

/// Where a statement's own comment says that it is to go.
enum class RouteHint : std::uint8_t {
    None,
    Auto,  ///< as if nothing were said
    Replica,
    Primary,
};

/// What a statement's comments say of it. Whether it counts the configuration says.
struct Hint {
    RouteHint route = RouteHint::None;
    bool has_unknown = false;  ///< a key or a value that means nothing to us stands there as well
    std::optional<std::chrono::milliseconds> timeout;  ///< these three: 0 = no limit
    std::optional<std::uint64_t> rows;
    std::optional<std::uint64_t> bytes;
    std::optional<std::chrono::milliseconds> cache;  ///< 0 = not cached

    [[nodiscard]] bool operator==(const Hint&) const = default;
};

/// Reads the comments that begin with "weir:", wherever PostgreSQL sees a comment:
/// `/* weir: route=replica timeout=5s rows=100 bytes=1MiB cache=1m */`, `-- weir: route=primary`.
/// Keys are parted by blanks; durations and sizes are written as in the configuration.
///
/// Where several contradict each other the primary wins, then the replica; of limits the lowest
/// does, and of times in the cache the shortest. Costs one search for "weir:" when there is none;
/// digests leave comments out, so this runs for every statement.
/// @param sql any bytes; cut as PostgreSQL does with standard_conforming_strings on (see can_cut)
[[nodiscard]] Hint read_hint(std::string_view sql);

}  // namespace weir::sql
