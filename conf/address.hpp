#pragma once

#include "conf/model.hpp"
#include "conf/units.hpp"

#include <cstdint>
#include <string_view>

namespace weir::conf {

/// The ports a unix socket's file is named after when the folder alone is given.
inline constexpr std::uint16_t kWeirPort = 6432;
inline constexpr std::uint16_t kPostgresPort = 5432;

/// Reads "host:port", "[v6]:port", "unix:/folder", "unix:/folder:port",
/// "unix:/folder/.s.PGSQL.port", "unix:@abstract".
///
/// @param unix_port names the socket's file when only its folder is given
[[nodiscard]] Parsed<Address> parse_address(std::string_view text, std::uint16_t unix_port);

/// @return the socket PostgreSQL's convention puts into that folder
[[nodiscard]] Address unix_address(std::string_view folder, std::uint16_t port);

}  // namespace weir::conf
