#pragma once

#include "conf/model.hpp"

#include <cstdint>
#include <ostream>
#include <string>

/// `weir cache`: asks the process that runs with this configuration over its admin database, so
/// that what is ordered is allowed and audited there. Thread: any; blocks for 10 s at most, but for
/// looking up a name.
namespace weir::admin {

struct CacheCommand {
    const conf::Config& config;
    std::string user;  ///< who asks; "" = the first of admin.admins
    std::ostream& out;
    std::ostream& problems;
};

enum class CacheForm : std::uint8_t {
    Text,
    Json,  ///< as /api/cache gives it
};

/// What is dropped; all there is where both are empty.
struct CacheChoice {
    std::string table;
    std::string pattern;  ///< of statements
};

/// `weir cache stats`: SHOW CACHE. @return the exit status: 0, or 2 where it could not be asked
[[nodiscard]] int print_cache(const CacheCommand& command, CacheForm form);
/// `weir cache clear`: CLEAR CACHE. @return the same, also where it was refused
[[nodiscard]] int clear_cache(const CacheCommand& command, const CacheChoice& choice);

/// @return the order as the admin database reads it
[[nodiscard]] std::string clear_cache_sql(const CacheChoice& choice);

/// How to log in to the admin database, by the names of libpq's parameters.
struct AdminLogin {
    std::string host;  ///< a name, an address, or a socket's folder
    std::string port;
    std::string database;
    std::string user;
    std::string password;  ///< "" = libpq is to find one (PGPASSWORD, .pgpass), or needs none
};

/// @param user "" = the first of admin.admins
[[nodiscard]] AdminLogin admin_login_of(const conf::Config& config, const std::string& user);

}  // namespace weir::admin
