#pragma once

#include "base/endpoint.hpp"

#include <cstdint>
#include <string_view>

/// What a cluster is made of, and who among its members gets the next read. Plain values. Thread:
/// any (read only).
namespace weir::conf {

/// Where Weir listens, or where PostgreSQL does. For Unix `path` is the socket's file, not its
/// folder.
using Address = Endpoint;

/// What a member is. Auto: what it says of itself when it is asked.
enum class MemberRole : std::uint8_t { Auto, Primary, Replica };

/// @return the word in the configuration: "auto", "primary" or "replica"
[[nodiscard]] std::string_view name_of(MemberRole role);

/// How a replica is chosen for a read.
enum class Balance : std::uint8_t { LeastConnections, RoundRobin, Random, Latency };

/// @return the word in the configuration, such as "least-connections"
[[nodiscard]] std::string_view name_of(Balance balance);

inline constexpr unsigned kMaxMemberWeight = 1000;
/// Members of one cluster: each is probed, and each may have a pool for every (database, user).
inline constexpr std::size_t kMaxMembers = 64;

/// One PostgreSQL server of a cluster.
struct MemberSettings {
    Address address;
    unsigned weight = 1;  ///< 1..kMaxMemberWeight: its share of the reads
    MemberRole role = MemberRole::Auto;

    bool operator==(const MemberSettings&) const = default;
};

}  // namespace weir::conf
