#pragma once

#include "base/endpoint.hpp"
#include "conf/units.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::conf {

/// Where Redis is, who we are there, and which of its databases is ours.
struct RedisAddress {
    Endpoint endpoint;
    std::string user;  ///< of an ACL; "" = the default user
    std::string password;
    std::uint32_t database = 0;
};

/// Reads redis://user:password@host:port/db, unix:///path?db=N or redis+unix:///path?db=N. User,
/// password and path are percent-decoded. No problem repeats any part of the URL: a password may be
/// anywhere in one that is wrong.
///
/// @return the address, or what is wrong and what would be right
/// @source the provisional URI schemes "redis" and "rediss" as registered with IANA
[[nodiscard]] Parsed<RedisAddress> parse_redis_url(std::string_view url);

}  // namespace weir::conf
