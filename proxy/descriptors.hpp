#pragma once

#include "conf/model.hpp"

#include <cstdint>

/// Every client and every backend is a file descriptor.
namespace weir::proxy {

/// Connections taken beyond max_clients: those that have not said yet who they are, cancel
/// requests, admins. Past them nobody is let in, so that the silent cannot take every descriptor.
inline constexpr std::uint64_t kUnknownClientsMax = 256;

/// @return how many client connections may be open at once, whatever they are
[[nodiscard]] std::uint64_t client_connections_max(const conf::Config& config);

/// @return how many descriptors this configuration may come to use, with one pool a database
[[nodiscard]] std::uint64_t descriptors_needed(const conf::Config& config);

/// Takes as many as the system lets us.
/// @return the limit that holds now
std::uint64_t raise_descriptor_limit();

/// Warns when the limit is below what the configuration may need.
void check_descriptor_limit(const conf::Config& config);

}  // namespace weir::proxy
